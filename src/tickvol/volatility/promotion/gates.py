"""Promotion gates: pure functions of the evidence that give a measured value, a limit and a reason.

Unknown does not pass: an undefined metric is a reason to keep the champion. Where there is no champion, the gates that
compare with it are open.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tickvol.core.times import exact_iso
from tickvol.volatility.leakcheck.log_future import FUTURE, SERVED
from tickvol.volatility.leakcheck.pr_auc import NAME as PR_AUC
from tickvol.volatility.models.candidates import model_type_of
from tickvol.volatility.promotion.evidence import AgainstChampion, Evidence, Identity, Lead
from tickvol.volatility.promotion.rules import PromotionRules

MAY_BE_UNCHECKED = (FUTURE, SERVED, PR_AUC)
"""Checks that need the log, and the one that the leak check gate repeats on the evaluated rows."""

_NOBODY = "nobody serves, nothing to compare with"


@dataclass(frozen=True, slots=True)
class GateResult:
    """Result of one gate.

    Attributes
    ----------
    figure, limit : measured value and its limit; None where there is no number.
    """

    name: str
    passed: bool
    figure: float | None
    limit: float | None
    reason: str


GateOutcome = tuple[bool, float | None, float | None, str]
"""Passed, measured value, limit, reason."""


def lead_over_baseline(evidence: Evidence, rules: PromotionRules) -> GateOutcome:
    """Require that the lower bound of the lead over the best baseline is above 0."""
    lead = evidence.comparison.baseline_lead
    if lead is None:
        return False, None, 0.0, "no baseline was judged beside it"
    low = lead.interval.low
    return low is not None and low > 0, low, 0.0, f"{_lead(lead)}; must lie above 0"


def lead_over_champion(evidence: Evidence, rules: PromotionRules) -> GateOutcome:
    """Require that the lower bound of the lead over the champion is not below 0 by more than the tolerance."""
    limit = -rules.champion_tolerance
    found = _against(evidence)
    if not isinstance(found, AgainstChampion):
        return evidence.champion is None, None, limit, found
    low = found.lead.interval.low
    return low is not None and low >= limit, low, limit, f"{_lead(found.lead)}; must not reach below {limit:+.3f}"


def calibration(evidence: Evidence, rules: PromotionRules) -> GateOutcome:
    """Require that the calibration error, each by its own spike threshold, exceeds the champion's by at most the
    tolerance."""
    limit = rules.calibration_tolerance
    found = _against(evidence)
    if not isinstance(found, AgainstChampion):
        return evidence.champion is None, None, limit, found
    pair = found.calibration_error
    worse = pair.difference
    if worse is None:
        return False, None, limit, f"calibration error {_figure(pair.challenger)}, champion {_figure(pair.champion)}"
    reason = f"calibration error {pair.challenger:.4f}, champion {pair.champion:.4f}; at most {limit:.4f} more"
    return worse <= limit, worse, limit, reason


def regimes(evidence: Evidence, rules: PromotionRules) -> GateOutcome:
    """Require that in every comparable volatility regime PR-AUC is not below the champion's by more than the tolerance,
    and that enough regimes are comparable."""
    limit = -rules.regime_tolerance
    found = _against(evidence)
    if not isinstance(found, AgainstChampion):
        return evidence.champion is None, None, limit, found
    known = {name: pair.difference for name, pair in found.regimes.items() if pair.difference is not None}
    text = ", ".join(f"{name} {value:+.3f}" for name, value in known.items()) or "none"
    worst = min(known.values(), default=None)
    enough = len(known) >= rules.min_regimes
    passed = enough and worst is not None and worst >= limit
    reason = f"PR-AUC over the champion's by regime: {text}; none below {limit:+.3f}"
    return passed, worst, limit, reason if enough else f"{reason}; {len(known)} judged, at least {rules.min_regimes}"


def latency(evidence: Evidence, rules: PromotionRules) -> GateOutcome:
    """Require that the 99% quantile of the time per row is within the limit."""
    p99 = evidence.p99_us
    return p99 <= rules.max_p99_us, p99, rules.max_p99_us, f"p99 {p99:.0f} us a row; at most {rules.max_p99_us:.0f}"


def parity(evidence: Evidence, rules: PromotionRules) -> GateOutcome:
    """Require that answers by table and by matrix are equal and, given a log, its features and the dataset's."""
    found = evidence.parity
    differing = found.differing + found.replayed_differing
    reason = f"{found.differing} of {found.rows} answers differ between table and matrix"
    if found.replayed is None:
        reason += "; no log was given to compute features from"
    else:
        reason += f"; {found.replayed_differing} of {found.replayed} rows of the log differ from the dataset"
    compared = found.rows > 0 and found.replayed != 0
    return compared and differing == 0, float(differing), 0.0, reason


