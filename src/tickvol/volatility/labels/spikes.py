"""Spikes: the next horizon's volatility against the typical one or against a constant. See `docs/label_spec.md`."""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import NotEnoughData
from tickvol.volatility.labels.future import future_vol
from tickvol.volatility.labels.scorable import scorable
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelKind, LabelSpec


class SpikeThresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spike thresholds, the `quantile` of the train split's label values.

    Attributes
    ----------
    common : for the relative label: one ratio for all products.
    by_product : for the absolute label: log-return per horizon, for each product of the train split.
    """

    common: float | None = None
    by_product: dict[str, float] = {}


def horizon_scale(table: FeatureTable, horizon_s: int) -> float:
    """Factor from volatility per reference window to volatility per horizon: square root of the ratio of lengths."""
    return math.sqrt(horizon_s / table.spec.reference_window_s)


def label_values(table: FeatureTable, label: LabelSpec) -> NDArray[np.float64]:
    """(n,) float64 label values, compared with the threshold; NaN where the horizon is not fully known.

    Relative: `future_vol / (typical_vol * sqrt(horizon_s / reference_window_s))`, a pure ratio, NaN where the typical
    volatility is unknown or 0. Absolute: `future_vol`, log-return per horizon.
    """
    ahead = future_vol(table, label.horizon_s)
    if label.kind is LabelKind.ABSOLUTE:
        return ahead
    typical = table.column("typical_vol") * horizon_scale(table, label.horizon_s)
    found = np.full(len(table), np.nan)
    np.divide(ahead, typical, out=found, where=typical > 0)
    return found


def trainable(table: FeatureTable, label: LabelSpec, values: NDArray[np.float64] | None = None) -> NDArray[np.bool_]:
    """(n,) bool, True for scorable rows with a known label; `values` are their `label_values` if already computed."""
    known = np.isfinite(label_values(table, label) if values is None else values)
    return scorable(table, label) & known


def fit_thresholds(
    table: FeatureTable, label: LabelSpec, values: NDArray[np.float64], train: NDArray[np.bool_]
) -> SpikeThresholds:
    """The `quantile` of the label values of the train rows only.

    Raises
    ------
    NotEnoughData
        Without train rows, or when the quantile is 0, which would make every calm row a spike.
    """
    if not train.any():
        raise NotEnoughData("no trainable row in the train split: record longer stretches without gaps")
    if label.kind is LabelKind.RELATIVE:
        return SpikeThresholds(common=_quantile(values[train], label, "all products"))
    return SpikeThresholds(
        by_product={
            table.products[place]: _quantile(values[train & (table.product == place)], label, table.products[place])
            for place in np.unique(table.product[train])
        }
    )


def _quantile(values: NDArray[np.float64], label: LabelSpec, whose: str) -> float:
    threshold = float(np.quantile(values, label.quantile))
    if not threshold > 0:
        raise NotEnoughData(
            f"labels.quantile: {label.quantile}: of {len(values)} train rows ({whose}) it is {threshold}: must be "
            "positive; the market hardly moved, record livelier hours"
        )
    return threshold


def row_thresholds(table: FeatureTable, thresholds: SpikeThresholds) -> NDArray[np.float64]:
    """(n,) float64 threshold of each row; NaN for a product without train rows."""
    if thresholds.common is not None:
        return np.full(len(table), thresholds.common)
    of_product = np.array([thresholds.by_product.get(name, np.nan) for name in table.products])
    return of_product[table.product]


def spikes(
    table: FeatureTable, thresholds: SpikeThresholds, values: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Two (n,) bool masks: spike (value at or above its threshold), and label known."""
    limits = row_thresholds(table, thresholds)
    known = np.isfinite(values) & np.isfinite(limits)
    return known & (values >= limits), known
