"""The compiled state of a condition at one bar; all bars are a loop over it."""

import numpy as np
from numpy.typing import NDArray

from tickvol.core.compiled import compiled

Values = NDArray[np.float64]

_ABOVE, _BELOW, _BETWEEN, _OUTSIDE, _TREND_UP, _TREND_DOWN, _CROSS_UP, _CROSS_DOWN, _REJECT_UP, _REJECT_DOWN = range(10)


@compiled
def _level_state(i: int, direction: int, a: float, b: float, window: int, d: Values) -> int:
    state = 1
    for s in range(i - window + 1, i + 1):
        x = d[s]
        if np.isnan(x):
            return -1
        if direction == _ABOVE:
            holds = x > a
        elif direction == _BELOW:
            holds = x < a
        elif direction == _BETWEEN:
            holds = a <= x <= b
        else:
            holds = x < a or x > b
        if not holds:
            state = 0
    return state


@compiled
def _trend_state(i: int, direction: int, a: float, window: int, d: Values) -> int:
    rise = d[i] - d[i - window]
    if np.isnan(rise):
        return -1
    return int((rise if direction == _TREND_UP else -rise) > a)


@compiled
def _cross_state(i: int, direction: int, a: float, window: int, d: Values) -> int:
    crossed = False
    for s in range(i - window, i + 1):
        if np.isnan(d[s]):
            return -1
        if s > i - window:
            if direction == _CROSS_UP:
                crossed |= d[s - 1] <= a < d[s]
            else:
                crossed |= d[s - 1] >= a > d[s]
    stays = d[i] > a if direction == _CROSS_UP else d[i] < a
    return int(crossed and stays)


@compiled
def _reject_state(
    i: int, direction: int, a: float, window: int, levels: Values, highs: Values, lows: Values, closes: Values
) -> int:
    before = i - window
    if np.isnan(levels[before]) or np.isnan(closes[before]) or np.isnan(closes[i]):
        return -1
    touched = False
    for s in range(before + 1, i + 1):
        extreme = lows[s] if direction == _REJECT_UP else highs[s]
        if np.isnan(levels[s]) or np.isnan(extreme):
            return -1
        if direction == _REJECT_UP:
            touched |= extreme <= levels[s] * (1 + a)
        else:
            touched |= extreme >= levels[s] * (1 - a)
    if direction == _REJECT_UP:
        return int(touched and closes[i] > levels[i] and closes[before] > levels[before])
    return int(touched and closes[i] < levels[i] and closes[before] < levels[before])


@compiled
def states(
    first: int, direction: int, a: float, b: float, window: int, d: Values, highs: Values, lows: Values, closes: Values
) -> NDArray[np.int8]:
    """(n - first,) int8 states of the bars from `first` on; a window that begins before bar 0 is unknown."""
    found = np.full(len(d) - first, -1, dtype=np.int8)
    for i in range(first, len(d)):
        if i - window + (direction < _TREND_UP) < 0:
            continue
        if direction < _TREND_UP:
            found[i - first] = _level_state(i, direction, a, b, window, d)
        elif direction < _CROSS_UP:
            found[i - first] = _trend_state(i, direction, a, window, d)
        elif direction < _REJECT_UP:
            found[i - first] = _cross_state(i, direction, a, window, d)
        else:
            found[i - first] = _reject_state(i, direction, a, window, d, highs, lows, closes)
    return found
