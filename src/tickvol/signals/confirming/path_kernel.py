"""The compiled walk along a price path: which barrier is touched first, and at which price the trade leaves."""

import numpy as np

from tickvol.core.compiled import compiled

_NONE, _TP, _SL, _SL_GAP, _TIMEOUT, _DATA_GAP, _NO_ENTRY = range(7)


@compiled
def _in_stretch(time_ms, from_ms, to_ms):
    return np.any((from_ms <= time_ms) & (time_ms < to_ms))


@compiled
def _covering(times, first, last, begin_ms, end_ms, length_ms):
    """Index of the finer bar that opens at `begin_ms`, or -1 where [begin_ms, end_ms) is not covered without a hole."""
    i = first + np.searchsorted(times[first:last], begin_ms)
    n = (end_ms - begin_ms) // length_ms
    if i + n > last or times[i] != begin_ms or times[i + n - 1] != end_ms - length_ms:
        return -1
    return i


@compiled
def _first_touch(is_entry, side, target, stop, start, n, opens, highs, lows):
    """Which barrier the bars [start, start + n) touch first: (reason, index, ambiguous); no reason where none does."""
    for i in range(start, start + n):
        opened = side * opens[i]
        if i > start or not is_entry:
            if opened <= side * stop:
                return _SL, i, False
            if opened >= side * target:
                return _TP, i, False
        best, worst = (highs[i], lows[i]) if side > 0 else (lows[i], highs[i])
        hit_target = side * best >= side * target
        hit_stop = side * worst <= side * stop
        if hit_stop:
            return _SL, i, hit_target
        if hit_target:
            return _TP, i, False
    return _NONE, -1, False


@compiled
def _finest_touch(
    is_entry, side, target, stop, begin_ms, end_ms, fine_length, fine_start, times, opens, highs, lows
):  # fmt: skip
    """Let the finest bars that cover [begin_ms, end_ms) decide: (reason, first bar, deciding bar, ambiguous, length).

    No reason where none covers it, or where they touch no barrier although the longer bar did: the doubt stays.
    """
    for m in range(len(fine_length)):
        length = fine_length[m]
        begin = _covering(times, fine_start[m], fine_start[m + 1], begin_ms, end_ms, length)
        if begin >= 0:
            n = (end_ms - begin_ms) // length
            hit, at, both = _first_touch(is_entry, side, target, stop, begin, n, opens, highs, lows)
            return hit, begin, at, both, length
    return _NONE, -1, -1, False, 0


@compiled
def _extremes(side, entry, start, end, highs, lows, best, worst):
    for i in range(start, end):
        high, low = side * (highs[i] - entry) / entry, side * (lows[i] - entry) / entry
        best, worst = max(best, high, low), min(worst, high, low)
    return best, worst


@compiled
def _trade(
    end_ms, due, s, tp, sl, slippage, length_ms, times, opens, highs, lows, closes,
    fine_length, fine_start, fine_times, fine_opens, fine_highs, fine_lows,
):  # fmt: skip
    """Walk one trade: (reason, entry, exit, target, best, worst, bars, resolution, ambiguous, confirmed or missing)."""
    first = np.searchsorted(times, due)
    if first == len(times) or times[first] != due:
        return _NONE, np.nan, np.nan, np.nan, np.nan, np.nan, 0, length_ms, False, due + length_ms
    entry = opens[first] * (1.0 + s * slippage)
    target, stop = entry * (1.0 + s * tp), entry * (1.0 - s * sl)
    stopped = stop * (1.0 - s * slippage)
    best, worst, i = -np.inf, np.inf, first
    while i < len(times) and times[i] == due:
        closed, n = due + length_ms, i - first + 1
        hit, _, both = _first_touch(i == first, s, target, stop, i, 1, opens, highs, lows)
        if both:
            f_hit, begin, at, f_both, length = _finest_touch(
                i == first, s, target, stop, due, closed,
                fine_length, fine_start, fine_times, fine_opens, fine_highs, fine_lows,
            )  # fmt: skip
            if f_hit != _NONE:
                best, worst = _extremes(s, entry, begin, at + 1, fine_highs, fine_lows, best, worst)
                leave, decided = target if f_hit == _TP else stopped, fine_times[at] + length
                return f_hit, entry, leave, target, best, worst, n, length, f_both, decided
        best, worst = _extremes(s, entry, i, i + 1, highs, lows, best, worst)
        if hit == _SL and i > first and s * opens[i] < s * stop:
            leave = opens[i] * (1.0 - s * slippage)
            return _SL_GAP, entry, leave, target, best, worst, n, length_ms, False, closed
        if hit != _NONE:
            leave = target if hit == _TP else stopped
            return hit, entry, leave, target, best, worst, n, length_ms, both, closed
        if closed == end_ms:
            return _TIMEOUT, entry, closes[i], target, best, worst, n, length_ms, False, closed
        due, i = closed, i + 1
    return _NONE, entry, np.nan, target, np.nan, np.nan, i - first, length_ms, False, due + length_ms


@compiled
def walk(
    at_ms, side, tp, sl, lookahead, delay, slippage, length_ms, times, opens, highs, lows, closes,
    fine_length, fine_start, fine_times, fine_opens, fine_highs, fine_lows, gap_from, gap_to,
    reason, entry, leave, target_out, best_out, worst_out, held, resolution, ambiguous, confirmed,
):  # fmt: skip
    """Fill the outputs (k,), one decision at a time; those of a pending decision stay as they are.

    Finer bars of all lengths lie behind each other, the finest first: those of length `fine_length[m]` in
    [fine_start[m], fine_start[m + 1]). They decide only which barrier was first in a bar that touched both; the trade
    leaves at that barrier, as it does where only one was touched. `target_out` is the price of the target.
    """
    for k in range(len(at_ms)):
        hit, e, x, target, best, worst, n, length, both, decided = _trade(
            at_ms[k] + lookahead[k] * length_ms, at_ms[k] + delay * length_ms, float(side[k]), tp[k], sl[k],
            slippage, length_ms, times, opens, highs, lows, closes,
            fine_length, fine_start, fine_times, fine_opens, fine_highs, fine_lows,
        )  # fmt: skip
        if hit != _NONE:
            entry[k], leave[k], target_out[k] = e, x, target
            best_out[k], worst_out[k], held[k], ambiguous[k] = best, worst, n, both
        elif _in_stretch(decided, gap_from, gap_to):
            hit = _DATA_GAP if n > 0 else _NO_ENTRY
            held[k] = n
            if n > 0:
                entry[k] = e
        else:
            continue
        reason[k], resolution[k], confirmed[k] = hit, length, decided
