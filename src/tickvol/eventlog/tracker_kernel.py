"""The compiled scan of `FrameTracker`: one pass over frames in log order. `tracker.py` explains the rules.

Every connection has a slot. HIGH is the highest sequence number passed on, EXPECT_FIRST before number 0 of a connection
seen from its start, UNKNOWN_START if the beginning was not seen. Tables of integers with named columns keep the
compiled calls cheap.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickvol.core.compiled import compiled

NONE = np.iinfo(np.int64).min
EXPECT_FIRST = -1
UNKNOWN_START = -2
GENERATION = 1 << 40
PENDING_LIMIT = 8192

# Equal to Kind, RecordKind and GapReason; compiled code needs plain numbers, `tracker.py` asserts that they agree.
TICKER, HEARTBEAT, OTHER, REJECTED, OPENED, CONTINUED, CLOSED, STARTED, STOPPED, NOTE = range(10)
TICK_RECORD, HEARTBEAT_RECORD, GAP_RECORD = range(3)
JUMP, RECONNECT, SILENCE, CAPTURE_DOWN = range(4)

# Columns of the input, of connections, of products, of the output and of holes; counters.
F_KIND, F_REASON, F_SLOT, F_CONNECTION, F_SEQUENCE, F_TIME, F_BEGIN, F_END = range(8)
ALIVE, BARE, TRUST, HIGH, HIGHEST_TIME, NEIGHBOUR_TIME, CONNECTION_BASE, HELD, PENDING = range(9)
CARRIERS, GAP_FROM, GAP_REASON = range(3)
R_KIND, R_PRODUCT, R_ROW, R_TICK, R_CONNECTION, R_SEQUENCE, R_TIME, R_UNTIL, R_LAST_MISSING, R_REASON = range(10)
N_RECORDS, N_REJECTS, N_HOLES, OVERALL_TIME = range(4)


class Frames(NamedTuple):
    """Input: a row of integers for each frame, and the product of each ticker."""

    rows: NDArray[np.int64]
    product: NDArray[np.int32]


class State(NamedTuple):
    """Connections by slot, their waiting rows, the products that they carry; products. All of it is bounded."""

    slots: NDArray[np.int64]
    pending: NDArray[np.int64]
    live: NDArray[np.uint8]
    products: NDArray[np.int64]


class Output(NamedTuple):
    """Records, rejected rows, holes in the sequence; `counters`: how many, and the highest time of all connections."""

    records: NDArray[np.int64]
    rejects: NDArray[np.int64]
    holes: NDArray[np.int64]
    counters: NDArray[np.int64]


@compiled
def _record(records, count, kind, product, row, tick, connection, sequence, time):
    record = records[count[N_RECORDS]]
    record[R_KIND], record[R_PRODUCT], record[R_ROW], record[R_TICK] = kind, product, row, tick
    record[R_CONNECTION], record[R_SEQUENCE], record[R_TIME] = connection, sequence, time
    record[R_UNTIL], record[R_LAST_MISSING], record[R_REASON] = 0, -1, -1
    count[N_RECORDS] += 1
    return record


@compiled
def _gap(records, count, product, row, connection, from_ns, to_ns, reason, first_missing, last_missing):
    record = _record(records, count, GAP_RECORD, product, row, -1, connection, first_missing, from_ns)
    record[R_UNTIL], record[R_LAST_MISSING], record[R_REASON] = to_ns, last_missing, reason


@compiled
def _give(frame, row, product, base, live, products, records, count):
    """Turn a frame into its records; the first tick of a product on a connection ends the product's gap."""
    connection, sequence, time = frame[F_CONNECTION] + base, frame[F_SEQUENCE], frame[F_TIME]
    if frame[F_KIND] == TICKER:
        for tick in range(frame[F_BEGIN], frame[F_END]):
            p = product[tick]
            if not live[p]:
                live[p] = 1
                products[p, CARRIERS] += 1
                start = products[p, GAP_FROM]
                if start != NONE and time >= start:
                    _gap(records, count, p, row, connection, start, time, products[p, GAP_REASON], -1, -1)
                products[p, GAP_FROM] = NONE
            _record(records, count, TICK_RECORD, p, row, tick, connection, sequence, time)
    elif frame[F_KIND] == HEARTBEAT:
        for p in range(len(products)):
            if live[p]:
                _record(records, count, HEARTBEAT_RECORD, p, row, -1, connection, sequence, time)


