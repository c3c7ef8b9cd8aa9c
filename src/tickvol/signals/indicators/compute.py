"""Indicators of a whole series of bars."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError
from tickvol.signals.indicators.bars import COLUMNS, DAY_MS, Bars, Times, Values
from tickvol.signals.indicators.fill_kernel import count_all, fill
from tickvol.signals.indicators.registry import computed, kernel_table


@dataclass(frozen=True)
class IndicatorColumn:
    """Rows of one indicator, oldest first; bars without a value have no row.

    Parameters
    ----------
    close_time_ms : (m,) int64, when the value is known
    value : (m,) float64, finite
    history_bars : (m,) int64, bars that the value depends on; below the memory, older bars may still change it
    """

    close_time_ms: Times
    value: Values
    history_bars: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.value)

    def on(self, close_time_ms: Times) -> Values:
        """Values at these times, (n,) float64, NaN where there is no row."""
        values = np.full(len(close_time_ms), np.nan)
        if len(self):
            at = np.minimum(np.searchsorted(self.close_time_ms, close_time_ms), len(self) - 1)
            held = self.close_time_ms[at] == close_time_ms
            values[held] = self.value[at[held]]
        return values


@dataclass(frozen=True)
class IndicatorColumns:
    """Rows by code, in the order of the codes asked for."""

    columns: Mapping[str, IndicatorColumn]

    def __getitem__(self, code: str) -> IndicatorColumn:
        return self.columns[code]

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes asked for."""
        return tuple(self.columns)


def compute(
    bars: Bars, codes: Iterable[str], *, max_bridge_bars: int = 0, from_ms: int | None = None
) -> IndicatorColumns:
    """Rows of indicators at all bars that close at `from_ms` or later.

    A value depends on its last `memory_bars` bars, so older bars may be left out without a change of any bit. `obv` is
    the exception: it counts from the first bar given.

    Parameters
    ----------
    codes : computed indicators or price columns
    max_bridge_bars : longest hole, in missing bars, that recursions bridge; they restart after a longer one
    from_ms : first close time wanted; None: all

    Raises
    ------
    InputError
        If a code is unknown, repeated or not computed, or `max_bridge_bars` is negative.
    """
    chosen = computed(codes)
    check_bridge(max_bridge_bars)
    matrix, counts = prepare(bars, max_bridge_bars)
    first = 0 if from_ms is None else int(np.searchsorted(bars.close_time_ms, from_ms))
    values = np.empty((len(chosen), len(bars) - first))
    history = np.empty(values.shape, dtype=np.int64)
    fill(kernel_table(chosen, bars.length_ms), first, len(bars), counts, matrix, values, history)
    columns = {}
    for indicator, value, held in zip(chosen, values, history, strict=True):
        known = np.isfinite(value)
        columns[indicator.code] = IndicatorColumn(bars.close_time_ms[first:][known], value[known], held[known])
    return IndicatorColumns(columns)


def check_bridge(max_bridge_bars: int) -> None:
    """Refuse a negative number of missing bars."""
    if max_bridge_bars < 0:
        raise InputError(f"max_bridge_bars: {max_bridge_bars}: must be at least 0")


def prepare(bars: Bars, max_bridge_bars: int) -> tuple[Values, NDArray[np.int64]]:
    """Prices, volume and OBV, (6, n) float64, and counts of bars behind each bar, (3, n) int64, for the kernel."""
    n, length_ms = len(bars), bars.length_ms
    matrix = np.empty((len(COLUMNS) + 1, n))
    for row, name in enumerate(COLUMNS):
        matrix[row] = getattr(bars, name)
    counts = np.empty((3, n), dtype=np.int64)
    steps = np.diff(bars.close_time_ms, prepend=bars.close_time_ms[:1]) // length_ms
    sessions = (bars.close_time_ms - length_ms) % DAY_MS // length_ms + 1
    count_all(steps, sessions, max_bridge_bars, counts, matrix)
    return matrix, counts
