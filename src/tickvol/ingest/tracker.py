"""FrameTracker: lines of the log to ticks, heartbeats and gaps; one piece of code for capture, replay and service.

Rules, all in event time, so that no answer depends on our clock:

* A sequence number is lost when it is still absent once the connection's watermark (highest event time minus grace) passes the frame
  behind the hole. Until then later frames wait, so disorder within the grace leaves no trace. The gap runs between the event times of
  the hole's neighbours and belongs to every product of the connection, for the number names none.
* When the last connection that carried a product ends, the product is unknown from that connection's highest event time to its own
  first tick on another connection: a gap with the reason for which the connection ended. A connection that was never closed ends with
  the next capture that starts, or the next connection that opens.
* Heartbeats are copied to each product that has had a tick on the connection.
* A frame more than `max_ahead_s` beyond its connection's highest event time (for the first frame: beyond all connections') waits for
  the next frame to confirm it, else it is rejected: one bad clock must not close every bar.
* Bare recordings are one connection a file; a sequence that falls back while time goes on starts another. Their jumps are reported
  and only trusted as loss on request, as recorders often keep only some channels.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tickvol.core.record_columns import RecordColumns, RecordKind
from tickvol.core.records import Gap, GapReason
from tickvol.core.windows import NS_PER_MS, NS_PER_S
from tickvol.ingest import tracker_kernel as kernel
from tickvol.ingest.frames import FrameColumns, Kind, Reject, concatenate

assert (kernel.TICKER, kernel.OTHER, kernel.NOTE) == (Kind.TICKER, Kind.OTHER, Kind.NOTE)
assert (kernel.TICK_RECORD, kernel.GAP_RECORD) == (RecordKind.TICK, RecordKind.GAP)
assert (kernel.JUMP, kernel.CAPTURE_DOWN) == (GapReason.JUMP, GapReason.CAPTURE_DOWN)

_PER_SLOT = ("alive", "bare", "trust", "high", "highest_time", "neighbour_time", "generation", "held", "pending_count")


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that gave no record, or a ticker of it; `row` counts in the columns that `Tracked.frames` holds."""

    row: int
    reason: Reject


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a batch gave: records whose `origin` counts rows of `frames`, rejected rows, gaps."""

    frames: FrameColumns
    records: RecordColumns
    rejected: list[Rejected]
    gaps: list[Gap]


@dataclass(slots=True)
class FrameCounts:
    """Frames by what became of them; the first four add up to `frames`, with those that still wait."""

    frames: int = 0
    tickers: int = 0
    heartbeats: int = 0
    other_channels: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    rejected_tickers: Counter[str] = field(default_factory=Counter)
    jumps: int = 0
    missing: int = 0

    @property
    def waiting(self) -> int:
        """Frames held back at the end of the input: unconfirmed in time, or behind a hole in the sequence."""
        return self.frames - self.tickers - self.heartbeats - self.other_channels - sum(self.rejected.values())


class FrameTracker:
    """Frames in, records out; state is bounded by the grace and the number of open connections and products.

    Parameters
    ----------
    products : names that `RecordColumns.product` indexes.
    grace_ms, max_ahead_s : see the module.
    trust_bare : whether jumps of bare recordings count as loss.
    """

    def __init__(self, products: Sequence[str], *, grace_ms: int, max_ahead_s: float, trust_bare: bool = False) -> None:
        self.products = tuple(products)
        self.counts = FrameCounts()
        self.simulated = False
        self._grace_ns = grace_ms * NS_PER_MS
        self._ahead_ns = round(max_ahead_s * NS_PER_S)
        self._trust_bare = trust_bare
        self._slots = _new_slots(4, len(self.products))
        self._slot_of: dict[int, int] = {}
        self._waiting: FrameColumns | None = None

    def push(self, frames: FrameColumns, *, bare: bool) -> Tracked:
        """Track a batch. Rows that wait come again at the head of the next batch's `frames`."""
        waiting = 0 if self._waiting is None else len(self._waiting)
        joined = frames if self._waiting is None else concatenate([self._waiting, frames])
        self.simulated = self.simulated or frames.simulated
        inputs = self._inputs(joined, waiting, bare)
        outputs = _Collected()
        start = waiting
        while start < len(joined):
            output = _new_output(len(joined) - start, len(joined.product), len(self.products), self._slots)
            start = kernel.scan(inputs, self._slots, output, start, self._ahead_ns, self._grace_ns)
            outputs.add(output)
        given = self._keep_waiting(joined, waiting)
        rejected = self._rejected(joined, waiting, outputs)
        self._count(joined, waiting, given, rejected, outputs)
        return Tracked(joined, outputs.records(joined), rejected, self._gaps(outputs))

    def _inputs(self, frames: FrameColumns, waiting: int, bare: bool) -> kernel.Frames:
        new = np.unique(frames.connection[waiting:])
        busy = {int(number) for number in np.unique(frames.connection)}
        for number in new[new >= 0]:
            if int(number) not in self._slot_of:
                slot = self._free_slot(busy)
                self._slot_of[int(number)] = slot
                self._slots.bare[slot] = bare
                self._slots.trust[slot] = self._trust_bare or not bare
                self._slots.generation[slot] = 0
        slots = {-1: -1} | self._slot_of
        numbers, inverse = np.unique(frames.connection, return_inverse=True)
        slot_column = np.array([slots[int(number)] for number in numbers], np.int64)[inverse]
        return kernel.Frames(
            frames.kind,
            frames.reason,
            slot_column,
            frames.connection,
            frames.sequence_num,
            frames.event_time_ns,
            frames.tick_begin,
            frames.product,
        )

    def _free_slot(self, busy: set[int]) -> int:
        for number, slot in self._slot_of.items():
            if not self._slots.alive[slot] and number not in busy:
                del self._slot_of[number]
                return slot
        used = len(self._slot_of)
        if used == len(self._slots.alive):
            self._slots = _grown(self._slots, 2 * used)
        return used

    def _keep_waiting(self, frames: FrameColumns, waiting: int) -> set[int]:
        """Carry rows that are held or pending into the next batch; returns their indices in this one."""
        slots = self._slots
        rows = []
        for slot in np.flatnonzero((slots.held >= 0) | (slots.pending_count > 0)):
            rows += [int(row) for row in slots.pending[slot, : slots.pending_count[slot]]]
            if slots.held[slot] >= 0:
                rows.append(int(slots.held[slot]))
        rows.sort()
        place = {row: number for number, row in enumerate(rows)}
        for slot in np.flatnonzero((slots.held >= 0) | (slots.pending_count > 0)):
            for i in range(int(slots.pending_count[slot])):
                slots.pending[slot, i] = place[int(slots.pending[slot, i])]
            if slots.held[slot] >= 0:
                slots.held[slot] = place[int(slots.held[slot])]
        self._waiting = frames.pick(rows) if rows else None
        return set(rows)

    def _rejected(self, frames: FrameColumns, waiting: int, outputs: "_Collected") -> list[Rejected]:
        rows = np.flatnonzero(frames.kind[waiting:] == Kind.REJECTED) + waiting
        rejected = [Rejected(int(row), Reject(int(frames.reason[row]))) for row in rows]
        rejected += [Rejected(row, Reject(reason)) for row, reason in frames.rejected_tickers if row >= waiting]
        rejected += [
            Rejected(row, Reject.UNCONFIRMED_TIME) for row in outputs.reject_rows if frames.kind[row] != Kind.REJECTED
        ]
        return rejected

    def _count(
        self, frames: FrameColumns, waiting: int, still: set[int], rejected: list[Rejected], outputs: "_Collected"
    ) -> None:
        counts = self.counts
        counts.frames += int(np.count_nonzero(frames.kind[waiting:] <= Kind.REJECTED))
        given = frames.kind.copy()
        given[list(still | set(outputs.reject_rows))] = -1
        counts.tickers += int(np.count_nonzero(given == Kind.TICKER))
        counts.heartbeats += int(np.count_nonzero(given == Kind.HEARTBEAT))
        counts.other_channels += int(np.count_nonzero(given == Kind.OTHER))
        for item in rejected:
            partly = frames.kind[item.row] == Kind.TICKER and item.reason is not Reject.UNCONFIRMED_TIME
            (counts.rejected_tickers if partly else counts.rejected)[item.reason.label] += 1
        for hole in outputs.holes:
            counts.jumps += 1
            counts.missing += int(hole[3] - hole[2] + 1)

    def _gaps(self, outputs: "_Collected") -> list[Gap]:
        columns = outputs.columns
        gaps = []
        for i in np.flatnonzero(columns["kind"] == RecordKind.GAP):
            first, last = int(columns["sequence"][i]), int(columns["last_missing"][i])
            gaps.append(
                Gap(
                    product_id=self.products[columns["product"][i]],
                    from_time_ns=int(columns["time"][i]),
                    to_time_ns=int(columns["until"][i]),
                    reason=GapReason(int(columns["reason"][i])).label,
                    first_missing=first if first >= 0 else None,
                    last_missing=last if last >= 0 else None,
                )
            )
        return gaps


