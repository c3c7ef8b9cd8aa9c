"""Detectors that a learned model must lead: naive orderings and volatility forecasts, weighted sums of few inputs.

A label has its own mechanical rivals: one that compares with the past calls a spike more often after a low past. So
the trivial orderings are always among the baselines, and forecasts are scored on what the label asks: forecast over
reference.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tickvol.core.windows import FeatureSpec
from tickvol.models.fitting import Sample
from tickvol.models.inputs import LOG_FLOOR, REFERENCE, Form, Input
from tickvol.models.linear import LinearDetector, plain_sum

_TINY = 1e-300


def minus_trailing_vol(train: Sample, spec: FeatureSpec) -> LinearDetector:
    """The lower the typical volatility has been, the more likely a spike: what a low reference alone earns."""
    return _ordering(train, spec, Input(column="typical_vol", form=Form.LOG, floor=_TINY), -1.0)


def window_ratio(train: Sample, spec: FeatureSpec) -> LinearDetector:
    """Volatility of the reference window over that of the next longer one; without a longer one, the two longest."""
    windows = spec.windows_s
    place = min(windows.index(spec.reference_window_s), max(len(windows) - 2, 0))
    if len(windows) == 1:
        return _ordering(train, spec, Input(column=f"realized_vol_{windows[0]}", over=REFERENCE), 1.0)
    return _ordering(train, spec, Input(column=f"vol_ratio_{windows[place]}_{windows[place + 1]}"), 1.0)


def zscore(train: Sample, spec: FeatureSpec) -> LinearDetector:
    """The present volatility against its own trailing mean and spread, the feature `vol_zscore`."""
    return _ordering(train, spec, Input(column="vol_zscore"), 1.0)


def ewma(train: Sample, spec: FeatureSpec) -> LinearDetector:
    """ln(forecast / reference), the forecast being the exponentially weighted volatility (RiskMetrics, 1996)."""
    return _ordering(train, spec, Input(column="ewma_vol", over=REFERENCE, form=Form.LOG, floor=LOG_FLOOR), 1.0)


def har(train: Sample, spec: FeatureSpec) -> LinearDetector:
    """ln(forecast / reference) by the heterogeneous autoregression in logarithms (Corsi, 2009).

    ln(future) = c + sum of b_w * ln(realized_vol_w per reference window) over the three longest windows, least squares
    on the train rows in which all are known. A volatility of 0 has no logarithm: it counts as the smallest positive one
    that the train rows hold, of that window or of the future.
    """
    inputs = tuple(_log_vol(train, spec, window_s) for window_s in spec.windows_s[-3:])
    x = train.inputs(inputs, spec)
    target = np.log(np.maximum(train.future, _smallest_positive(train.future)))
    known = np.isfinite(x).all(axis=1)
    design = np.column_stack([np.ones(int(known.sum())), x[known]])
    intercept, *weights = np.linalg.lstsq(design, target[known])[0].tolist()
    log_reference = Input(column=REFERENCE, form=Form.LOG, floor=_TINY)
    return plain_sum(
        (*inputs, log_reference),
        np.array([*weights, -1.0]),
        float(intercept),
        train.inputs((*inputs, log_reference), spec),
    )


def _ordering(train: Sample, spec: FeatureSpec, by: Input, sign: float) -> LinearDetector:
    return plain_sum((by,), np.array([sign]), 0.0, train.inputs((by,), spec))


def _log_vol(train: Sample, spec: FeatureSpec, window_s: int) -> Input:
    scale = math.sqrt(spec.reference_window_s / window_s)
    raw = train.inputs((Input(column=f"realized_vol_{window_s}", scale=scale),), spec)[:, 0]
    return Input(column=f"realized_vol_{window_s}", form=Form.LOG, scale=scale, floor=_smallest_positive(raw))


def _smallest_positive(values: NDArray[np.float64]) -> float:
    return float(np.min(values[values > 0], initial=np.inf)) if (values > 0).any() else _TINY


BASELINES: dict[str, Callable[[Sample, FeatureSpec], LinearDetector]] = {
    "minus_trailing_vol": minus_trailing_vol,
    "window_ratio": window_ratio,
    "zscore": zscore,
    "ewma": ewma,
    "har": har,
}
"""Trained every time, in this order."""
