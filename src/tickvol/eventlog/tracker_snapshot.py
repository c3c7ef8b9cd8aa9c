"""The state of decoder and tracker at a line of the archive, as text, so that another process can continue from there.

It holds all that later lines can need: open connections by name with their sequence numbers, the lines that wait behind
a hole or for confirmation, and the time since which each unknown product is unknown.
"""

import msgspec
import numpy as np

from tickvol.eventlog import tracker_kernel as kernel
from tickvol.eventlog.frame_columns import FrameColumns, concatenate
from tickvol.eventlog.frames import FrameDecoder, Layout
from tickvol.eventlog.tracker import FrameTracker


class _Waiting(msgspec.Struct, frozen=True):
    source: str
    line_number: int
    line: str


class _Connection(msgspec.Struct, frozen=True):
    connection_id: str
    slot: list[int]
    pending: list[int]
    live: list[bool]


class TrackerSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Snapshot for `take_snapshot` and `restore_snapshot`; encoded as JSON by msgspec."""

    products: tuple[str, ...]
    simulated: bool
    overall_time: int
    unknown_since: list[list[int]]
    connections: list[_Connection]
    waiting: list[_Waiting]


def take_snapshot(tracker: FrameTracker, decoder: FrameDecoder, sources: list[str]) -> TrackerSnapshot:
    """The state after the last batch; `sources` are the names that `FrameColumns.source` indexes."""
    state, waiting = tracker.state, tracker.waiting
    connections = []
    for number, slot in tracker.slot_of.items():
        row = state.slots[slot]
        if row[kernel.ALIVE]:
            pending = state.pending[slot, : row[kernel.PENDING]].tolist()
            live = state.live[slot].astype(bool).tolist()
            connections.append(_Connection(decoder.connection_id(number), row.tolist(), pending, live))
    return TrackerSnapshot(
        products=tracker.products,
        simulated=tracker.simulated,
        overall_time=tracker.overall_time,
        unknown_since=state.products.tolist(),
        connections=connections,
        waiting=[] if waiting is None else _lines_of(waiting, sources),
    )


def restore_snapshot(
    snapshot: TrackerSnapshot, tracker: FrameTracker, decoder: FrameDecoder, sources: list[str]
) -> None:
    """Put a new tracker into the state of a snapshot; products that the snapshot lacks start empty.

    The names of files with waiting lines are added to `sources`.
    """
    tracker.simulated, tracker.overall_time = snapshot.simulated, snapshot.overall_time
    here = [number for number, name in enumerate(tracker.products) if name in snapshot.products]
    there = [snapshot.products.index(tracker.products[number]) for number in here]
    tracker.state.products[here] = np.array(snapshot.unknown_since, np.int64)[there]
    for connection in snapshot.connections:
        slot = tracker.slot_for(decoder.connection(connection.connection_id))
        state = tracker.state
        state.slots[slot] = connection.slot
        state.pending[slot, : len(connection.pending)] = connection.pending
        state.live[slot, here] = np.array(connection.live)[there]
    if snapshot.waiting:
        tracker.waiting = concatenate([_decoded(row, decoder, sources) for row in snapshot.waiting])


def _lines_of(waiting: FrameColumns, sources: list[str]) -> list[_Waiting]:
    return [
        _Waiting(sources[int(source)], int(number), line.decode())
        for source, number, line in zip(waiting.source, waiting.line_number, waiting.lines, strict=True)
    ]


def _decoded(row: _Waiting, decoder: FrameDecoder, sources: list[str]) -> FrameColumns:
    if row.source not in sources:
        sources.append(row.source)
    frames = decoder.decode(
        [row.line.encode()], Layout.WRAPPED, source=sources.index(row.source), first_line=row.line_number
    )
    frames.rejected_tickers.clear()  # reported when the line was first read
    return frames
