"""The compiled scan of `FrameTracker`: one pass over frames in log order. `tracker.py` explains the rules.

Every connection lives in a slot. `high` is the highest sequence number given on, EXPECT_FIRST before number 0 of a connection seen
from its start, UNKNOWN_START where the beginning was not seen.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

NONE = np.iinfo(np.int64).min
EXPECT_FIRST = -1
UNKNOWN_START = -2
GENERATION = 1 << 40
PENDING_LIMIT = 8192

# Equal to Kind, RecordKind and GapReason; compiled code wants plain numbers, `tracker.py` asserts that they agree.
TICKER, HEARTBEAT, OTHER, REJECTED, OPENED, CONTINUED, CLOSED, STARTED, STOPPED, NOTE = range(10)
TICK_RECORD, HEARTBEAT_RECORD, GAP_RECORD = range(3)
JUMP, RECONNECT, SILENCE, CAPTURE_DOWN = range(4)
N_RECORDS, N_REJECTS, N_HOLES = range(3)


class Frames(NamedTuple):
    """Input columns, see `FrameColumns`; `slot` is the slot of the row's connection."""

    kind: NDArray[np.int16]
    reason: NDArray[np.int16]
    slot: NDArray[np.int64]
    connection: NDArray[np.int64]
    sequence: NDArray[np.int64]
    time: NDArray[np.int64]
    tick_begin: NDArray[np.int64]
    product: NDArray[np.int32]


class Slots(NamedTuple):
    """State of connections (first axis: slot) and products; all of it is bounded."""

    alive: NDArray[np.uint8]
    bare: NDArray[np.uint8]
    trust: NDArray[np.uint8]
    high: NDArray[np.int64]
    highest_time: NDArray[np.int64]
    neighbour_time: NDArray[np.int64]
    generation: NDArray[np.int64]
    held: NDArray[np.int64]
    pending_count: NDArray[np.int64]
    pending: NDArray[np.int64]
    live: NDArray[np.uint8]
    carriers: NDArray[np.int64]
    gap_from: NDArray[np.int64]
    gap_reason: NDArray[np.int64]
    overall_time: NDArray[np.int64]


class Output(NamedTuple):
    """What a scan gives: records, rejected rows, holes of the sequence; `count` says how many of each."""

    kind: NDArray[np.int16]
    product: NDArray[np.int32]
    row: NDArray[np.int64]
    tick: NDArray[np.int64]
    connection: NDArray[np.int64]
    sequence: NDArray[np.int64]
    time: NDArray[np.int64]
    until: NDArray[np.int64]
    last_missing: NDArray[np.int64]
    reason: NDArray[np.int16]
    reject_row: NDArray[np.int64]
    hole: NDArray[np.int64]
    count: NDArray[np.int64]


@njit(cache=True)
def _record(frames, out, kind, product, row, tick, connection):
    n = out.count[N_RECORDS]
    out.kind[n], out.product[n], out.row[n], out.tick[n] = kind, product, row, tick
    out.connection[n], out.sequence[n] = connection, frames.sequence[row]
    out.time[n], out.until[n], out.last_missing[n], out.reason[n] = frames.time[row], 0, -1, -1
    out.count[N_RECORDS] = n + 1


@njit(cache=True)
def _gap(out, product, row, connection, from_ns, to_ns, reason, first_missing, last_missing):
    n = out.count[N_RECORDS]
    out.kind[n], out.product[n], out.row[n], out.tick[n] = GAP_RECORD, product, row, -1
    out.connection[n], out.sequence[n] = connection, first_missing
    out.time[n], out.until[n], out.last_missing[n], out.reason[n] = from_ns, to_ns, last_missing, reason
    out.count[N_RECORDS] = n + 1


@njit(cache=True)
def _give(frames, slots, out, row, slot):
    connection = frames.connection[row] + slots.generation[slot] * GENERATION
    if frames.kind[row] == TICKER:
        for tick in range(frames.tick_begin[row], frames.tick_begin[row + 1]):
            product = frames.product[tick]
            if not slots.live[slot, product]:
                slots.live[slot, product] = 1
                slots.carriers[product] += 1
                start = slots.gap_from[product]
                if start != NONE and frames.time[row] >= start:
                    _gap(out, product, row, connection, start, frames.time[row], slots.gap_reason[product], -1, -1)
                slots.gap_from[product] = NONE
            _record(frames, out, TICK_RECORD, product, row, tick, connection)
    elif frames.kind[row] == HEARTBEAT:
        for product in range(len(slots.carriers)):
            if slots.live[slot, product]:
                _record(frames, out, HEARTBEAT_RECORD, product, row, -1, connection)


