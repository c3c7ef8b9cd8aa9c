"""Foresight check: features whose changes depend on a bar that has not happened yet. Uses the rows alone, not the log.

Volatility clusters, so every leak-free feature correlates with the size of *future* returns as well as past ones, but
smoothly: a bar one second ahead is predicted a little better than one ten seconds ahead. A feature that has seen bar
t + k changes at t when that bar enters it, and then that single bar ahead stands out above the bars after it. The check
measures this step: for a leak-free feature it is 0.13 at most (recorded BTC-USD, simulated and synthetic markets), for
centred windows of 10 to 900 s, copies of the future and shifted rows 0.35 to 0.65.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.schema.feature_table import FeatureTable

_BEHIND = slice(2, 10)
"""Later bars to compare with; the very next one is left out, as a feature may have smeared a bar over two."""

_HALF_LIVES_BARS = (1, 3, 10, 30, 100, 300)
_LEVEL = 4
"""Index of the half-life whose volatility is the unit of a surprise."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """Size of the step by which one future bar stands out in a feature.

    Attributes
    ----------
    bars_ahead : number of the bar; 1 is the first one that the row cannot know.
    step : absolute value of the rank correlation of the feature's change with that bar minus the median correlation
        with the bars after it.
    """

    feature: str
    product: str
    bars_ahead: int
    step: float


def foresight(
    table: FeatureTable, values: NDArray[np.float64], *, max_ahead_bars: int, min_bars: int
) -> tuple[list[Foresight], dict[str, int]]:
    """Most outstanding future bar of each feature (maximum over products), largest step first.

    The correlations are between the ranks of a feature's change from one bar to the next (and of its magnitude) and
    the return of each bar up to `max_ahead_bars` ahead: its signed value, and the surprise in its magnitude, i.e. the
    residual after a least-squares fit on exponential averages of the past.

    Parameters
    ----------
    values : (n, k) float64, features of the rows of `table`, whose `bar_log_return` holds the actual returns.
    min_bars : products with fewer known returns are left out: chance alone would give such steps.

    Returns
    -------
    tuple
        Features by descending step, and the number of known returns of each product used.
    """
    best: dict[str, Foresight] = {}
    bars: dict[str, int] = {}
    for number, product in enumerate(table.products):
        rows = np.flatnonzero(table.product == number)
        returns = table.column("bar_log_return")[rows]
        if int(np.isfinite(returns).sum()) < min_bars:
            continue
        bars[product] = int(np.isfinite(returns).sum())
        place = _places(table.bar_end_ns[rows] // table.spec.bar_ns, max_ahead_bars + _BEHIND.stop)
        spectra = _targets(_spread_out(returns, place))
        for name, column in zip(table.names, values[rows].T, strict=True):
            ahead, step = _largest_step(_spread_out(column, place), spectra, max_ahead_bars, min_bars)
            if name not in best or step > best[name].step:
                best[name] = Foresight(name, product, ahead, step)
    return sorted(best.values(), key=lambda found: -found.step), bars


def _places(bar: NDArray[np.int64], longest_gap: int) -> NDArray[np.int64]:
    """Positions of bars on an axis whose gaps are shortened to what separates their neighbourhoods."""
    return np.concatenate([[0], np.cumsum(np.minimum(np.diff(bar), longest_gap + 1))])


def _spread_out(column: NDArray[np.float64], place: NDArray[np.int64]) -> NDArray[np.float64]:
    spread = np.full(int(place[-1]) + 1, np.nan)
    spread[place] = column
    return spread


def _targets(returns: NDArray[np.float64]) -> list[NDArray[np.complex128]]:
    """Spectra of the ranks of each bar's signed return and of the surprise in its magnitude."""
    signed, surprise = _surprises(returns)
    return [np.fft.rfft(_ranks(target), _length(len(returns))) for target in (signed, surprise)]


def _length(bars: int) -> int:
    """Length of the transforms: at least twice the bars, to avoid wrap-around."""
    return 1 << int(2 * bars - 1).bit_length()


def _surprises(returns: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns and surprises in their magnitudes, both in units of the volatility before; NaN where unknown."""
    magnitude = np.abs(returns)
    past = np.column_stack([np.ones(len(returns)), *(_average_before(magnitude, bars) for bars in _HALF_LIVES_BARS)])
    level = past[:, 1 + _LEVEL]
    known = np.isfinite(magnitude) & (level > 0)
    unit = 1.0 / np.maximum(level, 0.1 * np.median(level[known])) if known.any() else np.ones(len(returns))
    weighted = past * unit[:, None]
    explained = np.linalg.lstsq(weighted[known], (magnitude * unit)[known])[0]
    surprise = magnitude * unit - weighted @ explained
    return np.where(known, returns * unit, np.nan), np.where(known, surprise, np.nan)


def _average_before(values: NDArray[np.float64], half_life_bars: int) -> NDArray[np.float64]:
    """Exponentially weighted mean of the known values before each bar; 0 before the first."""
    from scipy.signal import lfilter

    decay = 0.5 ** (1.0 / half_life_bars)
    known = np.isfinite(values)
    total = lfilter([1.0], [1.0, -decay], np.where(known, values, 0.0))
    weight = lfilter([1.0], [1.0, -decay], known.astype(np.float64))
    average = np.divide(total, weight, out=np.zeros(len(values)), where=weight > 1e-9)
    return np.concatenate([[0.0], average[:-1]])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks of the known values, ties averaged, scaled to mean 0 and variance 1; 0 where unknown or all are equal."""
    found = np.zeros(len(values))
    known = np.isfinite(values)
    if known.any():
        _, place, count = np.unique(values[known], return_inverse=True, return_counts=True)
        rank = (np.cumsum(count) - 0.5 * (count - 1))[place]
        spread = float(rank.std())
        found[known] = (rank - rank.mean()) / spread if spread > 0 else 0.0
    return found


def _largest_step(
    feature: NDArray[np.float64], targets: list[NDArray[np.complex128]], max_ahead_bars: int, min_bars: int
) -> tuple[int, float]:
    """Bars ahead, and the step of that bar; (0, 0.0) for a feature that is hardly ever known."""
    change = np.diff(feature, prepend=np.nan)
    largest = (0, 0.0)
    for moved in (change, np.abs(change)):
        known = int(np.isfinite(moved).sum())
        if known < min_bars:
            continue
        spectrum = np.conj(np.fft.rfft(_ranks(moved), _length(len(feature))))
        for target in targets:
            ahead = (
                np.fft.irfft(target * spectrum, _length(len(feature)))[1 : max_ahead_bars + _BEHIND.stop + 1] / known
            )
            behind = np.lib.stride_tricks.sliding_window_view(ahead[_BEHIND.start :], _BEHIND.stop - _BEHIND.start)
            step = np.abs(ahead[:max_ahead_bars] - np.median(behind[:max_ahead_bars], axis=1))
            if step.max() > largest[1]:
                largest = (int(step.argmax()) + 1, float(step.max()))
    return largest