class _Collected:
    """Outputs of one or more scans of a batch."""

    _NAMES = ("kind", "product", "row", "tick", "connection", "sequence", "time", "until", "last_missing", "reason")

    def __init__(self) -> None:
        self._parts: list[kernel.Output] = []
        self.reject_rows: list[int] = []
        self.holes: list[np.ndarray] = []
        self._columns: dict[str, np.ndarray] | None = None

    def add(self, output: kernel.Output) -> None:
        self._parts.append(output)
        self.reject_rows += [int(row) for row in output.reject_row[: output.count[kernel.N_REJECTS]]]
        self.holes += list(output.hole[: output.count[kernel.N_HOLES]])

    @property
    def columns(self) -> dict[str, np.ndarray]:
        if self._columns is None:
            cut = [{name: getattr(p, name)[: p.count[0]] for name in self._NAMES} for p in self._parts]
            if len(cut) == 1:
                self._columns = cut[0]
            elif cut:
                self._columns = {name: np.concatenate([part[name] for part in cut]) for name in self._NAMES}
            else:
                self._columns = {name: np.zeros(0, np.int64) for name in self._NAMES}
        return self._columns

    def records(self, frames: FrameColumns) -> RecordColumns:
        columns = self.columns
        tick = columns["tick"]
        is_tick = tick >= 0
        quotes = {}
        for name in ("bid", "ask", "bid_quantity", "ask_quantity"):
            source = getattr(frames, name)
            quotes[name] = (
                np.where(is_tick, source[np.maximum(tick, 0)], np.nan) if len(source) else np.full(len(tick), np.nan)
            )
        return RecordColumns(
            kind=columns["kind"],
            product=columns["product"],
            connection=columns["connection"],
            sequence_num=columns["sequence"],
            event_time_ns=columns["time"],
            until_ns=columns["until"],
            origin=columns["row"],
            **quotes,
        )