@njit(cache=True)
def _advance(frames, slots, out, row, slot):
    slots.high[slot] = frames.sequence[row]
    slots.neighbour_time[slot] = frames.time[row]
    _give(frames, slots, out, row, slot)


@njit(cache=True)
def _hole(frames, slots, out, row, slot, trusted):
    first, last = slots.high[slot] + 1, frames.sequence[row] - 1
    to_ns = frames.time[row]
    from_ns = to_ns if slots.neighbour_time[slot] == NONE else slots.neighbour_time[slot]
    from_ns, to_ns = min(from_ns, to_ns), max(from_ns, to_ns)
    n = out.count[N_HOLES]
    out.hole[n, 0], out.hole[n, 1], out.hole[n, 2], out.hole[n, 3] = from_ns, to_ns, first, last
    out.count[N_HOLES] = n + 1
    if trusted:
        connection = frames.connection[row] + slots.generation[slot] * GENERATION
        for product in range(len(slots.carriers)):
            if slots.live[slot, product]:
                _gap(out, product, row, connection, from_ns, to_ns, JUMP, first, last)


@njit(cache=True)
def _pop(slots, slot):
    row = slots.pending[slot, 0]
    count = slots.pending_count[slot] - 1
    for i in range(count):
        slots.pending[slot, i] = slots.pending[slot, i + 1]
    slots.pending_count[slot] = count
    return row


@njit(cache=True)
def _wait(frames, slots, row, slot):
    i = slots.pending_count[slot]
    while i > 0 and frames.sequence[slots.pending[slot, i - 1]] > frames.sequence[row]:
        slots.pending[slot, i] = slots.pending[slot, i - 1]
        i -= 1
    slots.pending[slot, i] = row
    slots.pending_count[slot] += 1


@njit(cache=True)
def _resolve(frames, slots, out, slot, grace_ns, force):
    while slots.pending_count[slot] > 0:
        row = slots.pending[slot, 0]
        high = slots.high[slot]
        following = high != UNKNOWN_START and frames.sequence[row] <= high + 1
        waits = high == UNKNOWN_START or slots.trust[slot]
        passed = slots.highest_time[slot] - grace_ns >= frames.time[row]
        if not (following or force or passed or not waits or slots.pending_count[slot] >= PENDING_LIMIT):
            break
        _pop(slots, slot)
        if high != UNKNOWN_START and frames.sequence[row] <= high:
            _give(frames, slots, out, row, slot)
            continue
        if high != UNKNOWN_START and frames.sequence[row] > high + 1:
            _hole(frames, slots, out, row, slot, slots.trust[slot] == 1)
        _advance(frames, slots, out, row, slot)


@njit(cache=True)
def _reset(slots, slot, high):
    slots.alive[slot] = 1
    slots.high[slot] = high
    slots.highest_time[slot] = NONE
    slots.neighbour_time[slot] = NONE
    slots.held[slot] = -1
    slots.pending_count[slot] = 0


@njit(cache=True)
def _end(frames, slots, out, slot, reason, grace_ns):
    if not slots.alive[slot]:
        return
    if slots.held[slot] >= 0:
        _reject(out, slots.held[slot])
        slots.held[slot] = -1
    _resolve(frames, slots, out, slot, grace_ns, True)
    for product in range(len(slots.carriers)):
        if slots.live[slot, product]:
            slots.live[slot, product] = 0
            slots.carriers[product] -= 1
            if slots.carriers[product] == 0:
                slots.gap_from[product] = slots.highest_time[slot]
                slots.gap_reason[product] = reason
    slots.alive[slot] = 0


@njit(cache=True)
def _reject(out, row):
    out.reject_row[out.count[N_REJECTS]] = row
    out.count[N_REJECTS] += 1


