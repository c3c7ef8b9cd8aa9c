"""The compiled window engine: one closed bar in, one feature row out. `docs/feature_spec.md` states every formula.

Sums over windows must not depend on where the log was entered, so there are no running sums. Bars are grouped in
blocks aligned to the epoch; each block, each tail of a block (from a bar to the block's end) and the head of the open
block has a *summary*. A window is a tail, whole blocks and the head, joined in that order: the bits depend on the
window's own bars only, and 900 bars cost 30 additions.

State is held in few arrays with named columns, because compiled calls pay for every array argument.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickvol.core.compiled import compiled
from tickvol.volatility.features.calendar_kernel import new_york_offset_ns, week_share
from tickvol.volatility.features.order_kernel import median, median_distance, replace_sorted

DAY_NS = 86_400_000_000_000
MAD_TO_SIGMA = 1.4826
SPREAD_FLOOR = 1e-9
PARKINSON = 4.0 * math.log(2.0)
WEIGHT_SLACK = 1e-12
RETURN_FLOOR = 1e-12

# A summary's columns, followed by four for each half-life: decayed squares and returns, ticks and known bars. For a
# single bar the first LANES and HIGH, LOW (negated) are filled, followed by MID to VOL and its closing quote.
SQUARES, RETURNS, BIPOWER, PAIRS, TICKS, KNOWN, SPREAD, IMBALANCE, IMBALANCES = range(9)
DOWNSIDE, HIGH_LOW, FLOW, FLOW_SIZE, FLOWS, TURNS, TURNS_KNOWN = range(9, 16)
LANES = 16
HIGH, LOW, TOP, BOTTOM, FALL, COUNT, MEAN, MOMENT = range(16, 24)
DECAYED, WEIGHT, DECAYED_TICKS, WEIGHT_KNOWN = range(4)
SUMMARY = 24
MID, RETURN, VOL, QUOTE = range(18, 22)
BAR = 29

# The closing quote of a bar.
Q_MID, Q_SPREAD, Q_IMBALANCE, Q_BID, Q_ASK, Q_BID_QUANTITY, Q_ASK_QUANTITY = range(7)
QUOTE_FIELDS = 7

PER_WINDOW = 13


class WindowSpec(NamedTuple):
    """Parameters of `FeatureSpec`, in bars; block and ring lengths are powers of two. `decay` is (half-lives, age)."""

    windows: NDArray[np.int64]
    decay: NDArray[np.float64]
    reference: int
    min_coverage: float
    bar_ns: int
    shift: int
    ring_mask: int
    full_weight: NDArray[np.float64]


class Windows(NamedTuple):
    """State of all products (first axis).

    `bars` and `tails` are rings over bar numbers, `blocks` a ring over block numbers, `head` sums up the open block;
    `ordered` holds the sorted returns and reference volatilities of the longest window, `counts` their numbers.
    """

    bars: NDArray[np.float64]
    tails: NDArray[np.float64]
    blocks: NDArray[np.float64]
    head: NDArray[np.float64]
    ordered: NDArray[np.float64]
    counts: NDArray[np.int64]


@compiled
def _clear(summary):
    for column in range(len(summary)):
        summary[column] = 0.0
    summary[HIGH], summary[LOW], summary[TOP], summary[BOTTOM] = -np.inf, -np.inf, 0.0, np.inf


@compiled
def reset_product(state, p):
    """Reset the state of a product."""
    state.counts[p] = 0
    state.bars[p] = 0.0
    state.bars[p, :, HIGH] = -np.inf
    state.bars[p, :, LOW] = -np.inf
    state.bars[p, :, MID:BAR] = np.nan
    for i in range(state.tails.shape[1]):
        _clear(state.tails[p, i])
    for i in range(state.blocks.shape[1]):
        _clear(state.blocks[p, i])
    _clear(state.head[p])


@compiled
def _join_fall(into, fall, top, bottom):
    """Combine the maximum drawdowns of two adjacent stretches into `into`."""
    into[FALL] = max(into[FALL], fall, 1.0 - bottom / into[TOP])
    into[TOP] = max(into[TOP], top)
    into[BOTTOM] = min(into[BOTTOM], bottom)


@compiled
def _join_sums(into, table, i):
    for lane in range(LANES):
        into[lane] += table[i, lane]
    into[HIGH] = max(into[HIGH], table[i, HIGH])
    into[LOW] = max(into[LOW], table[i, LOW])


@compiled
def _add_vol(moments, value):
    """Welford's update of count, mean and sum of squared deviations."""
    if value == value:
        moments[COUNT] += 1.0
        delta = value - moments[MEAN]
        moments[MEAN] += delta / moments[COUNT]
        moments[MOMENT] += delta * (value - moments[MEAN])