def leak_check(evidence: Evidence, rules: PromotionRules) -> GateOutcome:
    """Require a passed leak check on the challenger's data, configuration and bundle, and a plausible PR-AUC.

    Only checks that need the log may be left unchecked.
    """
    found, of, pr_auc = evidence.leakcheck, evidence.challenger, evidence.comparison.challenger_pr_auc
    limit = rules.max_pr_auc
    if isinstance(found, str):
        return False, pr_auc, limit, found
    for what, theirs, ours in (
        ("data", found.data_fingerprint, of.data_fingerprint),
        ("configuration", found.config_hash, of.config_hash),
    ):
        if theirs != ours:
            other = f"is of other {what} ({theirs[:12]}, the challenger's {ours[:12]})"
            return False, pr_auc, limit, f"{other}; run `{_leakcheck(evidence)}`"
    if found.bundles.get(of.name) != of.bundle_hash:
        return False, pr_auc, limit, f"did not check the challenger's bundle; run `{_leakcheck(evidence)}`"
    if not found.rules_equal:
        return False, pr_auc, limit, f"went by other limits than the configuration's; run `{_leakcheck(evidence)}`"
    if not found.passed or found.failed:
        return False, pr_auc, limit, f"leaks found: {', '.join(found.failed) or 'not said which'}"
    left_out = [name for name in found.unchecked if name not in MAY_BE_UNCHECKED]
    if left_out:
        return False, pr_auc, limit, f"could not check {', '.join(left_out)}; record more"
    if pr_auc is not None and pr_auc > limit:
        return False, pr_auc, limit, f"PR-AUC {pr_auc:.4f} above {limit}: too good to be believed, a leak is suspected"
    unknown = f" (not checked: {', '.join(found.unchecked)})" if found.unchecked else ""
    return True, pr_auc, limit, f"clean{unknown}; PR-AUC {_figure(pr_auc)}, believed up to {limit}"


def days(evidence: Evidence, rules: PromotionRules) -> GateOutcome:
    """Require enough distinct days among the evaluated rows."""
    found = evidence.comparison.days
    named = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
    reason = f"{len(found)} UTC days judged ({named or 'none'}); at least {rules.min_days}"
    return len(found) >= rules.min_days, float(len(found)), float(rules.min_days), reason


def feature_schema(evidence: Evidence, rules: PromotionRules) -> GateOutcome:
    """Require the serving version's schema and windows of the features."""
    ours, theirs = evidence.challenger, evidence.champion
    text = f"schema {ours.schema_version}, spec {ours.spec_fingerprint[:12]}"
    if not isinstance(theirs, Identity):
        return theirs is None, None, None, f"{text}; {theirs or _NOBODY}"
    same = (ours.schema_version, ours.spec_fingerprint) == (theirs.schema_version, theirs.spec_fingerprint)
    serving = f"the serving one {theirs.schema_version}, {theirs.spec_fingerprint[:12]}"
    return same, None, None, f"{text}, equal to the serving one" if same else f"{text}; {serving}"


def label(evidence: Evidence, rules: PromotionRules) -> GateOutcome:
    """Require the serving version's label: kind, horizon and quantile."""
    ours, theirs = evidence.challenger, evidence.champion
    text = _label(evidence.challenger.label.kind, ours.label.horizon_s, ours.label.quantile)
    if not isinstance(theirs, Identity):
        return theirs is None, None, None, f"{text}; {theirs or _NOBODY}"
    same = ours.label == theirs.label
    serving = _label(theirs.label.kind, theirs.label.horizon_s, theirs.label.quantile)
    return same, None, None, f"{text}, as the serving one" if same else f"{text}; the serving one: {serving}"


def real_market(evidence: Evidence, rules: PromotionRules) -> GateOutcome:
    """Require that a bundle of the simulated market does not follow one of real data."""
    ours, theirs = evidence.challenger, evidence.champion
    passed = not ours.simulated or (isinstance(theirs, Identity) and theirs.simulated)
    return passed, None, None, "trained on the simulated market" if ours.simulated else "trained on real data"


def history(evidence: Evidence, rules: PromotionRules) -> GateOutcome:
    """Require that the bundle was never rolled back, under this or another version number."""
    why = evidence.rolled_back
    return why is None, None, None, "never rolled back" if why is None else f"rolled back before: {why}"


GATES: dict[str, Callable[[Evidence, PromotionRules], GateOutcome]] = {
    "lead over baseline": lead_over_baseline,
    "lead over champion": lead_over_champion,
    "calibration": calibration,
    "regimes": regimes,
    "latency": latency,
    "parity": parity,
    "leak check": leak_check,
    "days": days,
    "feature schema": feature_schema,
    "label": label,
    "real market": real_market,
    "history": history,
}
"""In the order in which they are reported."""


def run_gates(evidence: Evidence, rules: PromotionRules) -> tuple[GateResult, ...]:
    """Results of all `GATES`; a challenger may serve when all are passed."""
    return tuple(GateResult(name, *gate(evidence, rules)) for name, gate in GATES.items())


def _against(evidence: Evidence) -> AgainstChampion | str:
    found = evidence.comparison.against_champion
    if found is None:
        return _NOBODY if evidence.champion is None else "was not compared with the champion"
    return found if isinstance(found, AgainstChampion) else f"not comparable: {found}"


def _lead(lead: Lead) -> str:
    low, high = lead.interval.low, lead.interval.high
    between = f"no interval ({lead.interval.reason})" if low is None else f"95% interval {low:+.3f} to {high:+.3f}"
    value = "undefined" if lead.value is None else f"{lead.value:+.3f}"
    return f"lead over {lead.over} {value}, {between}"


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4f}"


def _leakcheck(evidence: Evidence) -> str:
    of, candles = evidence.challenger, " --candles" if evidence.candles else ""
    return f"tickvol leakcheck{candles} --model-type {model_type_of(of.name)} --until {exact_iso(of.data_until_ns)}"


def _label(kind: str, horizon_s: int, quantile: float) -> str:
    return f"{kind}, {horizon_s} s, quantile {quantile}"
