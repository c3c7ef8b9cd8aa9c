"""Promotion workflow: from a challenger to the gates' verdict and the ledger, shared by `promote` and `retrain`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec

from tickvol.core.errors import InputError, SchemaMismatch
from tickvol.volatility.evaluation.inference_speed import measure_inference
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.promotion.comparison import answers_parity, compare
from tickvol.volatility.promotion.evidence import Evidence, Identity, LeakCheck, Parity
from tickvol.volatility.promotion.gates import GateResult, run_gates
from tickvol.volatility.registry.champions import (
    PROMOTED,
    REFUSED,
    champions_ledger,
    changing,
    make_champion,
    note,
    require_anchored,
    rolled_back,
)
from tickvol.volatility.registry.versions import (
    CHAMPION,
    Version,
    aliases,
    baselines_of_run,
    bundle_of,
    find_version,
)
from tickvol.volatility.schema.feature_table import FeatureTable, table_fingerprint
from tickvol.volatility.settings.profile import MarketProfile
from tickvol.volatility.workflows.leakcheck_log import LogFiles
from tickvol.volatility.workflows.log_parity import log_parity
from tickvol.volatility.workflows.terms import judging_rules, leak_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """A candidate, the serving version, the evidence and the gates' results."""

    candidate: Version
    champion: Version | None
    evidence: Evidence
    gates: tuple[GateResult, ...]
    judged_data: str

    @property
    def passed(self) -> bool:
        """True if every gate is passed."""
        return all(gate.passed for gate in self.gates)

    def document(self) -> dict[str, Any]:
        """Content of the ledger entry: candidate, champion, evidence and gates."""
        ours, theirs, compared = self.evidence.challenger, self.evidence.champion, self.evidence.comparison
        return {
            "candidate": self.candidate.number,
            "champion": self.champion and self.champion.number,
            "run": self.candidate.run_id,
            "bundle_hash": ours.bundle_hash,
            "config_hash": ours.config_hash,
            "data_fingerprint": ours.data_fingerprint,
            "champion_bundle_hash": theirs.bundle_hash if isinstance(theirs, Identity) else None,
            "judged": {
                "data_fingerprint": self.judged_data,
                "rows": compared.rows,
                "positives": compared.positives,
                "events": compared.events,
                "days": list(compared.days),
                "pr_auc": dict(compared.pr_auc),
            },
            "gates": [asdict(gate) for gate in self.gates],
        }


def judge_candidate(
    profile: MarketProfile, name: str, table: FeatureTable, log: LogFiles | None, products: Sequence[str]
) -> GateDecision | None:
    """Evidence and gates of a version; None if it is the serving one.

    Parameters
    ----------
    name : alias or number of the version.
    table : rows to evaluate on; those that either was trained on are left out.
    log : recorded frames whose features must equal the table's; None for none.
    products : of the log.

    Raises
    ------
    LedgerBroken
        Before anything is evaluated, when no verdict could be recorded.
    """
    entries = champions_ledger(profile.mlflow).entries()
    require_anchored(profile.mlflow, entries)
    candidate = find_version(profile.mlflow, name)
    served = aliases(profile.mlflow).get(CHAMPION)
    if served == candidate.number:
        return None
    champion = None if served is None else find_version(profile.mlflow, served)
    bundle = bundle_of(profile.mlflow, candidate)
    rival = None if champion is None else _rival(profile, champion)
    comparison = compare(
        table,
        bundle,
        baselines_of_run(profile.mlflow, candidate),
        None if isinstance(rival, str) else rival,
        judging_rules(profile, bundle.spec, bundle.label.horizon_s),
    )
    if isinstance(rival, str):
        comparison = replace(comparison, against_champion=rival)
    evidence = Evidence(
        challenger=Identity.of(bundle),
        champion=Identity.of(rival) if isinstance(rival, Bundle) else rival,
        comparison=comparison,
        p99_us=measure_inference(bundle, table, (1,))[0].p99_us,
        parity=_parity(profile, bundle, table, log, products),
        leakcheck=read_leakcheck(profile),
        candles=bundle.spec == profile.candle_spec,
        rolled_back=rolled_back(entries, candidate.number, bundle.version),
    )
    return GateDecision(
        candidate=candidate,
        champion=champion,
        evidence=evidence,
        gates=run_gates(evidence, profile.promotion.rules(profile.evaluation)),
        judged_data=table_fingerprint(table),
    )


