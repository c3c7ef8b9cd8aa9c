"""The compiled bar builder: records in log order to closed bars, and each closed bar to a row. `engine.py` explains
the rules.

An open bar needs no list of its ticks: count, highest and lowest mid, first and last record time, and the quote of
the tick that is last by (event time, sequence number) do not depend on the order of arrival.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickvol.core.compiled import compiled
from tickvol.volatility.features.window_kernel import QUOTE_FIELDS, SUMMARY, push_bar, reset_product

NONE, LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max
TICK, HEARTBEAT, GAP = range(3)
GAP_LIMIT = 64
DONE, FULL_ROWS, FULL_SEEN = range(3)

# Columns of `Bars.product`, `Bars.slot` and `Bars.mids`, of the set of seen ticks, and of the counters.
OPEN_BAR, HIGHEST_TIME, GAP_COUNT, GAP_END, CARRIED_TIME, RECORD_TIME, CLOSE_AT = range(7)
NUMBER, SLOT_TICKS, FIRST_TIME, LAST_TIME, CLOSE_TIME, CLOSE_SEQUENCE = range(6)
SLOT_MID, SLOT_SPREAD, SLOT_IMBALANCE, SLOT_BID, SLOT_ASK, SLOT_BID_QUANTITY, SLOT_ASK_QUANTITY = range(7)
SLOT_HIGH, SLOT_LOW = range(7, 9)
SEEN_CONNECTION, SEEN_SEQUENCE, SEEN_PRODUCT, SEEN_TIME = range(4)
ROW_PRODUCT, ROW_END, ROW_CLOSED_BY = range(3)
N_ROWS, N_LATE, N_DUPLICATES, N_SEEN, CLOSING = range(5)


class Records(NamedTuple):
    """Input columns, see `RecordColumns`."""

    kind: NDArray[np.int16]
    product: NDArray[np.int32]
    connection: NDArray[np.int64]
    sequence: NDArray[np.int64]
    time: NDArray[np.int64]
    until: NDArray[np.int64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    bid_quantity: NDArray[np.float64]
    ask_quantity: NDArray[np.float64]


class BarSpec(NamedTuple):
    """Parameters of `FeatureSpec`, in ns and bars."""

    bar_ns: int
    grace_ns: int
    carry_ns: int
    silence_ns: int
    memory_ns: int
    memory_bars: int
    rows_at_once: int


class Bars(NamedTuple):
    """State of all products (first axis); `slot` and `mids` are rings over open bars, `gaps` lists touched bars."""

    product: NDArray[np.int64]
    slot: NDArray[np.int64]
    mids: NDArray[np.float64]
    gaps: NDArray[np.int64]
    carried: NDArray[np.float64]


class Rows(NamedTuple):
    """Output: (product, bar end, index of the record that closed the bar) and values of each row."""

    key: NDArray[np.int64]
    values: NDArray[np.float64]


@compiled
def _find(seen, connection, sequence, p):
    # Sequences of several connections must not share one run of slots, so bits are mixed (Fibonacci hashing).
    mask = len(seen) - 1
    mixed = (sequence ^ (connection << 20) ^ (np.int64(p) << 44)) * -7046029254386353131
    at = (mixed >> 32) & mask
    while seen[at, SEEN_PRODUCT] >= 0:
        if (
            seen[at, SEEN_SEQUENCE] == sequence
            and seen[at, SEEN_CONNECTION] == connection
            and seen[at, SEEN_PRODUCT] == p
        ):
            return at
        at = (at + 1) & mask
    return at


@compiled
def rehash(old, new, product, spec):
    """Copy the entries that can still be looked up into an empty set; returns their number."""
    kept = 0
    for i in range(len(old)):
        p = old[i, SEEN_PRODUCT]
        if p >= 0 and old[i, SEEN_TIME] >= product[p, HIGHEST_TIME] - spec.grace_ns - spec.memory_ns:
            new[_find(new, old[i, SEEN_CONNECTION], old[i, SEEN_SEQUENCE], p)] = old[i]
            kept += 1
    return kept


@compiled
def _note_gap(product, gaps, from_ns, to_ns, bar_ns):
    """Merge the bars that a gap touches into the ascending list of such stretches (first bar, last bar, end in ns)."""
    first, last, end = from_ns // bar_ns, to_ns // bar_ns, to_ns
    count = 0
    for i in range(product[GAP_COUNT]):
        if gaps[i, 0] <= last + 1 and gaps[i, 1] >= first - 1:
            first, last, end = min(first, gaps[i, 0]), max(last, gaps[i, 1]), max(end, gaps[i, 2])
        else:
            gaps[count] = gaps[i]
            count += 1
    if count == GAP_LIMIT:  # open bars are few, so this takes a flood of late gaps; more becomes unknown, never less
        count -= 1
        first, last, end = min(first, gaps[count, 0]), max(last, gaps[count, 1]), max(end, gaps[count, 2])
    i = count
    while i > 0 and gaps[i - 1, 0] > first:
        gaps[i] = gaps[i - 1]
        i -= 1
    gaps[i, 0], gaps[i, 1], gaps[i, 2] = first, last, end
    product[GAP_COUNT] = count + 1


@compiled
def _in_gap(product, gaps, bar):
    """True if a gap touches the bar; gaps that end before it are removed."""
    while product[GAP_COUNT] > 0 and gaps[0, 1] < bar:
        product[GAP_END] = max(product[GAP_END], gaps[0, 2])
        product[GAP_COUNT] -= 1
        for i in range(product[GAP_COUNT]):
            gaps[i] = gaps[i + 1]
    return product[GAP_COUNT] > 0 and gaps[0, 0] <= bar


@compiled
def emit(windows, window_spec, rows, count, p, bar, known, quote, high, low, ticks, total):
    """Push a closed bar to the windows and store the resulting row."""
    n = count[N_ROWS]
    row = rows.values[n]
    if push_bar(windows, window_spec, p, bar, known, quote[:QUOTE_FIELDS], high, low, ticks, total, row):
        rows.key[n, ROW_PRODUCT], rows.key[n, ROW_END] = p, (bar + 1) * window_spec.bar_ns
        rows.key[n, ROW_CLOSED_BY] = count[CLOSING]
        count[N_ROWS] = n + 1


@compiled
def _stands(product, gaps, spec, bar):
    """True if the last quote is still valid for a bar without ticks."""
    touched = _in_gap(product, gaps, bar)
    carried = product[CARRIED_TIME]
    age = (bar + 1) * spec.bar_ns - carried
    return not touched and carried != NONE and carried >= product[GAP_END] and age <= spec.carry_ns


@compiled
def _close_run(product, gaps, carried, spec, windows, window_spec, rows, count, p, until_bar, silent, total):
    """Close bars without any record before `until_bar`; once no row can depend on a known bar, skip the rest."""
    missing = 0
    while product[OPEN_BAR] < until_bar:
        bar = product[OPEN_BAR]
        if missing > spec.memory_bars:
            reset_product(windows, p)
            _in_gap(product, gaps, until_bar)
            product[OPEN_BAR] = until_bar
            break
        known = _stands(product, gaps, spec, bar) and not silent
        emit(windows, window_spec, rows, count, p, bar, known, carried, carried[0], carried[0], 0, total)
        missing = 0 if known else missing + 1
        product[OPEN_BAR] = bar + 1
    if silent:
        product[GAP_END] = max(product[GAP_END], until_bar * spec.bar_ns)


@compiled
def _close_recorded(product, gaps, carried, slot, mids, spec, windows, window_spec, rows, count, p, total):
    bar = slot[NUMBER]
    if slot[SLOT_TICKS] == 0:
        known = _stands(product, gaps, spec, bar)
        emit(windows, window_spec, rows, count, p, bar, known, carried, carried[0], carried[0], 0, total)
    else:
        known = not _in_gap(product, gaps, bar)
        emit(
            windows,
            window_spec,
            rows,
            count,
            p,
            bar,
            known,
            mids,
            mids[SLOT_HIGH],
            mids[SLOT_LOW],
            slot[SLOT_TICKS],
            total,
        )
        product[CARRIED_TIME] = slot[CLOSE_TIME]
        carried[:] = mids[:QUOTE_FIELDS]
    product[RECORD_TIME] = slot[LAST_TIME]
    product[OPEN_BAR] = bar + 1
    slot[NUMBER] = NONE


@compiled
def _close(bars, spec, windows, window_spec, rows, count, p, total):
    """Close the bars that the watermark has passed, up to the last one with a record; then set when to check again."""
    product, slots, mids, gaps, carried = bars.product[p], bars.slot[p], bars.mids[p], bars.gaps[p], bars.carried[p]
    end = (product[HIGHEST_TIME] - spec.grace_ns) // spec.bar_ns
    while True:
        following = LAST
        for at in range(len(slots)):
            if slots[at, NUMBER] != NONE and slots[at, NUMBER] < following:
                following = slots[at, NUMBER]
        if following >= end:
            product[CLOSE_AT] = NONE if following == LAST else (following + 1) * spec.bar_ns + spec.grace_ns
            return
        at = following & (len(slots) - 1)
        recorded = product[RECORD_TIME]
        silent = recorded != NONE and slots[at, FIRST_TIME] - recorded > spec.silence_ns
        _close_run(product, gaps, carried, spec, windows, window_spec, rows, count, p, following, silent, total)
        _close_recorded(product, gaps, carried, slots[at], mids[at], spec, windows, window_spec, rows, count, p, total)


@compiled
def _open(slot, mids, bar, time):
    if slot[NUMBER] != bar:
        slot[NUMBER], slot[SLOT_TICKS], slot[FIRST_TIME], slot[LAST_TIME] = bar, 0, time, time
        mids[SLOT_HIGH], mids[SLOT_LOW] = -np.inf, np.inf
    else:
        slot[FIRST_TIME] = min(slot[FIRST_TIME], time)
        slot[LAST_TIME] = max(slot[LAST_TIME], time)


@compiled
def _add_tick(slot, mids, time, sequence, bid, ask, bid_quantity, ask_quantity):
    mid = 0.5 * (bid + ask)
    newer = time > slot[CLOSE_TIME] or (time == slot[CLOSE_TIME] and sequence > slot[CLOSE_SEQUENCE])
    if slot[SLOT_TICKS] == 0 or newer:
        slot[CLOSE_TIME], slot[CLOSE_SEQUENCE] = time, sequence
        quantity = bid_quantity + ask_quantity
        mids[SLOT_MID], mids[SLOT_SPREAD] = mid, (ask - bid) / mid * 1e4
        mids[SLOT_IMBALANCE] = (bid_quantity - ask_quantity) / quantity if quantity > 0.0 else math.nan
        mids[SLOT_BID], mids[SLOT_ASK] = bid, ask
        mids[SLOT_BID_QUANTITY], mids[SLOT_ASK_QUANTITY] = bid_quantity, ask_quantity
    slot[SLOT_TICKS] += 1
    mids[SLOT_HIGH] = max(mids[SLOT_HIGH], mid)
    mids[SLOT_LOW] = min(mids[SLOT_LOW], mid)


@compiled
def scan(records, start, bars, spec, seen, windows, window_spec, rows, late, count):
    """Process records from `start` on; returns the stop index and the cause: DONE, or rows or seen ticks are full."""
    total = np.zeros(SUMMARY + 4 * len(window_spec.full_weight))
    ring_mask = bars.slot.shape[1] - 1
    for i in range(start, len(records.kind)):
        if count[N_ROWS] + spec.rows_at_once > len(rows.key):
            return i, FULL_ROWS
        if 2 * (count[N_SEEN] + 1) > len(seen):
            return i, FULL_SEEN
        p, time, kind = records.product[i], records.time[i], records.kind[i]
        product = bars.product[p]
        if kind == GAP:
            _note_gap(product, bars.gaps[p], time, records.until[i], spec.bar_ns)
            continue
        bar = time // spec.bar_ns
        if product[OPEN_BAR] == NONE:
            product[OPEN_BAR] = (time - spec.grace_ns) // spec.bar_ns
        highest = product[HIGHEST_TIME]
        if kind == TICK and (highest == NONE or time >= highest - spec.grace_ns - spec.memory_ns):
            connection, sequence = records.connection[i], records.sequence[i]
            entry = seen[_find(seen, connection, sequence, p)]
            found = entry[SEEN_PRODUCT] >= 0
            if found and entry[SEEN_TIME] >= highest - spec.grace_ns - spec.memory_ns:
                count[N_DUPLICATES] += 1
                continue
            entry[SEEN_CONNECTION], entry[SEEN_SEQUENCE], entry[SEEN_PRODUCT], entry[SEEN_TIME] = (
                connection,
                sequence,
                p,
                time,
            )
            count[N_SEEN] += 0 if found else 1  # found: expired, but not removed yet
        ends = (bar + 1) * spec.bar_ns
        if highest != NONE and ends <= highest - spec.grace_ns:
            if kind == TICK:
                late[count[N_LATE]] = i
                count[N_LATE] += 1
            continue
        if time > highest:  # bars that it closes must leave the ring before its own bar enters
            product[HIGHEST_TIME] = time
            if product[CLOSE_AT] != NONE and time >= product[CLOSE_AT]:
                count[CLOSING] = i
                _close(bars, spec, windows, window_spec, rows, count, p, total)
        slot, mids = bars.slot[p, bar & ring_mask], bars.mids[p, bar & ring_mask]
        if slot[NUMBER] != bar and (product[CLOSE_AT] == NONE or ends + spec.grace_ns < product[CLOSE_AT]):
            product[CLOSE_AT] = ends + spec.grace_ns
        _open(slot, mids, bar, time)
        if kind == TICK:
            _add_tick(
                slot,
                mids,
                time,
                records.sequence[i],
                records.bid[i],
                records.ask[i],
                records.bid_quantity[i],
                records.ask_quantity[i],
            )
    return len(records.kind), DONE
