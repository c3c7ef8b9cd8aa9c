"""Walk-forward runs: candidates chosen on earlier rows, refitted on all of them, evaluated on the rows that follow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import NotEnoughData
from tickvol.core.times import NS_PER_S, iso
from tickvol.volatility.evaluation.bootstrap import TimeAxis, why_no_interval
from tickvol.volatility.evaluation.events import find_events
from tickvol.volatility.evaluation.judge import JudgedRows, JudgingRules, ScoredDetector
from tickvol.volatility.evaluation.regimes import regime_of
from tickvol.volatility.labels.spikes import label_values, trainable
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.calibration import Calibrator
from tickvol.volatility.models.candidates import AVERAGE, refit_detector
from tickvol.volatility.models.detector import Detector
from tickvol.volatility.models.fold_rules import FoldRules
from tickvol.volatility.models.folds import MIN_FOLDS, Fold, sealed_fold, walk_forward
from tickvol.volatility.models.manifest import Provenance
from tickvol.volatility.models.splits import require_positives
from tickvol.volatility.models.training import (
    Fitted,
    Prepared,
    best_on_validation,
    ensemble,
    fit_candidates,
    make_bundle,
    margins,
    prepare_split,
)
from tickvol.volatility.models.training_spec import TrainingSpec
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelSpec

SELECTED = "selected"
"""The whole procedure: in each fold the candidate that was selected before its test rows were seen."""

PRIOR = "forecast"
"""Fallback where validation cannot decide: the candidate that shrinks towards HAR when it has few rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedFold:
    """A fold with the labels of its rows.

    Attributes
    ----------
    outer : the table with the fold's labels; its split holds the rows on which bundles are fitted and evaluated.
    inner : the same with the rows on which choices are made.
    """

    fold: Fold
    inner: Prepared
    outer: Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldResult(PreparedFold):
    """Predictions of all candidates for a fold's test rows.

    Attributes
    ----------
    bundles : by name, fitted on all earlier rows.
    spike_log_odds : by name, log-odds of the validation spikes from the detector that was not fitted on them.
    selected : the candidate with the best validation result.
    """

    bundles: dict[str, Bundle]
    spike_log_odds: dict[str, NDArray[np.float64]]
    selected: str


def prepare_folds(
    table: FeatureTable, label: LabelSpec, rules: FoldRules, training: TrainingSpec
) -> tuple[list[PreparedFold], list[str]]:
    """The folds on which candidates can be fitted, and for each other fold the reason why not.

    Only train and validation rows, and the existence of test rows, decide that: never the content of test rows.

    Raises
    ------
    NotEnoughData
        As `walk_forward`, and when fewer than two folds are left.
    """
    values = label_values(table, label)
    prepared, left_out = [], []
    for fold in walk_forward(table, trainable(table, label, values), horizon_s=label.horizon_s, rules=rules):
        try:
            prepared.append(_prepare(table, label, values, fold, training))
        except NotEnoughData as error:
            left_out.append(f"fold {fold.number}: {error}")
    if len(prepared) < MIN_FOLDS:
        raise NotEnoughData("; ".join(left_out))
    return prepared, left_out


def prepare_sealed(table: FeatureTable, label: LabelSpec, rules: FoldRules, training: TrainingSpec) -> PreparedFold:
    """The fold whose test rows are the sealed block.

    Raises
    ------
    NotEnoughData
        When train or validation holds too few spikes or calm rows, or the block holds no row.
    """
    values = label_values(table, label)
    fold = sealed_fold(table, trainable(table, label, values), horizon_s=label.horizon_s, rules=rules)
    return _prepare(table, label, values, fold, training)


def _prepare(
    table: FeatureTable, label: LabelSpec, values: NDArray[np.float64], fold: Fold, training: TrainingSpec
) -> PreparedFold:
    inner = prepare_split(table, label, values, fold.inner)
    outer = prepare_split(table, label, values, fold.outer)
    require_positives(inner.split, inner.positive, training.min_positives, parts=("train", "validation"))
    if not outer.split.test.any():
        raise NotEnoughData(f"no test row behind {iso(fold.outer.train_end_ns)}: record longer stretches without gaps")
    return PreparedFold(fold=fold, inner=inner, outer=outer)


def run_fold(
    prepared: PreparedFold, training: TrainingSpec, names: Sequence[str], provenance: Provenance, rules: JudgingRules
) -> FoldResult:
    """Choose on the inner split, then refit on all earlier rows, one candidate after another.

    The best candidate on validation is selected if validation holds the blocks and events that `rules` require;
    with fewer, the ranking is chance and `PRIOR` is taken.
    """
    inner, outer = prepared.inner, prepared.outer
    bundles, spike_log_odds = {}, {}
    for fitted, bundle in _fit_again(inner, outer, training, names, provenance):
        bundles[bundle.name], spike_log_odds[bundle.name] = bundle, fitted.spike_log_odds
    by_rank = best_on_validation(list(bundles.values())).name
    selected = PRIOR if PRIOR in bundles and not _can_choose(inner, rules) else by_rank
    return FoldResult(
        fold=prepared.fold, inner=inner, outer=outer, bundles=bundles, spike_log_odds=spike_log_odds, selected=selected
    )


