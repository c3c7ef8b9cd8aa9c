"""Live counts of a capture, by the same decoder and tracker that replay uses, in batches after the archive."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from tickvol.core.record_columns import RecordKind
from tickvol.eventlog.archive_lines import ArchiveLine
from tickvol.eventlog.frame_columns import FrameColumns, Kind
from tickvol.eventlog.frames import FrameDecoder, Layout
from tickvol.eventlog.tracker import FrameCounts, FrameTracker

BATCH_LINES = 2048
RATE_WINDOW_S = 10.0


class _Ticker(msgspec.Struct):
    product_id: str
    price: str


class _Event(msgspec.Struct):
    tickers: list[_Ticker] = []


class _Frame(msgspec.Struct):
    events: list[_Event] = []


@dataclass(frozen=True)
class TrackerSpec:
    """Parameters of decoder and tracker."""

    products: tuple[str, ...]
    max_line_bytes: int
    grace_ms: int
    max_ahead_s: float

    def decoder(self) -> FrameDecoder:
        """A new decoder."""
        return FrameDecoder(self.products, self.max_line_bytes)

    def tracker(self) -> FrameTracker:
        """A new tracker."""
        return FrameTracker(self.products, grace_ms=self.grace_ms, max_ahead_s=self.max_ahead_s)


class CaptureCounts:
    """Counts of ticks and gaps, and last prices, from the lines of the archive.

    Parameters
    ----------
    monotonic : seconds, for rates.
    """

    def __init__(self, spec: TrackerSpec, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.ticks: Counter[str] = Counter(dict.fromkeys(spec.products, 0))
        self.gaps: Counter[str] = Counter()
        """Gaps by reason, counted for each product."""
        self.prices: dict[str, str] = {}
        self._products = spec.products
        self._decoder = spec.decoder()
        self._tracker = spec.tracker()
        self._lines: list[bytes] = []
        self._monotonic = monotonic
        self._rates_since = (monotonic(), self.ticks.copy())
        self._rates_before = self._rates_since

    @property
    def frames(self) -> FrameCounts:
        """Frames by outcome."""
        return self._tracker.counts

    def add(self, line: bytes) -> None:
        """Add a line that was written."""
        self._lines.append(line)
        if len(self._lines) >= BATCH_LINES:
            self.settle()

    def settle(self) -> None:
        """Count the added lines."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        tracked = self._tracker.push(self._decoder.decode(lines, Layout.WRAPPED), bare=False)
        ticks = tracked.records.product[tracked.records.kind == RecordKind.TICK]
        for product_id, count in zip(self._products, np.bincount(ticks, minlength=len(self._products)), strict=True):
            self.ticks[product_id] += int(count)
        self.gaps.update(gap.reason for gap in tracked.gaps)
        self.prices |= _last_prices(tracked.frames, self._products)

    def rates(self) -> dict[str, float]:
        """Ticks per second of each product over roughly the last ten seconds."""
        now = self._monotonic()
        if now - self._rates_since[0] >= RATE_WINDOW_S:
            self._rates_before, self._rates_since = self._rates_since, (now, self.ticks.copy())
        then, ticks = self._rates_before
        elapsed = max(now - then, 1e-3)
        return {product_id: (self.ticks[product_id] - ticks[product_id]) / elapsed for product_id in self._products}


def _last_prices(frames: FrameColumns, products: Sequence[str]) -> dict[str, str]:
    """Price text of each product's last ticker in the batch."""
    prices: dict[str, str] = {}
    for number, product_id in enumerate(products):
        places = np.flatnonzero(frames.product == number)
        if not len(places):
            continue
        row = int(np.searchsorted(frames.tick_begin, places[-1], side="right")) - 1
        if frames.kind[row] != Kind.TICKER:
            continue
        frame = msgspec.json.decode(msgspec.json.decode(frames.lines[row], type=ArchiveLine).frame or "", type=_Frame)
        for ticker in (ticker for event in frame.events for ticker in event.tickers):
            if ticker.product_id == product_id:
                prices[product_id] = ticker.price
    return prices


def warm_up(spec: TrackerSpec) -> None:
    """Compile decoder and tracker before the first frame: compiling takes longer than the silence timeout."""
    figures = CaptureCounts(spec)
    ticker = {"product_id": spec.products[0], "price": "1", "best_bid": "1", "best_ask": "2"}
    for number in range(2):
        frame = {
            "channel": "ticker",
            "timestamp": f"2026-01-01T00:00:0{number}Z",
            "sequence_num": number,
            "events": [{"tickers": [ticker]}],
        }
        line = ArchiveLine(1, "warm-up", frame=msgspec.json.encode(frame).decode())
        figures.add(msgspec.json.encode(line))
    figures.settle()
