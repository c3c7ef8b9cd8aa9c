"""The feature engine: records of the log to feature rows, incrementally, for many products at once.

Bars are cut by event time. A bar closes when its product's watermark (highest event time minus the grace) reaches its
end; a bar without any record closes together with the next bar that has one, because only then is the length of the
silence known. Within the grace, neither order nor repetition of records changes a bit of any row. A bar is known
under these rules:

* with ticks: known, unless a gap touches it; its mid is the mid of the last tick by (event time, sequence number).
* without ticks: the last quote is carried, unless a gap touches the bar, a gap or silence lies between the quote and
  the bar, the quote is older than `max_carry_s` at the bar's end, or no record at all came for over `max_silence_s`.

A row depends on the last `FeatureSpec.lookback_s` of the log and on nothing else, so splitting the input into batches
does not change a bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.candle_columns import CandleColumns
from tickvol.core.record_columns import RecordColumns, RecordKind
from tickvol.core.times import NS_PER_S
from tickvol.volatility.features import bar_kernel, candle_kernel, window_kernel
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec

assert (bar_kernel.TICK, bar_kernel.HEARTBEAT, bar_kernel.GAP) == (
    RecordKind.TICK,
    RecordKind.HEARTBEAT,
    RecordKind.GAP,
)

_BLOCK = 32

_Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Rows in the order in which they closed (per product: time order), and the ticks that came too late.

    Attributes
    ----------
    product : (n,) int32; bar_end_ns : (n,) int64; values : (n, k) float64 in the order of `feature_names`.
    closed_by : (n,) int64, index of the record (of those pushed) that closed the row's bar.
    late : (m,) int64, indices of late ticks in the records that were pushed.
    duplicates : number of ticks already seen.
    """

    product: NDArray[np.int32]
    bar_end_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    closed_by: NDArray[np.int64]
    late: NDArray[np.int64]
    duplicates: int


class FeatureEngine:
    """Incremental features of several products, independent of each other.

    Parameters
    ----------
    spec : bars, windows and rules.
    products : names that `RecordColumns.product` indexes; at least one.
    """

    def __init__(self, spec: FeatureSpec, products: Sequence[str]) -> None:
        self.spec = spec
        self.products = tuple(products)
        self._bar_spec = _bar_spec(spec)
        self._window_spec = _window_spec(spec)
        self._width = len(feature_names(spec))
        self.reset()

    def reset(self) -> None:
        """Reset to the initial state."""
        count = len(self.products)
        self._bars = _new_bars(count, self.spec)
        self._windows = _new_windows(count, self._window_spec)
        for product in range(count):
            window_kernel.reset_product(self._windows, product)
        self._seen = _new_seen(1 << 12)
        self._seen_count = 0

    def open_since_ns(self) -> int | None:
        """Start of the earliest open bar over all products that had a record; None before any."""
        first = self._bars.product[:, bar_kernel.OPEN_BAR]
        started = first[first != bar_kernel.NONE]
        return int(started.min()) * self.spec.bar_ns if len(started) else None

    def open_bars_ns(self) -> dict[str, int]:
        """Start of the earliest open bar, by product; a product without any record is absent."""
        first = self._bars.product[:, bar_kernel.OPEN_BAR]
        return {
            name: int(first[number]) * self.spec.bar_ns
            for number, name in enumerate(self.products)
            if first[number] != bar_kernel.NONE
        }

    def push(self, records: RecordColumns) -> FeatureRows:
        """Process records in log order; returns the rows of the bars that they closed."""
        inputs = bar_kernel.Records(
            records.kind,
            records.product,
            records.connection,
            records.sequence_num,
            records.event_time_ns,
            records.until_ns,
            records.bid,
            records.ask,
            records.bid_quantity,
            records.ask_quantity,
        )
        state, specs = (self._bars, self._bar_spec), (self._windows, self._window_spec)

        def scan(start: int, rows: bar_kernel.Rows, late: _Int64, count: _Int64) -> tuple[int, int]:
            count[bar_kernel.N_SEEN] = self._seen_count
            start, why = bar_kernel.scan(inputs, start, *state, self._seen, *specs, rows, late, count)
            self._seen_count = int(count[bar_kernel.N_SEEN])
            if why == bar_kernel.FULL_SEEN:
                self._seen_count = self._make_room()
            return start, why

        return self._drive(len(records), scan)

    def push_candles(self, candles: CandleColumns) -> FeatureRows:
        """Process closed bars; returns their rows and those of the unknown bars between.

        `late` are candles at or before the last one of their product. A candle has no quotes: `mid` is its close,
        `range` and `parkinson_vol` are computed from its trades, and features that need quotes or a tick count are NaN.
        A product has either candles or ticks.
        """
        inputs = candle_kernel.Candles(candles.product, candles.start_ns, candles.high, candles.low, candles.close)
        state, specs = (self._bars, self._bar_spec), (self._windows, self._window_spec)

        def scan(start: int, rows: bar_kernel.Rows, late: _Int64, count: _Int64) -> tuple[int, int]:
            stopped: tuple[int, int] = candle_kernel.scan_candles(inputs, start, *state, *specs, rows, late, count)
            return stopped

        return self._drive(len(candles), scan)

    def _drive(
        self,
        size: int,
        scan: Callable[[int, bar_kernel.Rows, _Int64, _Int64], tuple[int, int]],
    ) -> FeatureRows:
        """Run a compiled scan over `size` inputs, with room for its rows."""
        late, count = np.empty(size, np.int64), np.zeros(5, np.int64)
        parts, start = [], 0
        while start < size:
            room = min(size - start, 16384) + self._bar_spec.rows_at_once
            rows = bar_kernel.Rows(np.empty((room, 3), np.int64), np.empty((room, self._width)))
            count[bar_kernel.N_ROWS] = 0
            start, _ = scan(start, rows, late, count)
            made = int(count[bar_kernel.N_ROWS])
            parts.append((rows.key[:made], rows.values[:made]))
        key, values = parts[0] if len(parts) == 1 else _joined(parts, self._width)
        return FeatureRows(
            product=key[:, bar_kernel.ROW_PRODUCT].astype(np.int32),
            bar_end_ns=key[:, bar_kernel.ROW_END].copy(),
            values=values,
            closed_by=key[:, bar_kernel.ROW_CLOSED_BY].copy(),
            late=late[: count[bar_kernel.N_LATE]],
            duplicates=int(count[bar_kernel.N_DUPLICATES]),
        )

    def _make_room(self) -> int:
        """Drop ticks too old to be looked up as duplicates; double the set if that is not enough."""
        size = len(self._seen)
        while True:
            fresh = _new_seen(size)
            kept = int(bar_kernel.rehash(self._seen, fresh, self._bars.product, self._bar_spec))
            self._seen = fresh
            if 4 * kept <= size:
                return kept
            size *= 2