@njit(cache=True)
def _accept(frames, slots, out, row, slot, grace_ns):
    time, sequence = frames.time[row], frames.sequence[row]
    high = slots.high[slot]
    if slots.bare[slot] and 0 <= sequence <= high and time > slots.highest_time[slot] + grace_ns:
        _end(frames, slots, out, slot, CAPTURE_DOWN, grace_ns)
        _reset(slots, slot, UNKNOWN_START)
        slots.generation[slot] += 1
        high = UNKNOWN_START
    slots.highest_time[slot] = max(slots.highest_time[slot], time)
    slots.overall_time[0] = max(slots.overall_time[0], time)
    if high != UNKNOWN_START and sequence <= high:
        _give(frames, slots, out, row, slot)
    elif high != UNKNOWN_START and sequence == high + 1:
        _advance(frames, slots, out, row, slot)
    else:
        _wait(frames, slots, row, slot)
    _resolve(frames, slots, out, slot, grace_ns, False)


@njit(cache=True)
def _frame(frames, slots, out, row, slot, ahead_ns, grace_ns):
    if not slots.alive[slot]:
        _reset(slots, slot, UNKNOWN_START)
    time = frames.time[row]
    held = slots.held[slot]
    if held >= 0:
        slots.held[slot] = -1
        if time >= frames.time[held] - ahead_ns:
            _accept(frames, slots, out, held, slot, grace_ns)
        else:
            _reject(out, held)
    base = slots.highest_time[slot]
    if base == NONE:
        base = slots.overall_time[0]
    if base == NONE or time > base + ahead_ns:
        slots.held[slot] = row
    else:
        _accept(frames, slots, out, row, slot, grace_ns)


@njit(cache=True)
def _end_wrapped(frames, slots, out, grace_ns):
    for slot in range(len(slots.alive)):
        if not slots.bare[slot]:
            _end(frames, slots, out, slot, CAPTURE_DOWN, grace_ns)


@njit(cache=True)
def _worst_case(frames, slots, row):
    """Records that the next row can give at most: every waiting row once, each after a gap, for every product."""
    products = len(slots.carriers)
    waiting, ticks = 2, frames.tick_begin[row + 1] - frames.tick_begin[row]
    for slot in range(len(slots.alive)):
        if slots.alive[slot]:
            waiting += 2 + slots.pending_count[slot]
            for i in range(slots.pending_count[slot]):
                pending = slots.pending[slot, i]
                ticks += frames.tick_begin[pending + 1] - frames.tick_begin[pending]
            if slots.held[slot] >= 0:
                ticks += frames.tick_begin[slots.held[slot] + 1] - frames.tick_begin[slots.held[slot]]
    return 2 * ticks + 2 * products * waiting


@njit(cache=True)
def scan(frames, slots, out, start, ahead_ns, grace_ns):
    """Track rows from `start` on; returns the first row that was not tracked because the output might overflow."""
    for row in range(start, len(frames.kind)):
        if out.count[N_RECORDS] + _worst_case(frames, slots, row) > len(out.kind):
            return row
        kind, slot = frames.kind[row], frames.slot[row]
        if kind <= OTHER:
            _frame(frames, slots, out, row, slot, ahead_ns, grace_ns)
        elif kind == REJECTED and slot >= 0 and frames.sequence[row] >= 0 and frames.time[row] > 0:
            _frame(frames, slots, out, row, slot, ahead_ns, grace_ns)
        elif kind == OPENED:
            if not slots.bare[slot]:
                _end_wrapped(frames, slots, out, grace_ns)
            _reset(slots, slot, UNKNOWN_START if slots.bare[slot] else EXPECT_FIRST)
        elif kind == CONTINUED and not slots.alive[slot]:
            _end_wrapped(frames, slots, out, grace_ns)
            _reset(slots, slot, UNKNOWN_START)
        elif kind == CLOSED:
            _end(frames, slots, out, slot, frames.reason[row], grace_ns)
        elif kind == STARTED:
            _end_wrapped(frames, slots, out, grace_ns)
        elif kind == STOPPED:
            _end_wrapped(frames, slots, out, grace_ns)
            for product in range(len(slots.carriers)):
                if slots.gap_from[product] != NONE:
                    slots.gap_reason[product] = CAPTURE_DOWN
    return len(frames.kind)
