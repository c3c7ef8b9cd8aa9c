"""Comparison of challenger, champion and baselines on the same rows, unseen by challenger and champion.

The challenger's threshold defines a spike, as it is the one that would be served; the champion must rank those spikes.
Only calibration uses each one's own threshold, because a probability refers to the label it was fitted for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import NotEnoughData
from tickvol.core.times import NS_PER_S
from tickvol.volatility.evaluation.bootstrap import (
    Interval,
    TimeAxis,
    percentile_interval,
    resample_pr_auc,
    why_no_interval,
)
from tickvol.volatility.evaluation.events import find_events
from tickvol.volatility.evaluation.judge import JudgingRules
from tickvol.volatility.evaluation.lead import best_baseline
from tickvol.volatility.evaluation.metrics import average_precision, calibration
from tickvol.volatility.evaluation.regimes import REGIMES, regime_of
from tickvol.volatility.evaluation.report import in_words
from tickvol.volatility.evaluation.selection import select, trained_on
from tickvol.volatility.labels.spikes import label_values, spikes
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.promotion.evidence import AgainstChampion, Comparison, Identity, Lead, Pair
from tickvol.volatility.schema.feature_table import FeatureTable

SINGLE_TOLERANCE = 1e-12
"""Tolerance of a probability."""
_DAY_NS = 86_400 * NS_PER_S
_CHALLENGER, _CHAMPION = "challenger", "champion"


@dataclass(frozen=True, slots=True, kw_only=True)
class _ComparedRows:
    """Evaluated rows: indices into the table, labels, and margins by name."""

    places: NDArray[np.intp]
    positive: NDArray[np.bool_]
    axis: TimeAxis
    margin: dict[str, NDArray[np.float64]]


def compare(
    table: FeatureTable,
    challenger: Bundle,
    baselines: Sequence[Bundle],
    champion: Bundle | None,
    rules: JudgingRules,
) -> Comparison:
    """Evaluate the challenger against the baselines of its own training run, and against the champion if comparable.

    Parameters
    ----------
    table : rows of the challenger's spec; those that challenger or champion were trained on are left out.
    baselines : trained on the same rows as the challenger.

    Raises
    ------
    NotEnoughData
        When no row is left to evaluate.
    UsageError, SchemaMismatch
        As `select`.
    """
    why_not = None if champion is None else Identity.of(challenger).why_not_comparable(Identity.of(champion))
    rival = None if why_not else champion
    judged = _judged(table, challenger, baselines, rival)
    events = len(
        find_events(
            table.product[judged.places], table.bar_end_ns[judged.places], judged.positive, rules.horizon_s * NS_PER_S
        )
    )
    pr_auc = {name: average_precision(judged.positive, margin) for name, margin in judged.margin.items()}
    resampled = _resampled(table, judged, events, rules)
    yardstick = best_baseline({bundle.name: pr_auc[bundle.name] for bundle in baselines})
    return Comparison(
        rows=len(judged.places),
        positives=int(judged.positive.sum()),
        events=events,
        days=_days(table, judged.places),
        pr_auc=pr_auc,
        challenger_pr_auc=pr_auc[_CHALLENGER],
        baseline_lead=None if yardstick is None else _lead(yardstick, pr_auc, resampled),
        against_champion=why_not
        if rival is None
        else _against(table, challenger, rival, judged, _lead(_CHAMPION, pr_auc, resampled)),
    )


def _judged(
    table: FeatureTable, challenger: Bundle, baselines: Sequence[Bundle], champion: Bundle | None
) -> _ComparedRows:
    selection = select(table, [challenger, *baselines])
    rows = selection.rows
    places = _places(table, rows.product, rows.bar_end_ns)
    bundles = {bundle.name: bundle for bundle in baselines} | {_CHALLENGER: challenger}
    free = ~trained_on(table, challenger)
    if champion is not None:
        bundles[_CHAMPION] = champion
        free &= ~trained_on(table, champion)
    margin = {name: bundle.score(table) for name, bundle in bundles.items()}
    kept = free[places] & np.all([np.isfinite(values[places]) for values in margin.values()], axis=0)
    places = places[kept]
    if len(places) == 0:
        raise NotEnoughData(
            f"no row to judge: {in_words(selection.counts)}, and none of these is new to the champion; give --features "
            "of days that neither was trained on"
        )
    times = table.bar_end_ns
    inside = free & (times >= times[places].min()) & (times <= times[places].max())
    return _ComparedRows(
        places=places,
        positive=rows.positive[kept],
        axis=TimeAxis.of(times[inside], table.spec.bar_ns),
        margin={name: values[places] for name, values in margin.items()},
    )


def _places(table: FeatureTable, product: NDArray[np.int32], bar_end_ns: NDArray[np.int64]) -> NDArray[np.intp]:
    """Index of each row in the table, which is sorted by (product, bar_end_ns)."""
    found = np.empty(len(product), np.intp)
    for number in np.unique(product):
        first, end = np.searchsorted(table.product, [number, number + 1])
        own = product == number
        found[own] = first + np.searchsorted(table.bar_end_ns[first:end], bar_end_ns[own])
    return found


def _resampled(
    table: FeatureTable, judged: _ComparedRows, events: int, rules: JudgingRules
) -> dict[str, NDArray[np.float64]] | str:
    """PR-AUC of each detector in the same resamples, or the reason why there are none."""
    block_bars = rules.block_s * NS_PER_S // table.spec.bar_ns
    because = why_no_interval(
        judged.axis.blocks(block_bars), events, min_blocks=rules.min_blocks, min_events=rules.min_events
    )
    if because is not None:
        return because
    found = resample_pr_auc(
        judged.axis,
        table.bar_end_ns[judged.places],
        judged.positive,
        np.vstack(list(judged.margin.values())),
        block_bars=block_bars,
        samples=rules.bootstrap_samples,
        seed=rules.seed,
    )
    return dict(zip(judged.margin, found, strict=True))


def _lead(over: str, pr_auc: dict[str, float | None], resampled: dict[str, NDArray[np.float64]] | str) -> Lead:
    value = Pair(pr_auc[_CHALLENGER], pr_auc[over]).difference
    if isinstance(resampled, str):
        return Lead(over, value, Interval(None, None, 0, resampled))
    return Lead(over, value, percentile_interval(resampled[_CHALLENGER] - resampled[over]))


def _against(
    table: FeatureTable, challenger: Bundle, champion: Bundle, judged: _ComparedRows, lead: Lead
) -> AgainstChampion:
    volatility = table.column(f"realized_vol_{table.spec.reference_window_s}")[judged.places]
    regime = regime_of(volatility, challenger.manifest.regime_boundaries)
    by_regime = {
        name: Pair(
            *(
                average_precision(judged.positive[regime == number], judged.margin[who][regime == number])
                for who in (_CHALLENGER, _CHAMPION)
            )
        )
        for number, name in enumerate(REGIMES)
    }
    errors = [_calibration_error(table, bundle, judged.places) for bundle in (challenger, champion)]
    return AgainstChampion(lead=lead, calibration_error=Pair(*errors), regimes=by_regime)


def _calibration_error(table: FeatureTable, bundle: Bundle, places: NDArray[np.intp]) -> float | None:
    """Calibration error of the bundle's probabilities for spikes by its own threshold."""
    positive, known = spikes(table, bundle.manifest.spike_thresholds, label_values(table, bundle.label))
    own = places[known[places]]
    error = calibration(positive[own], bundle.probability(table)[own])["calibration_error"]
    return None if error is None else float(error)