@compiled
def _add_bar(head, bars, at, decay):
    """Extend the head of the open block by a bar; its volatility follows later."""
    mid = bars[at, MID]
    _join_sums(head, bars, at)
    if mid == mid:
        head[FALL] = max(head[FALL], 1.0 - mid / head[TOP])
        head[TOP] = max(head[TOP], mid)
        head[BOTTOM] = min(head[BOTTOM], mid)
    for h in range(len(decay)):
        of, once = SUMMARY + 4 * h, decay[h, 1]
        head[of + DECAYED] = head[of + DECAYED] * once + bars[at, SQUARES]
        head[of + WEIGHT] = head[of + WEIGHT] * once + bars[at, RETURNS]
        head[of + DECAYED_TICKS] = head[of + DECAYED_TICKS] * once + bars[at, TICKS]
        head[of + WEIGHT_KNOWN] = head[of + WEIGHT_KNOWN] * once + bars[at, KNOWN]


@compiled
def _close_block(bars, tails, block, last, length, mask, decay):
    """Write the summaries of the block that ends with bar `last`: one per tail, and one of the whole block."""
    _clear(block)
    for back in range(length):
        at = (last - back) & mask
        mid = bars[at, MID]
        _join_sums(block, bars, at)
        if mid == mid:
            block[FALL] = max(block[FALL], 1.0 - block[BOTTOM] / mid)
            block[TOP] = max(block[TOP], mid)
            block[BOTTOM] = min(block[BOTTOM], mid)
        for h in range(len(decay)):
            of, then = SUMMARY + 4 * h, decay[h, back]
            block[of + DECAYED] += then * bars[at, SQUARES]
            block[of + WEIGHT] += then * bars[at, RETURNS]
            block[of + DECAYED_TICKS] += then * bars[at, TICKS]
            block[of + WEIGHT_KNOWN] += then * bars[at, KNOWN]
        _add_vol(block, bars[at, VOL])
        for column in range(len(block)):
            tails[at, column] = block[column]


@compiled
def _sum_window(bars, tails, blocks, head, last, length, shift, mask, total):
    """Sums and extremes of the `length` bars that end with bar `last`, into `total`."""
    start = last - length + 1
    first_block, last_block = start >> shift, last >> shift
    if first_block == last_block:
        _clear(total)
        for k in range(start, last + 1):
            _join_sums(total, bars, k & mask)
        return
    tail = start & mask
    for lane in range(LOW + 1):
        total[lane] = tails[tail, lane]
    block_mask = mask >> shift
    for number in range(first_block + 1, last_block):
        _join_sums(total, blocks, number & block_mask)
    for lane in range(LANES):
        total[lane] += head[lane]
    total[HIGH] = max(total[HIGH], head[HIGH])
    total[LOW] = max(total[LOW], head[LOW])


@compiled
def _sum_longest(tails, blocks, head, last, length, shift, mask, decay, total):
    """Drawdown, decayed sums and moments of the longest window (at least two blocks), in addition to its sums."""
    start = last - length + 1
    first_block, last_block = start >> shift, last >> shift
    block_mask = mask >> shift
    tail = start & mask
    for column in range(TOP, SUMMARY):
        total[column] = tails[tail, column]
    age = last - (((first_block + 1) << shift) - 1)
    for h in range(len(decay)):
        for column in range(SUMMARY + 4 * h, SUMMARY + 4 * h + 4):
            total[column] = decay[h, age] * tails[tail, column]
    weighted_mean = tails[tail, COUNT] * tails[tail, MEAN]
    for number in range(first_block + 1, last_block):
        i = number & block_mask
        age -= 1 << shift
        _join_fall(total, blocks[i, FALL], blocks[i, TOP], blocks[i, BOTTOM])
        for h in range(len(decay)):
            for column in range(SUMMARY + 4 * h, SUMMARY + 4 * h + 4):
                total[column] += decay[h, age] * blocks[i, column]
        total[COUNT] += blocks[i, COUNT]
        weighted_mean += blocks[i, COUNT] * blocks[i, MEAN]
    _join_fall(total, head[FALL], head[TOP], head[BOTTOM])
    for column in range(SUMMARY, len(total)):
        total[column] += head[column]
    total[COUNT] += head[COUNT]
    weighted_mean += head[COUNT] * head[MEAN]
    mean = weighted_mean / total[COUNT]
    moment = tails[tail, MOMENT] + tails[tail, COUNT] * (tails[tail, MEAN] - mean) ** 2
    for number in range(first_block + 1, last_block):
        i = number & block_mask
        moment += blocks[i, MOMENT] + blocks[i, COUNT] * (blocks[i, MEAN] - mean) ** 2
    total[MEAN] = mean
    total[MOMENT] = moment + (head[MOMENT] + head[COUNT] * (head[MEAN] - mean) ** 2)