def _can_choose(inner: Prepared, rules: JudgingRules) -> bool:
    """True if validation has enough rows to separate candidates, by the same minimum as for intervals."""
    table, rows = inner.table, inner.split.validation
    positive = inner.positive[rows]
    events = len(find_events(table.product[rows], table.bar_end_ns[rows], positive, rules.horizon_s * NS_PER_S))
    blocks = TimeAxis.of(table.bar_end_ns[rows], table.spec.bar_ns).blocks(rules.block_bars(table.spec.bar_ns))
    return why_no_interval(blocks, events, min_blocks=rules.min_blocks, min_events=rules.min_events) is None


def _fit_again(
    inner: Prepared, outer: Prepared, training: TrainingSpec, names: Sequence[str], provenance: Provenance
) -> Iterator[tuple[Fitted, Bundle]]:
    earlier = outer.sample.take(outer.split.train)
    fitted, final = {}, dict[str, Detector]()
    for one in fit_candidates(inner, training, names):
        fitted[one.name] = one
        final[one.name] = (
            ensemble(fitted, final)
            if one.name == AVERAGE
            else refit_detector(one.detector, one.name, earlier, outer.table.spec, training)
        )
        yield one, make_bundle(one, final[one.name], outer, training, provenance)


def pool(results: Sequence[FoldResult]) -> tuple[JudgedRows, tuple[ScoredDetector, ...]]:
    """Test rows of all folds as one sample, with the predictions of every candidate.

    Margins are Platt's log-odds, which put the detectors of different folds on a common scale. Bootstrap blocks are cut
    from all bars between the first and the last test row, as far as the table has them.
    """
    table = results[0].outer.table
    parts = [np.flatnonzero(result.outer.split.test) for result in results]
    rows = np.concatenate(parts)
    order = np.lexsort((table.bar_end_ns[rows], table.product[rows]))
    vol = table.column(f"realized_vol_{table.spec.reference_window_s}")
    regime = [
        regime_of(vol[part], _first(result).manifest.regime_boundaries)
        for part, result in zip(parts, results, strict=True)
    ]
    positive = [result.outer.positive[part] for part, result in zip(parts, results, strict=True)]
    times = table.bar_end_ns[rows]
    inside = (table.bar_end_ns >= times.min()) & (table.bar_end_ns <= times.max())
    judged = JudgedRows(
        products=table.products,
        product=table.product[rows][order],
        bar_end_ns=times[order],
        positive=np.concatenate(positive)[order],
        regime=np.concatenate(regime)[order],
        bar_ns=table.spec.bar_ns,
        axis=TimeAxis.of(table.bar_end_ns[inside], table.spec.bar_ns),
        fold=np.concatenate(
            [np.full(len(part), result.fold.number, np.int8) for part, result in zip(parts, results, strict=True)]
        )[order],
    )
    names = {name: [name] * len(results) for name in results[0].bundles}
    names[SELECTED] = [result.selected for result in results]
    return judged, tuple(_scored(name, of_fold, results, order) for name, of_fold in names.items())


def _first(result: FoldResult) -> Bundle:
    return next(iter(result.bundles.values()))


def _scored(
    name: str, of_fold: Sequence[str], results: Sequence[FoldResult], order: NDArray[np.intp]
) -> ScoredDetector:
    log_odds, probability, threshold = [], [], []
    for chosen, result in zip(of_fold, results, strict=True):
        bundle, test = result.bundles[chosen], result.outer.split.test
        margin = margins(bundle.detector, result.outer, test)
        calibrate = Calibrator(bundle.manifest.calibration)
        log_odds.append(calibrate.log_odds(margin))
        probability.append(calibrate(margin))
        threshold.append(np.full(len(margin), bundle.alert_threshold))
    baseline = name != SELECTED and results[0].bundles[name].manifest.baseline
    return ScoredDetector(
        name=name,
        baseline=baseline,
        margin=np.concatenate(log_odds)[order],
        probability=np.concatenate(probability)[order],
        threshold=np.concatenate(threshold)[order],
    )


def fold_days(result: FoldResult) -> float:
    """Days of bars that a fold's detectors were fitted on; bars of several products at the same time count once."""
    split, table = result.outer.split, result.outer.table
    bars = len(np.unique(table.bar_end_ns[split.train]))
    return bars * table.spec.bar_ns / (86_400 * NS_PER_S)