def _rival(profile: MarketProfile, champion: Version) -> Bundle | str:
    """The champion's bundle, or the reason why it cannot be read: then only `--force` passes the comparing gates."""
    try:
        return bundle_of(profile.mlflow, champion)
    except (InputError, SchemaMismatch) as error:
        return f"the champion cannot be read ({error})"


def _parity(
    profile: MarketProfile, bundle: Bundle, table: FeatureTable, log: LogFiles | None, products: Sequence[str]
) -> Parity:
    rows, differing = answers_parity(bundle, table)
    if log is None:
        return Parity(rows=rows, differing=differing)
    replayed, replayed_differing = log_parity(profile.spec, products, table, log)
    return Parity(rows=rows, differing=differing, replayed=replayed, replayed_differing=replayed_differing)


class _LeakReport(msgspec.Struct):
    data_fingerprint: str
    config_hash: str
    bundles: dict[str, str]
    rules: dict[str, Any]
    clean: bool
    checks: list[dict[str, Any]]


def read_leakcheck(profile: MarketProfile) -> LeakCheck | str:
    """Report of the leak check, or the reason why there is none."""
    path = profile.leakcheck.report_json
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_LeakReport)
    except FileNotFoundError:
        return f"{path}: no such file; run `tickvol leakcheck`"
    except (OSError, msgspec.DecodeError) as error:
        return f"{path}: cannot be read ({error}); run `tickvol leakcheck` again"
    return LeakCheck(
        data_fingerprint=found.data_fingerprint,
        config_hash=found.config_hash,
        bundles=found.bundles,
        rules_equal=found.rules == msgspec.json.decode(msgspec.json.encode(leak_rules(profile))),
        passed=found.clean,
        failed=tuple(str(check.get("name")) for check in found.checks if check.get("passed") is False),
        unchecked=tuple(str(check.get("name")) for check in found.checks if check.get("passed") is None),
    )


def gate_lines(judged: GateDecision) -> list[str]:
    """One line per gate."""
    ours, compared, champion = judged.evidence.challenger, judged.evidence.comparison, judged.champion
    serving = "nobody serves" if champion is None else f"version {champion.number} serves"
    lines = [
        f"candidate   version {judged.candidate.number}, {ours.name}, bundle {ours.bundle_hash[:12]}; {serving}",
        f"made by     run {judged.candidate.run_id}, config {ours.config_hash[:12]}, data {ours.data_fingerprint[:12]}",
        f"judged on   {compared.rows} rows new to both, {compared.positives} spikes in {compared.events} events",
    ]
    return lines + [f"{'pass' if gate.passed else 'FAIL'}  {gate.name:<19} {gate.reason}" for gate in judged.gates]


def failed_in_words(judged: GateDecision) -> str:
    """Failed gates with their reasons, one line each."""
    return "\n".join(f"{gate.name}: {gate.reason}" for gate in judged.gates if not gate.passed)


def settle(profile: MarketProfile, judged: GateDecision, *, at: str, by: str, force: str | None = None) -> bool:
    """Promote if all gates are passed or a reason to force it is given, else refuse; either is recorded.

    Parameters
    ----------
    by : origin of the request.
    force : the reason to promote despite failed gates.

    Returns
    -------
    bool
        True if the candidate serves now.

    Raises
    ------
    InputError
        When another version became champion since the candidate was compared with the former one.
    """
    content = {"at": at, "by": by, "forced": None if judged.passed else force, **judged.document()}
    with changing(profile.mlflow):
        served = aliases(profile.mlflow).get(CHAMPION)
        if served != (judged.champion and judged.champion.number):
            model = profile.mlflow.registered_model
            raise InputError(f"models:/{model}@{CHAMPION}: is version {served} now; judge again")
        if judged.passed or force is not None:
            make_champion(profile.mlflow, judged.candidate.number, kind=PROMOTED, content=content)
            return True
        note(profile.mlflow, REFUSED, content)
    return False