@compiled
def _log_ratio(now, before):
    """log(now / before); rounding differences between equal mids give 0."""
    ratio = now / before
    return 0.0 if abs(ratio - 1.0) < RETURN_FLOOR else math.log(ratio)


@compiled
def _window_features(total, length, min_coverage, bar_s, now, before, row, column):
    """The features of a window, from `row[column]` on; returns its realized volatility."""
    coverage = total[KNOWN] / length
    covered = coverage >= min_coverage
    variance, bipower = np.nan, np.nan
    if total[RETURNS] / length >= min_coverage:
        variance = total[SQUARES] * (length / total[RETURNS])
    if total[PAIRS] / length >= min_coverage:
        bipower = 0.5 * math.pi * total[BIPOWER] * (length / total[PAIRS])
    realized = math.sqrt(variance)
    row[column] = _log_ratio(now, before) if covered else np.nan
    row[column + 1] = realized
    row[column + 2] = math.sqrt(bipower)
    row[column + 3] = max(0.0, 1.0 - bipower / variance) if variance > 0.0 and bipower >= 0.0 else np.nan
    row[column + 4] = math.log(total[HIGH] / -total[LOW]) if covered else np.nan
    row[column + 5] = total[TICKS] / (total[KNOWN] * bar_s) if covered else np.nan
    row[column + 6] = total[SPREAD] / total[KNOWN] if covered else np.nan
    row[column + 7] = total[IMBALANCE] / total[IMBALANCES] if total[IMBALANCES] / length >= min_coverage else np.nan
    downside = total[DOWNSIDE] * (length / total[RETURNS]) if variance == variance else np.nan
    row[column + 8] = math.sqrt(downside)
    row[column + 9] = math.sqrt(total[HIGH_LOW] * (length / total[KNOWN]) / PARKINSON) if covered else np.nan
    flows = total[FLOWS] / length >= min_coverage and total[FLOW_SIZE] > 0.0
    row[column + 10] = total[FLOW] / total[FLOW_SIZE] if flows else np.nan
    turns = total[TURNS_KNOWN]
    row[column + 11] = total[TURNS] / turns if turns / length >= min_coverage else np.nan
    row[column + 12] = coverage
    return realized


@compiled
def _order_flow(before, now):
    """Order flow between successive best quotes, base currency (Cont, Kukanov, Stoikov 2014); NaN if unknown."""
    bid, ask, bid_before, ask_before = now[Q_BID], now[Q_ASK], before[Q_BID], before[Q_ASK]
    flow = 0.0 * (bid + ask + bid_before + ask_before)
    if bid >= bid_before:
        flow += now[Q_BID_QUANTITY]
    if bid <= bid_before:
        flow -= before[Q_BID_QUANTITY]
    if ask <= ask_before:
        flow -= now[Q_ASK_QUANTITY]
    if ask >= ask_before:
        flow += before[Q_ASK_QUANTITY]
    return flow


@compiled
def _take_quote(bar, before, quote):
    """Write the features of the closing quote, alone and relative to the previous one."""
    bar[SPREAD] = quote[Q_SPREAD]
    bar[QUOTE : QUOTE + QUOTE_FIELDS] = quote
    imbalance, change = quote[Q_IMBALANCE], quote[Q_IMBALANCE] - before[QUOTE + Q_IMBALANCE]
    if imbalance == imbalance:
        bar[IMBALANCE], bar[IMBALANCES] = imbalance, 1.0
    if change == change:
        bar[TURNS], bar[TURNS_KNOWN] = abs(change), 1.0
    flow = _order_flow(before[QUOTE : QUOTE + QUOTE_FIELDS], quote)
    if flow == flow:
        bar[FLOW], bar[FLOW_SIZE], bar[FLOWS] = flow, abs(flow), 1.0


@compiled
def _take_bar(bar, before, known, quote, high, low, ticks):
    """Write the bar's own values into its slot of the ring; returns its log-return."""
    for column in range(LANES):
        bar[column] = 0.0
    bar[HIGH], bar[LOW] = -np.inf, -np.inf
    bar[MID:BAR] = np.nan
    if not known:
        return np.nan
    bar[KNOWN], bar[TICKS] = 1.0, ticks
    bar[HIGH], bar[LOW], bar[MID] = high, -low, quote[Q_MID]
    bar[HIGH_LOW] = _log_ratio(high, low) ** 2
    _take_quote(bar, before, quote)
    if before[MID] != before[MID]:
        return np.nan
    value = _log_ratio(bar[MID], before[MID])
    bar[RETURN], bar[SQUARES], bar[RETURNS] = value, value * value, 1.0
    if value < 0.0:
        bar[DOWNSIDE] = value * value
    if before[RETURN] == before[RETURN]:
        bar[BIPOWER], bar[PAIRS] = abs(value) * abs(before[RETURN]), 1.0
    return value


