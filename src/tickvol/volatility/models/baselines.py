"""Baseline detectors for learned models to beat: naive orderings and volatility forecasts, weighted sums of few inputs.

A label is partly predictable by construction: one that compares with the past marks a spike more often after a low
past. So the trivial orderings are always among the baselines, and forecasts are scored on the label's own quantity,
forecast over reference.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.models.detector import Detector
from tickvol.volatility.models.fitting import Sample
from tickvol.volatility.models.garch import fit_garch
from tickvol.volatility.models.input_groups import REFERENCE
from tickvol.volatility.models.inputs import LOG_FLOOR, Form, Input, har_windows
from tickvol.volatility.models.linear import LinearDetector, Season, plain_sum, season_cell
from tickvol.volatility.schema.feature_spec import FeatureSpec

HOURS_A_WEEK = 168

_TINY = 1e-300


def minus_trailing_vol(train: Sample, spec: FeatureSpec) -> LinearDetector:
    """-ln(typical volatility), the skill of a low reference alone: the lower it was, the more likely a spike."""
    return _ordering(train, spec, Input(column="typical_vol", form=Form.LOG, floor=_TINY), -1.0)


def window_ratio(train: Sample, spec: FeatureSpec) -> LinearDetector:
    """Ratio of the reference window's volatility to the next longer window's; without a longer one, the two longest."""
    windows = spec.windows_s
    place = min(windows.index(spec.reference_window_s), max(len(windows) - 2, 0))
    if len(windows) == 1:
        return _ordering(train, spec, Input(column=f"realized_vol_{windows[0]}", over=REFERENCE), 1.0)
    return _ordering(train, spec, Input(column=f"vol_ratio_{windows[place]}_{windows[place + 1]}"), 1.0)


def zscore(train: Sample, spec: FeatureSpec) -> LinearDetector:
    """Current volatility against its own trailing mean and spread, the feature `vol_zscore`."""
    return _ordering(train, spec, Input(column="vol_zscore"), 1.0)


def ewma(train: Sample, spec: FeatureSpec) -> LinearDetector:
    """ln(forecast / reference) with the exponentially weighted volatility as forecast (RiskMetrics, 1996)."""
    half_life_s = min(spec.half_lives_s, key=lambda half_life_s: abs(half_life_s - spec.reference_window_s))
    forecast = Input(column=f"ewma_vol_{half_life_s}", over=REFERENCE, form=Form.LOG, floor=LOG_FLOOR)
    return _ordering(train, spec, forecast, 1.0)


def har(train: Sample, spec: FeatureSpec) -> LinearDetector:
    """ln(forecast / reference) by the heterogeneous autoregression in logarithms (Corsi, 2009).

    ln(future) = c + sum of b_w * ln(realized_vol_w per reference window) over `har_windows`, least squares on the train
    rows in which all are known. A volatility of 0 has no logarithm: it counts as the smallest positive one in the train
    rows, of that window or of the future.
    """
    return _autoregression(train, spec, tuple(_log_vol(train, spec, "realized_vol", w) for w in har_windows(spec)))


def semivariance_har(train: Sample, spec: FeatureSpec) -> LinearDetector:
    """`har` with its reference window split into downside and upside volatility (Patton and Sheppard, 2015).

    Upside volatility is not a column of its own: total and downside are inputs, so the fit can separate the two.
    """
    three = [_log_vol(train, spec, "realized_vol", w) for w in har_windows(spec)]
    return _autoregression(train, spec, (*three, _log_vol(train, spec, "downside_vol", spec.reference_window_s)))


def seasonal_har(train: Sample, spec: FeatureSpec) -> LinearDetector:
    """`har` with a constant for each hour of the UTC week where the train rows span weeks; otherwise plain `har`."""
    inputs = tuple(_log_vol(train, spec, "realized_vol", w) for w in har_windows(spec))
    return _autoregression(train, spec, inputs, hours=train.is_long)


def _autoregression(
    train: Sample, spec: FeatureSpec, inputs: tuple[Input, ...], *, hours: bool = False
) -> LinearDetector:
    """Least squares of ln(future), with a constant per hour of the week if `hours`; minus ln(reference)."""
    log_reference = Input(column=REFERENCE, form=Form.LOG, floor=_TINY)
    share = (Input(column="week_share"),) if hours else ()
    every = (*inputs, log_reference, *share)
    x = train.inputs(every, spec)
    target = np.log(np.maximum(train.future, _smallest_positive(train.future)))
    known = np.isfinite(x).all(axis=1)
    terms = x[known, : len(inputs)]
    cell = season_cell(x[known, -1], 1, HOURS_A_WEEK) if hours else np.zeros(int(known.sum()), np.intp)
    # Deviations from each hour's mean give the weights; the residuals of the means give the constants.
    count = np.bincount(cell, minlength=HOURS_A_WEEK)
    means = [np.bincount(cell, column, HOURS_A_WEEK) / np.maximum(count, 1) for column in (*terms.T, target[known])]
    deviations = [column - mean[cell] for column, mean in zip((*terms.T, target[known]), means, strict=True)]
    weights = np.linalg.lstsq(np.column_stack(deviations[:-1]), deviations[-1])[0]
    constants = means[-1] - sum(weight * mean for weight, mean in zip(weights, means[:-1], strict=True))
    seasons: tuple[Season, ...] = ()
    intercept = float(constants[0])
    if hours:
        intercept = float(np.average(constants, weights=count))
        values = np.where(count > 0, constants - intercept, 0.0)
        seasons = (Season(input=len(every) - 1, cycles=1, values=tuple(values.tolist())),)
    all_weights = np.array([*weights, -1.0, *(0.0 for _ in share)])
    return plain_sum(every, all_weights, intercept, x, seasons)


def _ordering(train: Sample, spec: FeatureSpec, by: Input, sign: float) -> LinearDetector:
    return plain_sum((by,), np.array([sign]), 0.0, train.inputs((by,), spec))


def _log_vol(train: Sample, spec: FeatureSpec, stem: str, window_s: int) -> Input:
    scale = math.sqrt(spec.reference_window_s / window_s)
    raw = train.inputs((Input(column=f"{stem}_{window_s}", scale=scale),), spec)[:, 0]
    return Input(column=f"{stem}_{window_s}", form=Form.LOG, scale=scale, floor=_smallest_positive(raw))


def _smallest_positive(values: NDArray[np.float64]) -> float:
    return float(np.min(values[values > 0], initial=np.inf)) if (values > 0).any() else _TINY


BASELINES: dict[str, Callable[[Sample, FeatureSpec], Detector]] = {
    "minus_trailing_vol": minus_trailing_vol,
    "window_ratio": window_ratio,
    "zscore": zscore,
    "ewma": ewma,
    "har": har,
    "semivariance_har": semivariance_har,
    "seasonal_har": seasonal_har,
    "garch": fit_garch,
}
"""Always trained, in this order."""
