"""Selection of rows to evaluate bundles on: unseen, scorable, with a known label, and scored by all bundles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import UsageError
from tickvol.core.times import NS_PER_S
from tickvol.volatility.evaluation.bootstrap import TimeAxis
from tickvol.volatility.evaluation.judge import JudgedRows, ScoredDetector
from tickvol.volatility.evaluation.regimes import regime_of
from tickvol.volatility.labels.spikes import label_values, spikes
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.feature_table import FeatureTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows to evaluate, with the scores of all bundles.

    Attributes
    ----------
    rows, detectors : as `judge` takes them.
    bundles : the bundle behind each detector, by the detector's name.
    counts : rows of the table, and numbers of rows left out by reason.
    """

    rows: JudgedRows
    detectors: tuple[ScoredDetector, ...]
    bundles: dict[str, Bundle]
    counts: dict[str, int]


def require_same_question(bundles: Sequence[Bundle]) -> None:
    """Check that bundles were trained on the same rows for the same label.

    Raises
    ------
    UsageError
        Names the difference and the two bundles; metrics of different labels must not share a table.
    """
    first = _question(bundles[0])
    for other in bundles[1:]:
        differing = [name for name, value in _question(other).items() if value != first[name]]
        if differing:
            raise UsageError(
                f"--bundle: {bundles[0].name} and {other.name}: differ in {', '.join(differing)}: must be the same to "
                "share a report; train them by one command, or name only those that belong together"
            )


def _question(bundle: Bundle) -> dict[str, object]:
    manifest = bundle.manifest
    return {
        "label": manifest.label,
        "spike_thresholds": manifest.spike_thresholds,
        "feature_spec": manifest.feature_spec,
        "split": manifest.split,
        "data_fingerprint": manifest.provenance.data_fingerprint,
    }


def trained_on(table: FeatureTable, bundle: Bundle) -> NDArray[np.bool_]:
    """(n,) bool, True for rows that share time with the rows the bundle was fitted on.

    That is from its first row to the end of validation, plus rows close enough that the look-back or the horizon
    reaches into it. On the bundle's own dataset the other rows are its test rows.
    """
    split = bundle.manifest.split
    lookback_ns, horizon_ns = table.spec.lookback_s * NS_PER_S, bundle.manifest.label.horizon_s * NS_PER_S
    after = table.bar_end_ns - lookback_ns >= split.validation_end_ns
    before = table.bar_end_ns + horizon_ns <= split.first_ns - lookback_ns
    return ~(after | before)


def select(table: FeatureTable, bundles: Sequence[Bundle], *, unseen_only: bool = True) -> Selection:
    """Rows on which all bundles can be evaluated, and their probabilities there.

    Parameters
    ----------
    bundles : at least one, all for the same label and rows.
    unseen_only : leave out rows that the bundles were trained on; otherwise they are evaluated too, and counted.

    Raises
    ------
    UsageError
        As `require_same_question`.
    SchemaMismatch
        When the rows do not have the bundles' spec.
    """
    require_same_question(bundles)
    manifest = bundles[0].manifest
    seen = trained_on(table, bundles[0])
    considered = ~seen if unseen_only else np.ones(len(table), np.bool_)
    scorable = considered & bundles[0].scorable(table)
    positive, labelled = spikes(table, manifest.spike_thresholds, label_values(table, manifest.label))
    known = scorable & labelled
    named = _named(bundles)
    margin = {name: bundle.score(table) for name, bundle in named.items()}
    probability = {name: bundle.probability(table) for name, bundle in named.items()}
    finite = [np.isfinite(margin[name]) & np.isfinite(probability[name]) for name in named]
    scored = known & np.all(finite, axis=0)
    counts = {
        "table": len(table),
        "trained_on": int(seen.sum()),
        "not_scorable": int((considered & ~scorable).sum()),
        "label_unknown": int((scorable & ~labelled).sum()),
        "not_scored": int((known & ~scored).sum()),
        "judged": int(scored.sum()),
    }
    return Selection(
        rows=_judged_rows(table, scored, considered, positive, manifest.regime_boundaries),
        detectors=tuple(
            ScoredDetector(
                name=name,
                baseline=bundle.manifest.baseline,
                margin=margin[name][scored],
                probability=probability[name][scored],
                threshold=bundle.alert_threshold,
            )
            for name, bundle in named.items()
        ),
        bundles=dict(named),
        counts=counts,
    )


def _judged_rows(
    table: FeatureTable,
    scored: NDArray[np.bool_],
    considered: NDArray[np.bool_],
    positive: NDArray[np.bool_],
    boundaries: tuple[float, float] | None,
) -> JudgedRows:
    times = table.bar_end_ns[scored]
    inside = considered.copy()
    if len(times):
        inside &= (table.bar_end_ns >= times.min()) & (table.bar_end_ns <= times.max())
    volatility = table.column(f"realized_vol_{table.spec.reference_window_s}")
    return JudgedRows(
        products=table.products,
        product=table.product[scored],
        bar_end_ns=times,
        positive=positive[scored],
        regime=regime_of(volatility[scored], boundaries),
        bar_ns=table.spec.bar_ns,
        axis=TimeAxis.of(table.bar_end_ns[inside], table.spec.bar_ns),
    )


def _named(bundles: Sequence[Bundle]) -> Mapping[str, Bundle]:
    """Bundles by name without repeats; two of the same name are distinguished by their version."""
    distinct = {bundle.version: bundle for bundle in bundles}
    names = [bundle.name for bundle in distinct.values()]
    return {
        bundle.name if names.count(bundle.name) == 1 else f"{bundle.name}@{version[:8]}": bundle
        for version, bundle in distinct.items()
    }