def _new_slots(count: int, products: int) -> kernel.Slots:
    def numbers(value: int) -> np.ndarray:
        return np.full(count, value, np.int64)

    return kernel.Slots(
        alive=np.zeros(count, np.uint8),
        bare=np.zeros(count, np.uint8),
        trust=np.zeros(count, np.uint8),
        high=numbers(kernel.UNKNOWN_START),
        highest_time=numbers(kernel.NONE),
        neighbour_time=numbers(kernel.NONE),
        generation=numbers(0),
        held=numbers(-1),
        pending_count=numbers(0),
        pending=np.zeros((count, kernel.PENDING_LIMIT), np.int64),
        live=np.zeros((count, products), np.uint8),
        carriers=np.zeros(products, np.int64),
        gap_from=np.full(products, kernel.NONE, np.int64),
        gap_reason=np.zeros(products, np.int64),
        overall_time=np.full(1, kernel.NONE, np.int64),
    )


def _grown(slots: kernel.Slots, count: int) -> kernel.Slots:
    grown = _new_slots(count, len(slots.carriers))
    used = len(slots.alive)
    for name in (*_PER_SLOT, "pending", "live"):
        getattr(grown, name)[:used] = getattr(slots, name)
    return grown._replace(
        carriers=slots.carriers, gap_from=slots.gap_from, gap_reason=slots.gap_reason, overall_time=slots.overall_time
    )


def _new_output(rows: int, tickers: int, products: int, slots: kernel.Slots) -> kernel.Output:
    waiting = int(slots.pending_count.sum())
    size = 2 * rows + 2 * tickers + 4 * (waiting + 8) * (products + 8) + 8 * products * len(slots.alive)

    def numbers() -> np.ndarray:
        return np.empty(size, np.int64)

    return kernel.Output(
        kind=np.empty(size, np.int16),
        product=np.empty(size, np.int32),
        row=numbers(),
        tick=numbers(),
        connection=numbers(),
        sequence=numbers(),
        time=numbers(),
        until=numbers(),
        last_missing=numbers(),
        reason=np.empty(size, np.int16),
        reject_row=np.empty(rows + waiting + len(slots.alive), np.int64),
        hole=np.empty((rows + waiting + 1, 4), np.int64),
        count=np.zeros(3, np.int64),
    )