def _joined(
    parts: list[tuple[NDArray[np.int64], NDArray[np.float64]]], width: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    parts = [(np.zeros((0, 3), np.int64), np.zeros((0, width))), *parts]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _bar_spec(spec: FeatureSpec) -> bar_kernel.BarSpec:
    open_bars = spec.grace_ns // spec.bar_ns + 4
    carry_bars = spec.max_carry_s * NS_PER_S // spec.bar_ns + 1
    return bar_kernel.BarSpec(
        bar_ns=spec.bar_ns,
        grace_ns=spec.grace_ns,
        carry_ns=spec.max_carry_s * NS_PER_S,
        silence_ns=spec.max_silence_s * NS_PER_S,
        memory_ns=spec.duplicate_memory_s * NS_PER_S,
        memory_bars=spec.memory_bars,
        rows_at_once=open_bars * (spec.memory_bars + carry_bars + 2),
    )


def _window_spec(spec: FeatureSpec) -> window_kernel.WindowSpec:
    windows = np.array([spec.bars(window_s) for window_s in spec.windows_s], np.int64)
    longest = int(windows[-1])
    block = min(_BLOCK, 1 << (longest.bit_length() - 2))
    half_lives_bars = np.array(spec.half_lives_s) * NS_PER_S / spec.bar_ns
    decay = 0.5 ** (np.arange(longest + 2 * block) / half_lives_bars[:, None])
    return window_kernel.WindowSpec(
        windows=windows,
        decay=decay,
        reference=spec.bars(spec.reference_window_s),
        min_coverage=spec.min_coverage,
        bar_ns=spec.bar_ns,
        shift=block.bit_length() - 1,
        ring_mask=_power_of_two(longest + 2 * block) - 1,
        full_weight=np.sum(decay[:, :longest], axis=1),
    )


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


def _new_bars(count: int, spec: FeatureSpec) -> bar_kernel.Bars:
    ring = _power_of_two(spec.grace_ns // spec.bar_ns + 4)
    mids = np.full((count, ring, window_kernel.QUOTE_FIELDS + 2), np.nan)
    product = np.full((count, 7), bar_kernel.NONE, np.int64)
    product[:, bar_kernel.GAP_COUNT] = 0
    return bar_kernel.Bars(
        product=product,
        slot=np.full((count, ring, 6), bar_kernel.NONE, np.int64),
        mids=mids,
        gaps=np.zeros((count, bar_kernel.GAP_LIMIT + 1, 3), np.int64),
        carried=np.full((count, window_kernel.QUOTE_FIELDS), np.nan),
    )


def _new_seen(size: int) -> NDArray[np.int64]:
    return np.full((size, 4), -1, np.int64)


def _new_windows(count: int, spec: window_kernel.WindowSpec) -> window_kernel.Windows:
    ring, blocks, longest = spec.ring_mask + 1, (spec.ring_mask + 1) >> spec.shift, int(spec.windows[-1])
    summary = window_kernel.SUMMARY + 4 * len(spec.full_weight)
    return window_kernel.Windows(
        bars=np.zeros((count, ring, window_kernel.BAR)),
        tails=np.zeros((count, ring, summary)),
        blocks=np.zeros((count, blocks, summary)),
        head=np.zeros((count, summary)),
        ordered=np.zeros((count, 2, longest + 1)),
        counts=np.zeros((count, 2), np.int64),
    )
