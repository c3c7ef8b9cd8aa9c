"""Indicators of bars as they close."""

from collections.abc import Iterable

import numpy as np

from tickvol.core.errors import InputError
from tickvol.signals.indicators.bars import COLUMNS, DAY_MS, Bar, Bars, check_length
from tickvol.signals.indicators.compute import check_bridge
from tickvol.signals.indicators.fill_kernel import count, fill
from tickvol.signals.indicators.registry import computed, kernel_table


class LiveIndicators:
    """Values at each closed bar, bit for bit those of `compute` over the same bars.

    Parameters
    ----------
    codes : computed indicators or price columns
    length_ms : length of a bar
    max_bridge_bars : as in `compute`

    Raises
    ------
    InputError
        If a code is unknown, repeated or not computed, or a number is out of range.
    """

    def __init__(self, codes: Iterable[str], length_ms: int, *, max_bridge_bars: int = 0) -> None:
        check_length(length_ms)
        check_bridge(max_bridge_bars)
        chosen = computed(codes)
        self.codes = tuple(each.code for each in chosen)
        self.length_ms = length_ms
        self.memory_bars = max((each.memory_at(length_ms) for each in chosen), default=1)
        self._max_bridge = max_bridge_bars
        self._table = kernel_table(chosen, length_ms)
        self._values = np.empty((len(chosen), 1))
        self._history = np.empty((len(chosen), 1), dtype=np.int64)
        self._kept = max(self.memory_bars, 2)
        self.reset()

    def reset(self) -> None:
        """Forget all bars."""
        self._bars = np.empty((len(COLUMNS) + 1, 2 * self._kept))
        self._counts = np.empty((3, 2 * self._kept), dtype=np.int64)
        self._n = 0
        self._newest_ms: int | None = None

    def warm(self, bars: Bars, *, obv: tuple[float, int] | None = None) -> None:
        """Take bars without computing values; the last `memory_bars` bars are enough.

        `obv` is the value and the `history_bars` of OBV at the last of these bars, as stored; without it, OBV counts
        from the first bar held.
        """
        if bars.length_ms != self.length_ms:
            raise InputError(f"length_ms: {bars.length_ms}: must be {self.length_ms}")
        for i in range(len(bars)):
            self._take(bars.bar(i))
        if obv is not None and self._n:
            self._bars[-1, self._n - 1], self._counts[1, self._n - 1] = obv

    def push(self, bar: Bar) -> dict[str, tuple[float, int]]:
        """Take the next closed bar; return value and `history_bars` of each indicator that has a value there.

        Raises
        ------
        InputError
            If the bar does not close on the grid, after the newest bar; nothing changes then.
        """
        self._take(bar)
        fill(self._table, self._n - 1, self._n, self._counts, self._bars, self._values, self._history)
        return {
            code: (float(value), int(held))
            for code, value, held in zip(self.codes, self._values[:, 0], self._history[:, 0], strict=True)
            if np.isfinite(value)
        }

    def _take(self, bar: Bar) -> None:
        time_ms = bar.close_time_ms
        if time_ms % self.length_ms != 0:
            raise InputError(
                f"close_time_ms: {time_ms}: must be a multiple of {self.length_ms}, the exclusive end of a bar"
            )
        if self._newest_ms is not None and time_ms <= self._newest_ms:
            raise InputError(
                f"close_time_ms: {time_ms}: must lie after {self._newest_ms}, the newest bar: leave it out"
            )
        if self._n == self._bars.shape[1]:
            self._bars[:, : self._kept] = self._bars[:, -self._kept :]
            self._counts[:, : self._kept] = self._counts[:, -self._kept :]
            self._n = self._kept
        step = 0 if self._newest_ms is None else (time_ms - self._newest_ms) // self.length_ms
        session = (time_ms - self.length_ms) % DAY_MS // self.length_ms + 1
        self._bars[:-1, self._n] = bar.open, bar.high, bar.low, bar.close, bar.volume
        count(self._n, step, self._max_bridge, session, self._counts, self._bars)
        self._n += 1
        self._newest_ms = time_ms
