"""FrameTracker: lines of the log to ticks, heartbeats and gaps; the same code for capture, replay and service.

Rules, all in event time, so that no result depends on our clock:

* A sequence number is lost when it is still absent once the connection's watermark (highest event time minus grace)
  passes the frame behind the hole. Until then later frames wait, so disorder within the grace leaves no trace. The
  gap runs between the event times of the hole's neighbours and applies to every product of the connection, as the
  number does not identify one.
* When the last connection that carried a product ends, the product is unknown from that connection's highest event
  time to its own first tick on another connection: a gap with the reason for which the connection ended. A connection
  that was never closed ends when the next capture starts or the next connection opens.
* Heartbeats are copied to each product that has had a tick on the connection.
* A frame more than `max_ahead_s` beyond its connection's highest event time (for the first frame: beyond all
  connections') waits for the next frame to confirm it; otherwise it is rejected: one bad clock must not close every
  bar. A copy of it, with the same number, is rejected at once: it confirms nothing.
* A bare recording is one connection per file; a sequence that falls back while time goes on starts another. Its jumps
  are reported, but count as loss only on request, as recorders often keep only some channels.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from tickvol.core.record_columns import RecordColumns, RecordKind
from tickvol.core.records import Gap, GapReason
from tickvol.core.times import NS_PER_MS, NS_PER_S
from tickvol.eventlog import tracker_kernel as kernel
from tickvol.eventlog.frame_columns import FrameColumns, Kind, Reject, concatenate
from tickvol.eventlog.frames import GENERATION

assert (kernel.TICKER, kernel.OTHER, kernel.NOTE) == (Kind.TICKER, Kind.OTHER, Kind.NOTE)
assert (kernel.TICK_RECORD, kernel.GAP_RECORD) == (RecordKind.TICK, RecordKind.GAP)
assert kernel.GENERATION == GENERATION
assert (kernel.JUMP, kernel.CAPTURE_DOWN) == (GapReason.JUMP, GapReason.CAPTURE_DOWN)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that gave no record, or a ticker of a row; `row` indexes the columns of `Tracked.frames`."""

    row: int
    reason: Reject


@dataclass(frozen=True, slots=True)
class Tracked:
    """Result of a batch: records whose `origin` indexes rows of `frames`, rejected rows, gaps."""

    frames: FrameColumns
    records: RecordColumns
    rejected: list[Rejected]
    gaps: list[Gap]
    simulated: bool


@dataclass(slots=True)
class FrameCounts:
    """Frames by outcome; tickers, heartbeats, other channels, rejected and waiting ones add up to `frames`."""

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
    grace_ms, max_ahead_s : see the module's docstring.
    trust_bare : True if jumps of bare recordings count as loss.

    Attributes
    ----------
    state, overall_time, slot_of, waiting : the whole state; `tracker_snapshot` takes and restores it.
    """

    def __init__(self, products: Sequence[str], *, grace_ms: int, max_ahead_s: float, trust_bare: bool = False) -> None:
        self.products = tuple(products)
        self.counts = FrameCounts()
        self.simulated = False
        self._grace_ns = grace_ms * NS_PER_MS
        self._ahead_ns = round(max_ahead_s * NS_PER_S)
        self._trust_bare = trust_bare
        self.state = _new_state(4, len(self.products))
        self.overall_time = kernel.NONE
        self.slot_of: dict[int, int] = {}
        self.waiting: FrameColumns | None = None

    def push(self, frames: FrameColumns, *, bare: bool) -> Tracked:
        """Track a batch. Waiting rows come again at the head of the next batch's `frames`."""
        waiting = 0 if self.waiting is None else len(self.waiting)
        joined = frames if self.waiting is None else concatenate([self.waiting, frames])
        self.simulated = self.simulated or frames.simulated
        inputs = self._inputs(joined, waiting, bare)
        outputs = _Collected()
        start = waiting
        while start < len(joined):
            behind = int(joined.tick_begin[start])
            output = _new_output(inputs, start, behind, self.state, self.overall_time)
            start = kernel.scan(inputs, self.state, output, start, behind, self._ahead_ns, self._grace_ns)
            self.overall_time = int(output.counters[kernel.OVERALL_TIME])
            outputs.add(output)
        given = self._keep_waiting(joined)
        rejected = self._rejected(joined, waiting, outputs)
        self._count(joined, waiting, given, rejected, outputs)
        return Tracked(joined, outputs.records(joined), rejected, self._gaps(outputs), self.simulated)

    def _inputs(self, frames: FrameColumns, waiting: int, bare: bool) -> kernel.Frames:
        numbers, inverse = np.unique(frames.connection, return_inverse=True)
        busy = {int(number) for number in numbers}
        for number in busy - self.slot_of.keys() - {-1}:
            slot = self.slot_for(number, busy)
            self.state.slots[slot, kernel.BARE] = bare
            self.state.slots[slot, kernel.TRUST] = self._trust_bare or not bare
            self.state.slots[slot, kernel.CONNECTION_BASE] = 0
        slot_of = {-1: -1} | self.slot_of
        rows = np.empty((len(frames), 8), np.int64)
        rows[:, kernel.F_KIND] = frames.kind
        rows[:, kernel.F_REASON] = frames.reason
        rows[:, kernel.F_SLOT] = np.array([slot_of[int(number)] for number in numbers], np.int64)[inverse]
        rows[:, kernel.F_CONNECTION] = frames.connection
        rows[:, kernel.F_SEQUENCE] = frames.sequence_num
        rows[:, kernel.F_TIME] = frames.event_time_ns
        rows[:, kernel.F_BEGIN] = frames.tick_begin[:-1]
        rows[:, kernel.F_END] = frames.tick_begin[1:]
        return kernel.Frames(rows, frames.product)

    def slot_for(self, number: int, busy: Collection[int] = ()) -> int:
        """Assign a slot of the state to a connection; reuses one of an ended connection that is not `busy`, if any."""
        for known, slot in self.slot_of.items():
            if not self.state.slots[slot, kernel.ALIVE] and known not in busy:
                del self.slot_of[known]
                self.slot_of[number] = slot
                return slot
        used = len(self.slot_of)
        self.slot_of[number] = used
        if used == len(self.state.slots):
            grown = _new_state(2 * used, len(self.products))
            grown.slots[:used], grown.pending[:used] = self.state.slots, self.state.pending
            grown.live[:used] = self.state.live
            self.state = grown._replace(products=self.state.products)
        return used

    def _keep_waiting(self, frames: FrameColumns) -> set[int]:
        """Carry rows that are held or pending into the next batch; returns their indices in this one."""
        slots, pending = self.state.slots, self.state.pending
        patient = np.flatnonzero((slots[:, kernel.HELD] >= 0) | (slots[:, kernel.PENDING] > 0))
        rows = sorted(
            {int(row) for slot in patient for row in pending[slot, : slots[slot, kernel.PENDING]]}
            | {int(slots[slot, kernel.HELD]) for slot in patient if slots[slot, kernel.HELD] >= 0}
        )
        place = {row: number for number, row in enumerate(rows)}
        for slot in patient:
            for i in range(int(slots[slot, kernel.PENDING])):
                pending[slot, i] = place[int(pending[slot, i])]
            if slots[slot, kernel.HELD] >= 0:
                slots[slot, kernel.HELD] = place[int(slots[slot, kernel.HELD])]
        self.waiting = frames.pick(rows) if rows else None
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
        records = outputs.table
        gaps = []
        for record in records[records[:, kernel.R_KIND] == RecordKind.GAP].tolist():
            first, last = record[kernel.R_SEQUENCE], record[kernel.R_LAST_MISSING]
            gaps.append(
                Gap(
                    product_id=self.products[record[kernel.R_PRODUCT]],
                    from_time_ns=record[kernel.R_TIME],
                    to_time_ns=record[kernel.R_UNTIL],
                    reason=GapReason(record[kernel.R_REASON]).label,
                    first_missing=first if first >= 0 else None,
                    last_missing=last if last >= 0 else None,
                )
            )
        return gaps