def _days(table: FeatureTable, places: NDArray[np.intp]) -> tuple[str, ...]:
    numbers = np.unique((table.bar_end_ns[places] - table.spec.bar_ns) // _DAY_NS)
    return tuple(str(np.datetime64(int(number), "D")) for number in numbers)


def answers_parity(bundle: Bundle, table: FeatureTable, single_rows: int = 200) -> tuple[int, int]:
    """Number of scorable rows, and of those whose answers by table and by matrix differ, in a batch or one by one.

    A batch must be bit-identical. A single row may differ by `SINGLE_TOLERANCE`, because BLAS sums a single row in
    another order.

    Parameters
    ----------
    single_rows : number of rows, evenly spaced, that are also scored one by one, as the service does.
    """
    places = np.flatnonzero(bundle.scorable(table))
    by_table = bundle.probability(table)[places]
    values = table.values[places]
    references = bundle.references([table.products[number] for number in table.product[places]])
    differs = by_table != bundle.predict_matrix(values, references) if len(places) else np.zeros(0, np.bool_)
    for row in np.unique(np.linspace(0, len(places) - 1, min(single_rows, len(places))).astype(np.intp)):
        own = None if references is None else references[row : row + 1]
        alone = bundle.predict_matrix(values[row : row + 1], own)[0]
        differs[row] |= not abs(alone - by_table[row]) <= SINGLE_TOLERANCE
    return len(places), int(differs.sum())