@compiled
def push_bar(state, spec, p, number, known, quote, high, low, ticks, total, row):
    """Push a closed bar and fill its row; False when no bar of the longest window is known (then there is no row).

    Bars of a product must be consecutive; `quote`, `high`, `low` and `ticks` count only if `known`.
    """
    bars, tails, blocks, head = state.bars[p], state.tails[p], state.blocks[p], state.head[p]
    windows, decay, mask, shift = spec.windows, spec.decay, spec.ring_mask, spec.shift
    longest = windows[-1]
    at, leaving = number & mask, (number - longest) & mask
    bar = bars[at]
    value = _take_bar(bar, bars[(number - 1) & mask], known, quote, high, low, ticks)
    if number & ((1 << shift) - 1) == 0:
        _clear(head)
    _add_bar(head, bars, at, decay)
    row[0], row[1] = bar[MID], value
    column = 2
    for w in range(len(windows)):
        length = windows[w]
        _sum_window(bars, tails, blocks, head, number, length, shift, mask, total)
        mid_before = bars[(number - length) & mask, MID]
        realized = _window_features(
            total, length, spec.min_coverage, spec.bar_ns * 1e-9, bar[MID], mid_before, row, column
        )
        if length == spec.reference:
            bar[VOL] = realized
        column += PER_WINDOW
    _add_vol(head, bar[VOL])
    counts = state.counts[p]
    counts[0] = replace_sorted(state.ordered[p, 0], counts[0], bars[leaving, RETURN], value)
    counts[1] = replace_sorted(state.ordered[p, 1], counts[1], bars[leaving, VOL], bar[VOL])
    any_known = total[KNOWN] > 0.0
    if any_known:
        _sum_longest(tails, blocks, head, number, longest, shift, mask, decay, total)
        _long_features(state.ordered[p], counts, spec, total, number, value, bar[VOL], row, column)
    if (number + 1) & ((1 << shift) - 1) == 0:
        block = blocks[(number >> shift) & (mask >> shift)]
        _close_block(bars, tails, block, number, 1 << shift, mask, decay)
    return any_known


@compiled
def _long_features(ordered, counts, spec, total, number, value, vol, row, column):
    """Statistics over the longest window, ratios and the calendar, from `row[column]` on."""
    windows, min_coverage = spec.windows, spec.min_coverage
    longest = windows[-1]
    returns, count = ordered[0], counts[0]
    returns_covered = count / longest >= min_coverage
    row[column], row[column + 1], row[column + 2] = np.nan, np.nan, np.nan
    if returns_covered:
        middle = median(returns, count)
        sigma = MAD_TO_SIGMA * median_distance(returns, count, middle)
        if sigma > 0.0:
            row[column] = (value - middle) / sigma
    if counts[1] / longest >= min_coverage:
        spread = math.sqrt(total[MOMENT] / (total[COUNT] - 1.0))
        if spread > SPREAD_FLOOR * total[MEAN]:
            row[column + 1] = (vol - total[MEAN]) / spread
        row[column + 2] = median(ordered[1], counts[1])
    column += 3
    for w in range(len(windows) - 1):
        short, long = row[3 + PER_WINDOW * w], row[3 + PER_WINDOW * (w + 1)]
        row[column] = short / long * math.sqrt(windows[w + 1] / windows[w]) if long > 0.0 else np.nan
        column += 1
    halves = len(spec.full_weight)
    for h in range(halves):
        of, full = SUMMARY + 4 * h, spec.full_weight[h] * (min_coverage - WEIGHT_SLACK)
        row[column + h], row[column + halves + h] = np.nan, np.nan
        if total[of + WEIGHT] >= full:
            row[column + h] = math.sqrt(total[of + DECAYED] / total[of + WEIGHT] * spec.reference)
        if total[of + WEIGHT_KNOWN] >= full:
            row[column + halves + h] = total[of + DECAYED_TICKS] / (total[of + WEIGHT_KNOWN] * spec.bar_ns * 1e-9)
    column += 2 * halves
    row[column], row[column + 1] = np.nan, np.nan
    if returns_covered:
        rank = 0.05 * (count - 1)
        below = int(rank)
        above = min(below + 1, count - 1)
        row[column] = 0.0 - (returns[below] + (rank - below) * (returns[above] - returns[below]))
    if total[KNOWN] / longest >= min_coverage:
        row[column + 1] = total[FALL]
    end_ns = (number + 1) * spec.bar_ns
    angle = 2.0 * math.pi * (end_ns % DAY_NS) / DAY_NS
    row[column + 2], row[column + 3] = math.sin(angle), math.cos(angle)
    row[column + 4], row[column + 5] = week_share(end_ns), week_share(end_ns + new_york_offset_ns(end_ns))
    for i in range(column + 6):
        if row[i] != row[i]:
            row[i] = np.nan