@compiled
def _hole(frame, row, slot, live, out):
    """Record missing numbers before a frame; if they are trusted, every product of the connection gets a gap."""
    first, last = slot[HIGH] + 1, frame[F_SEQUENCE] - 1
    time = frame[F_TIME]
    neighbour = time if slot[NEIGHBOUR_TIME] == NONE else slot[NEIGHBOUR_TIME]
    from_ns, to_ns = min(neighbour, time), max(neighbour, time)
    hole = out.holes[out.counters[N_HOLES]]
    hole[0], hole[1], hole[2], hole[3] = from_ns, to_ns, first, last
    out.counters[N_HOLES] += 1
    if slot[TRUST]:
        connection = frame[F_CONNECTION] + slot[CONNECTION_BASE]
        for p in range(len(live)):
            if live[p]:
                _gap(out.records, out.counters, p, row, connection, from_ns, to_ns, JUMP, first, last)


@compiled
def _wait(rows, row, slot, pending):
    i = slot[PENDING]
    while i > 0 and rows[pending[i - 1], F_SEQUENCE] > rows[row, F_SEQUENCE]:
        pending[i] = pending[i - 1]
        i -= 1
    pending[i] = row
    slot[PENDING] += 1


@compiled
def _resolve(frames, slot, pending, live, products, out, grace_ns, force):
    """Pass on waiting frames that follow without a hole, or behind a hole that the watermark has passed."""
    taken = 0
    while taken < slot[PENDING]:
        row = pending[taken]
        frame = frames.rows[row]
        high, sequence = slot[HIGH], frame[F_SEQUENCE]
        following = high != UNKNOWN_START and sequence <= high + 1
        patient = high == UNKNOWN_START or slot[TRUST]
        passed = slot[HIGHEST_TIME] - grace_ns >= frame[F_TIME]
        if not (following or force or passed or not patient or slot[PENDING] - taken >= PENDING_LIMIT):
            break
        taken += 1
        if high == UNKNOWN_START or sequence > high:
            if high != UNKNOWN_START and sequence > high + 1:
                _hole(frame, row, slot, live, out)
            slot[HIGH], slot[NEIGHBOUR_TIME] = sequence, frame[F_TIME]
        _give(frame, row, frames.product, slot[CONNECTION_BASE], live, products, out.records, out.counters)
    if taken:
        slot[PENDING] -= taken
        for i in range(slot[PENDING]):
            pending[i] = pending[i + taken]


@compiled
def _reset(slot, high):
    slot[ALIVE], slot[HIGH], slot[HELD], slot[PENDING] = 1, high, -1, 0
    slot[HIGHEST_TIME], slot[NEIGHBOUR_TIME] = NONE, NONE


@compiled
def _reject(out, row):
    out.rejects[out.counters[N_REJECTS]] = row
    out.counters[N_REJECTS] += 1


@compiled
def _end(frames, slot, pending, live, products, out, reason, grace_ns):
    """End a connection: products that no other connection carries are unknown from its highest time on."""
    if not slot[ALIVE]:
        return
    if slot[HELD] >= 0:
        _reject(out, slot[HELD])
        slot[HELD] = -1
    _resolve(frames, slot, pending, live, products, out, grace_ns, True)
    for p in range(len(live)):
        if live[p]:
            live[p] = 0
            products[p, CARRIERS] -= 1
            if products[p, CARRIERS] == 0:
                products[p, GAP_FROM], products[p, GAP_REASON] = slot[HIGHEST_TIME], reason
    slot[ALIVE] = 0


@compiled
def _see_time(slot, count, time):
    slot[HIGHEST_TIME] = max(slot[HIGHEST_TIME], time)
    count[OVERALL_TIME] = max(count[OVERALL_TIME], time)


@compiled
def _next(frame, row, slot, product, live, products, records, count):
    """Pass on a frame that need not wait: the next of its sequence, or an old number."""
    _see_time(slot, count, frame[F_TIME])
    if frame[F_SEQUENCE] > slot[HIGH]:
        slot[HIGH], slot[NEIGHBOUR_TIME] = frame[F_SEQUENCE], frame[F_TIME]
    _give(frame, row, product, slot[CONNECTION_BASE], live, products, records, count)


@compiled
def _accept(frames, row, slot, pending, live, products, out, grace_ns):
    frame = frames.rows[row]
    time, sequence = frame[F_TIME], frame[F_SEQUENCE]
    if slot[BARE] and 0 <= sequence <= slot[HIGH] and time > slot[HIGHEST_TIME] + grace_ns:
        _end(frames, slot, pending, live, products, out, CAPTURE_DOWN, grace_ns)
        _reset(slot, UNKNOWN_START)
        slot[CONNECTION_BASE] += GENERATION
    high = slot[HIGH]
    if high != UNKNOWN_START and sequence <= high + 1:
        _next(frame, row, slot, frames.product, live, products, out.records, out.counters)
    else:
        _see_time(slot, out.counters, time)
        _wait(frames.rows, row, slot, pending)
    if slot[PENDING]:
        _resolve(frames, slot, pending, live, products, out, grace_ns, False)