class _Collected:
    """Outputs of one or more scans of a batch."""

    def __init__(self) -> None:
        self.table = np.zeros((0, 10), np.int64)
        self.reject_rows: list[int] = []
        self.holes: list[list[int]] = []

    def add(self, output: kernel.Output) -> None:
        records = output.records[: output.counters[kernel.N_RECORDS]]
        self.table = np.concatenate([self.table, records]) if len(self.table) else records
        self.reject_rows += output.rejects[: output.counters[kernel.N_REJECTS]].tolist()
        self.holes += output.holes[: output.counters[kernel.N_HOLES]].tolist()

    def records(self, frames: FrameColumns) -> RecordColumns:
        tick = self.table[:, kernel.R_TICK]
        place = np.where(tick >= 0, tick, len(frames.product))
        quotes = {
            name: np.append(getattr(frames, name), np.nan)[place]
            for name in ("bid", "ask", "bid_quantity", "ask_quantity")
        }
        column = np.ascontiguousarray
        return RecordColumns(
            kind=self.table[:, kernel.R_KIND].astype(np.int16),
            product=self.table[:, kernel.R_PRODUCT].astype(np.int32),
            connection=column(self.table[:, kernel.R_CONNECTION]),
            sequence_num=column(self.table[:, kernel.R_SEQUENCE]),
            event_time_ns=column(self.table[:, kernel.R_TIME]),
            until_ns=column(self.table[:, kernel.R_UNTIL]),
            origin=column(self.table[:, kernel.R_ROW]),
            **quotes,
        )


def _new_state(count: int, products: int) -> kernel.State:
    slots = np.zeros((count, 9), np.int64)
    slots[:, kernel.HIGH] = kernel.UNKNOWN_START
    slots[:, kernel.HIGHEST_TIME] = slots[:, kernel.NEIGHBOUR_TIME] = kernel.NONE
    slots[:, kernel.HELD] = -1
    table = np.zeros((products, 3), np.int64)
    table[:, kernel.GAP_FROM] = kernel.NONE
    pending = np.zeros((count, kernel.PENDING_LIMIT), np.int64)
    return kernel.State(slots, pending, np.zeros((count, products), np.uint8), table)


def _new_output(
    inputs: kernel.Frames, start: int, behind: int, state: kernel.State, overall_time: int
) -> kernel.Output:
    rows, products = len(inputs.rows) - start, len(state.products)
    waiting = int(state.slots[:, kernel.PENDING].sum()) + 2 * len(state.slots) + 2
    size = 2 * rows + 2 * (len(inputs.product) + behind) + 4 * products * waiting + 16 * products
    counts = np.zeros(4, np.int64)
    counts[kernel.OVERALL_TIME] = overall_time
    return kernel.Output(
        records=np.empty((size, 10), np.int64),
        rejects=np.empty(rows + waiting, np.int64),
        holes=np.empty((rows + waiting, 4), np.int64),
        counters=counts,
    )
