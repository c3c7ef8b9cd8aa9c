"""`drift_summary.json`: the metrics of a drift report, versioned. `docs/drift.md` explains each field."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import NotEnoughData
from tickvol.volatility.drift.evidently_report import DriftRules, EvidentlyRun, run_evidently, scale_of
from tickvol.volatility.drift.served_drift import ServedDrift
from tickvol.volatility.drift.sides import DriftSides, thinned
from tickvol.volatility.evaluation.report import SIMULATED_WARNING
from tickvol.volatility.schema.feature_row import CLOCK_NAMES
from tickvol.volatility.schema.feature_table import FeatureTable

SUMMARY_VERSION = 2

_LEFT_OUT = {
    "mid": "a price level wanders by nature",
    **dict.fromkeys(CLOCK_NAMES, "follows the clock by construction"),
}


class SideQuality(msgspec.Struct, frozen=True, kw_only=True):
    """Ranking of one side's spikes by the bundle; PR-AUC is null where the side has only one class."""

    rows: int
    positives: int
    prevalence: float | None
    pr_auc: float | None


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One side: available rows, rows used, and the bundle's quality on it (null without a bundle)."""

    from_ns: int
    to_ns: int
    products: list[str]
    rows: int
    scorable_rows: int
    compared_rows: int
    quality: SideQuality | None


class FeatureDrift(msgspec.Struct, frozen=True, kw_only=True):
    """One feature; `drifted` is null if it was not judged, with the `reason`."""

    feature: str
    method: str | None
    value: float | None
    threshold: float | None
    drifted: bool | None
    reason: str | None
    scale: float
    reference_rows: int
    reference_nan: int
    current_rows: int
    current_nan: int


class DriftSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report as metrics."""

    summary_version: int
    note: str | None
    simulated: bool
    feature_schema_version: int
    comparison: str
    bundle: str | None
    reference: Side
    current: Side
    judged_features: int
    drifted_features: int
    drifted_share: float
    drift_share_threshold: float
    drifted: bool
    features: list[FeatureDrift]
    served: ServedDrift | None


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Evidently's documents and their summary."""

    html: str
    json: str
    summary: DriftSummary


@dataclass(frozen=True, slots=True)
class SideRows:
    """Properties of a side besides its table: (n,) mask of scorable rows and, with a bundle, its quality."""

    scorable: NDArray[np.bool_]
    quality: SideQuality | None = None


def drift_report(
    sides: DriftSides,
    reference_rows: SideRows,
    current_rows: SideRows,
    rules: DriftRules,
    *,
    min_rows: int,
    max_rows: int,
    bundle: str | None = None,
    served: ServedDrift | None = None,
) -> DriftReport:
    """Compare the scorable rows of both sides, feature by feature.

    Parameters
    ----------
    sides : the two tables, of the same feature spec.
    reference_rows, current_rows : their scorable rows, and the bundle's quality on them.
    rules : Evidently's method, its threshold, and the share of drifted features that makes the whole drifted.
    min_rows : a feature known in fewer rows of either side is not judged.
    max_rows : a longer side is thinned evenly.
    bundle : hash of the bundle that the qualities refer to.
    served : drift as it affects that bundle.

    Raises
    ------
    NotEnoughData
        When no feature can be judged.
    """
    reference = thinned(sides.reference.take(reference_rows.scorable), max_rows)
    current = thinned(sides.current.take(current_rows.scorable), max_rows)
    known = {name: (_known(reference, name), _known(current, name)) for name in reference.names}
    judged = {name: pair for name, pair in known.items() if _reason(name, pair, min_rows) is None}
    if not judged:
        raise NotEnoughData(
            f"drift: {len(reference)} scorable rows against {len(current)}: at least {min_rows} "
            "(monitoring.min_rows) are needed on both sides"
        )
    simulated = sides.reference.simulated or sides.current.simulated
    notes = [SIMULATED_WARNING] if simulated else []
    notes.append(f"{sides.how}: {len(reference)} scorable rows against {len(current)}")
    notes.append("Columns of small spread are multiplied by a power of ten: `scale` in drift_summary.json.")
    run = run_evidently(
        {name: pair[0] for name, pair in judged.items()}, {name: pair[1] for name, pair in judged.items()}, rules, notes
    )
    features = [_feature(name, known[name], run, len(reference), len(current), min_rows) for name in known]
    drifted = sum(verdict.drifted for verdict in run.verdicts.values())
    summary = DriftSummary(
        summary_version=SUMMARY_VERSION,
        note=SIMULATED_WARNING if simulated else None,
        simulated=simulated,
        feature_schema_version=sides.reference.schema_version,
        comparison=sides.how,
        bundle=bundle,
        reference=_side(sides.reference, reference_rows, len(reference)),
        current=_side(sides.current, current_rows, len(current)),
        judged_features=len(run.verdicts),
        drifted_features=drifted,
        drifted_share=drifted / len(run.verdicts),
        drift_share_threshold=rules.drift_share,
        drifted=run.drifted,
        features=features,
        served=served,
    )
    return DriftReport(run.html, run.json, summary)


def _known(table: FeatureTable, name: str) -> NDArray[np.float64]:
    values = table.column(name)
    return values[np.isfinite(values)]


def _reason(name: str, pair: tuple[NDArray[np.float64], NDArray[np.float64]], min_rows: int) -> str | None:
    if name in _LEFT_OUT:
        return _LEFT_OUT[name]
    if min(len(values) for values in pair) < min_rows:
        return f"known in fewer than {min_rows} rows of a side"
    return None


def _feature(
    name: str,
    pair: tuple[NDArray[np.float64], NDArray[np.float64]],
    run: EvidentlyRun,
    reference_rows: int,
    current_rows: int,
    min_rows: int,
) -> FeatureDrift:
    verdict = run.verdicts.get(name)
    return FeatureDrift(
        feature=name,
        method=verdict.method if verdict else None,
        value=verdict.value if verdict else None,
        threshold=verdict.threshold if verdict else None,
        drifted=verdict.drifted if verdict else None,
        reason=_reason(name, pair, min_rows),
        scale=scale_of(pair[0]) if verdict else 1.0,
        reference_rows=len(pair[0]),
        reference_nan=reference_rows - len(pair[0]),
        current_rows=len(pair[1]),
        current_nan=current_rows - len(pair[1]),
    )


def _side(table: FeatureTable, rows: SideRows, compared: int) -> Side:
    present = np.unique(table.product)
    return Side(
        from_ns=int(table.bar_end_ns.min()),
        to_ns=int(table.bar_end_ns.max()),
        products=[table.products[index] for index in present],
        rows=len(table),
        scorable_rows=int(rows.scorable.sum()),
        compared_rows=compared,
        quality=rows.quality,
    )


def by_feature(summary: DriftSummary) -> Mapping[str, FeatureDrift]:
    """Features of a summary by name."""
    return {feature.feature: feature for feature in summary.features}