@compiled
def _frame(frames, row, slot, pending, live, products, out, ahead_ns, grace_ns):
    """Hold back a frame far ahead of its connection until the next one confirms or refutes it."""
    if not slot[ALIVE]:
        _reset(slot, UNKNOWN_START)
    time, held = frames.rows[row, F_TIME], slot[HELD]
    if held >= 0:
        known = slot[HIGHEST_TIME] != NONE or out.counters[OVERALL_TIME] != NONE
        if (
            known
            and frames.rows[row, F_SEQUENCE] == frames.rows[held, F_SEQUENCE]
            and time == frames.rows[held, F_TIME]
        ):
            _reject(out, row)  # a copy confirms nothing
            return
        slot[HELD] = -1
        if time >= frames.rows[held, F_TIME] - ahead_ns:
            _accept(frames, held, slot, pending, live, products, out, grace_ns)
        else:
            _reject(out, held)
    base = slot[HIGHEST_TIME]
    if base == NONE:
        base = out.counters[OVERALL_TIME]
    if base == NONE or time > base + ahead_ns:
        slot[HELD] = row
    else:
        _accept(frames, row, slot, pending, live, products, out, grace_ns)


@compiled
def _end_wrapped(frames, state, out, grace_ns):
    for number in range(len(state.slots)):
        slot = state.slots[number]
        if not slot[BARE]:
            _end(frames, slot, state.pending[number], state.live[number], state.products, out, CAPTURE_DOWN, grace_ns)


@compiled
def _control(frames, state, out, row, grace_ns):
    kind, number = frames.rows[row, F_KIND], frames.rows[row, F_SLOT]
    if kind in (STARTED, STOPPED):
        _end_wrapped(frames, state, out, grace_ns)
    if kind == STOPPED:
        for p in range(len(state.products)):
            if state.products[p, GAP_FROM] != NONE:
                state.products[p, GAP_REASON] = CAPTURE_DOWN
    if number < 0:
        return
    slot = state.slots[number]
    if kind == OPENED or (kind == CONTINUED and not slot[ALIVE]):
        if not slot[BARE]:
            _end_wrapped(frames, state, out, grace_ns)
        _reset(slot, EXPECT_FIRST if kind == OPENED and not slot[BARE] else UNKNOWN_START)
    elif kind == CLOSED:
        reason = frames.rows[row, F_REASON]
        _end(frames, slot, state.pending[number], state.live[number], state.products, out, reason, grace_ns)


@compiled
def _worst_case(rows, slots, row, products):
    """Maximum number of records from the next row: every waiting row once, each after a gap, for every product."""
    waiting, ticks = 2, rows[row, F_END] - rows[row, F_BEGIN]
    for number in range(len(slots)):
        if slots[number, ALIVE]:
            waiting += 2 + slots[number, PENDING]
    return 2 * (ticks + products * waiting)


@compiled
def scan(frames, state, out, start, waiting_ticks, ahead_ns, grace_ns):
    """Track rows from `start` on; return the first row not tracked because the output might overflow.

    `waiting_ticks` is the number of tickers of rows before `start`, all of which may still wait.
    """
    rows, slots, products = frames.rows, state.slots, state.products
    behind = waiting_ticks
    for row in range(start, len(rows)):
        kind, number = rows[row, F_KIND], rows[row, F_SLOT]
        room = len(out.records) - out.counters[N_RECORDS]
        if 2 * behind + _worst_case(rows, slots, row, len(products)) > room:
            return row
        if kind <= OTHER or (kind == REJECTED and number >= 0 and rows[row, F_TIME] > 0):
            slot, frame = slots[number], rows[row]
            ordinary = slot[ALIVE] and slot[HELD] < 0 and slot[PENDING] == 0 and slot[HIGHEST_TIME] != NONE
            if ordinary and frame[F_SEQUENCE] == slot[HIGH] + 1 and frame[F_TIME] <= slot[HIGHEST_TIME] + ahead_ns:
                _next(frame, row, slot, frames.product, state.live[number], products, out.records, out.counters)
                continue
            _frame(frames, row, slot, state.pending[number], state.live[number], products, out, ahead_ns, grace_ns)
            if slot[HELD] >= 0 or slot[PENDING] > 0:  # this row may wait, whatever it released
                behind += frame[F_END] - frame[F_BEGIN]
        elif kind < NOTE:
            _control(frames, state, out, row, grace_ns)
    return len(rows)
