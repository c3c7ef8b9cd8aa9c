"""One study of `tickvol walk-forward`, a source and a horizon: run, logged and printed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from tickvol.core.errors import NotEnoughData, UsageError
from tickvol.core.times import now_iso
from tickvol.volatility.dataset import looks_like_dataset, read_features
from tickvol.volatility.evaluation.judge import JudgedRows, JudgingRules, ScoredDetector
from tickvol.volatility.evaluation.study import candidates_of, study_document
from tickvol.volatility.leakcheck.result import require_clean
from tickvol.volatility.leakcheck.suite import fold_checks
from tickvol.volatility.models.candidates import MODELS, with_baselines
from tickvol.volatility.models.manifest import Provenance
from tickvol.volatility.models.training_spec import TrainingSpec
from tickvol.volatility.models.walk_forward import FoldResult, PreparedFold, prepare_folds, run_fold
from tickvol.volatility.registry.study_runs import log_study
from tickvol.volatility.registry.trials import TrialLedger, trial_of
from tickvol.volatility.reports.evaluation_figures import png
from tickvol.volatility.reports.study_figures import study_figures
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelSpec
from tickvol.volatility.settings.learning import FoldsConfig, LabelsConfig
from tickvol.volatility.settings.profile import MarketProfile, Source, VolatilityConfig
from tickvol.volatility.workflows.terms import judging_rules, leak_rules, provenance


@dataclass(frozen=True, slots=True)
class Study:
    """Result of a plan: its document, and caption and PNG of each figure."""

    document: dict[str, Any]
    figures: list[tuple[str, bytes]]


def named_candidates(models: Sequence[str] | None) -> tuple[str, ...]:
    """Baselines first, then the named models, or all models if none is named.

    Raises
    ------
    UsageError
        For an unknown name.
    """
    asked = MODELS if models is None else tuple(models)
    unknown = [name for name in asked if name not in MODELS]
    if unknown:
        raise UsageError([f"--models: {name!r}: must be one of {', '.join(MODELS)}" for name in unknown])
    return with_baselines(asked)


def planned(
    config: VolatilityConfig, sources: Sequence[Source] | None, horizons_s: Sequence[int] | None
) -> "list[Plan]":
    """A plan for each horizon of each source: the named or configured horizons for ticks, a single one for candles.

    Raises
    ------
    UsageError
        When none of the datasets exists, or a horizon is named although only candles are requested.
    """
    profiles: dict[Source, MarketProfile] = {"ticks": config.profile(), "candles": config.profile("candles")}
    places = {source: own.dataset_dir for source, own in profiles.items()}
    wanted = sources or [name for name, path in places.items() if path.is_dir() and looks_like_dataset(path)]
    if not wanted:
        raise UsageError(
            f"--source: neither {places['ticks']} nor {places['candles']} exists: make one by `tickvol replay`, or by "
            "`tickvol replay --klines FILE...`"
        )
    if horizons_s and "ticks" not in wanted:
        raise UsageError(f"horizon: {horizons_s[0]}: is of ticks; candles use candles.horizon_s")
    plans = []
    for source in dict.fromkeys(wanted):
        own, table = profiles[source], read_features(places[source])
        asked = horizons_s or config.walk_forward.horizons_s
        plans += [Plan(own, table, h) for h in (asked if source == "ticks" else [own.labels.horizon_s])]
    return plans


def one_horizon(labels: LabelsConfig, source: Source, named_s: int | None) -> list[int] | None:
    """Horizons for `planned`: the named one, else the configured one; None for candles, which have their own."""
    return None if named_s is None and source == "candles" else [named_s or labels.horizon_s]


@dataclass(frozen=True)
class Plan:
    """Rows and label of one study."""

    profile: MarketProfile
    table: FeatureTable
    horizon_s: int

    def run_study(self, names: Sequence[str], *, track: bool, tell: Callable[[str], None]) -> Study:
        """Train all candidates on all folds and evaluate them together; if data are too few the document says so.

        Raises
        ------
        SuspectedLeak
            When a candidate is implausibly good.
        """
        try:
            return self._run_study(names, track=track, tell=tell)
        except NotEnoughData as error:
            tell(f"{self.name}: not judged: {error}")
            return Study({"name": self.name, "not_judged_because": str(error)}, [])

    def _run_study(self, names: Sequence[str], *, track: bool, tell: Callable[[str], None]) -> Study:
        folds, left_out = self.folds()
        for because in left_out:
            tell(f"left out    {self.name} {because}")
        results = []
        for one in folds:
            started = time.monotonic()
            results.append(self.run(one, names))
            tell(f"fold        {self.name} {one.fold.number}: {time.monotonic() - started:.0f} s")
        document, rows, scored = self.judged(results)
        document["folds_left_out"] = left_out
        figures = study_figures(document, rows, scored)
        if track:
            log_study(self.profile.mlflow, document, results, dict(figures))
        tell("\n".join(self.table_of(document)))
        return Study(document, [(caption, png(figure)) for caption, figure in figures])

    def folds(self) -> tuple[list[PreparedFold], list[str]]:
        """Prepared folds, as in `prepare_folds`."""
        return prepare_folds(self.table, self.label, self.profile.walk_forward.rules(self.source), self.training)

    def run(self, prepared: PreparedFold, names: Sequence[str]) -> FoldResult:
        """Train candidates on a fold, check for leaks and record the trial.

        Raises
        ------
        SuspectedLeak
            As `require_clean`.
        """
        with self.ledger.trial(self.about | {"fold": prepared.fold.number}, self.provenance, names) as trial:
            result = run_fold(prepared, self.training, names, self.provenance, self.rules)
            trial.ended(list(result.bundles.values()))
            checks = fold_checks(result.inner, result.outer, list(result.bundles.values()), leak_rules(self.profile))
            require_clean(checks, "no figure of these folds is to be believed")
        return result

    def judged(self, results: Sequence[FoldResult]) -> tuple[dict[str, Any], JudgedRows, tuple[ScoredDetector, ...]]:
        """Document of the folds run, and the rows and scores behind it."""
        chosen = self.profile.walk_forward
        of_source: FoldsConfig = getattr(chosen, self.source)
        trials = self.ledger.count(self.source, self.horizon_s, simulated=self.table.simulated)
        document, rows, scored = study_document(
            self.source,
            results,
            self.rules,
            self.training,
            trials=trials,
            false_alarms_per_hour=of_source.false_alarms_per_hour,
            conformal=(chosen.conformal_alpha, chosen.conformal_step),
        )
        document |= {"name": self.name, "not_judged_because": None, "trials": trials}
        openings = self.ledger.openings(self.source)
        document["sealed"] = {"from": f"{of_source.sealed_from:%Y-%m-%dT%H:%M:%SZ}", "openings": openings}
        return document, rows, scored

    @property
    def source(self) -> Source:
        """Data source of the market."""
        return self.profile.source

    @property
    def name(self) -> str:
        """Source and horizon in words."""
        return f"{self.source} {self.horizon_s} s"

    @property
    def about(self) -> dict[str, Any]:
        """Keys of its trials in the ledger."""
        return trial_of(self.source, self.horizon_s, self.table)

    @property
    def ledger(self) -> TrialLedger:
        """Ledger of trials and openings."""
        return TrialLedger(self.profile.mlflow.ledger_dir, clock=now_iso)

    @property
    def label(self) -> LabelSpec:
        """The configured label at this horizon."""
        return msgspec.structs.replace(self.profile.labels.spec(), horizon_s=self.horizon_s)

    @cached_property
    def provenance(self) -> Provenance:
        """Configuration, program and data behind every bundle of the study."""
        return provenance(self.profile, self.table)

    @property
    def training(self) -> TrainingSpec:
        """Training parameters of the candidates."""
        return self.profile.models.spec(self.profile.labels, calibration=self.profile.walk_forward.calibration)

    @property
    def rules(self) -> JudgingRules:
        """Evaluation rules of this study."""
        return judging_rules(self.profile, self.table.spec, self.horizon_s)

    def table_of(self, document: dict[str, Any]) -> list[str]:
        """Table of all candidates as lines of text."""
        sample = document["sample"]
        about = (
            f"{self.name}: {sample['rows']} rows of {len(document['folds'])} folds, {sample['events']} events, "
            f"{sample['blocks']} blocks, prevalence {sample['positives'] / sample['rows']:.3f}; best baseline "
            f"{document['best_baseline']}; {document['trials']} trials; sealed block opened "
            f"{len(document['sealed']['openings'])} times"
        )
        titles = f"{'PR-AUC':>8}{'lead':>9}  {'95% interval':<20}{'Brier':>8}{'log':>8}{'cal. error':>12}"
        lines = ["", about, f"{'candidate':<20}{'':<10}{titles}"]
        for name, figures in candidates_of(document):
            kind = "baseline" if figures["baseline"] else "model"
            lead = f"{figures['lead'] or 0:>+9.4f}  {_interval(figures['lead_interval']):<20}"
            losses = f"{figures['brier'] or 0:>8.4f}{figures['log_score'] or 0:>8.4f}"
            error = f"{figures['calibration_error']['value']:>12.4f}"
            lines.append(f"{name:<20}{kind:<10}{figures['pr_auc'] or 0:>8.4f}{lead}{losses}{error}")
        settled = document["detectors"]["selected"]["days_to_settle"]
        if settled["days"] is not None:
            roughly = "about " if settled["rough"] else ""
            lines.append(
                f"selected: {roughly}{settled['days']:.2f} days of test rows would settle its lead; "
                f"{document['days']:.2f} are there"
            )
        because = sample["no_interval_because"]
        return [*lines, *([f"no interval: {because}"] if because else []), ""]


def _interval(interval: dict[str, Any]) -> str:
    return "none" if interval["low"] is None else f"{interval['low']:+.4f} to {interval['high']:+.4f}"
