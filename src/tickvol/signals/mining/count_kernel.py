"""Compiled counting of item sets on bit-packed columns, and the hypergeometric tail."""

import math

import numpy as np

from tickvol.core.compiled import compiled

_M1, _M2, _M4 = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
_H01 = np.uint64(0x0101010101010101)
_S1, _S2, _S4, _S56 = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)


@compiled
def _ones(word):
    word = word - ((word >> _S1) & _M1)
    word = (word & _M2) + ((word >> _S2) & _M2)
    word = (word + (word >> _S4)) & _M4
    return (word * _H01) >> _S56


@compiled
def _both(left, right, out):
    """Write the trades that have both and return their number."""
    n = np.uint64(0)
    for w in range(len(left)):
        word = left[w] & right[w]
        out[w] = word
        n += _ones(word)
    return np.int64(n)


@compiled
def common(left, right):
    """Number of bits set in both columns (words,) uint64."""
    n = np.uint64(0)
    for w in range(len(left)):
        n += _ones(left[w] & right[w])
    return np.int64(n)


@compiled
def frequent_sets(columns, everything, apart, floor, max_items, sets):
    """Fill `sets` (m, 3) int16 with all sets of 1 to `max_items` columns that at least `floor` trades have.

    Unused places are -1; `apart` (items, items) marks pairs that never go together. Returns the number of sets; a set
    comes after all of its subsets of the same first item.
    """
    items, words = columns.shape
    one, two = np.empty(words, dtype=np.uint64), np.empty(words, dtype=np.uint64)
    n = 0
    for i in range(items):
        if _both(everything, columns[i], one) < floor:
            continue
        sets[n, 0], sets[n, 1], sets[n, 2] = i, -1, -1
        n += 1
        if max_items < 2:
            continue
        for j in range(i + 1, items):
            if apart[i, j] or _both(one, columns[j], two) < floor:
                continue
            sets[n, 0], sets[n, 1], sets[n, 2] = i, j, -1
            n += 1
            if max_items < 3:
                continue
            for k in range(j + 1, items):
                if not (apart[i, k] or apart[j, k]) and common(two, columns[k]) >= floor:
                    sets[n, 0], sets[n, 1], sets[n, 2] = i, j, k
                    n += 1
    return n


@compiled
def _members(columns, items, out):
    out[:] = columns[items[0]]
    for place in range(1, 3):
        if items[place] >= 0:
            _both(out, columns[items[place]], out)


@compiled
def count_sets(columns, everything, wins, sets, n_set, n_win):
    """Fill the number of trades (m,) that have each set, and of those the number that won."""
    members = np.empty(columns.shape[1], dtype=np.uint64)
    for m in range(len(sets)):
        _members(columns, sets[m], members)
        n_set[m], n_win[m] = common(members, everything), common(members, wins)


@compiled
def shifts_that_reach(columns, shifted_wins, sets, least, most, reached):
    """Mark each shift (shifts,) under which some set has at least `least` or at most `most` wins, both (m,)."""
    members = np.empty(columns.shape[1], dtype=np.uint64)
    for m in range(len(sets)):
        _members(columns, sets[m], members)
        for s in range(len(reached)):
            if not reached[s]:
                n = common(members, shifted_wins[s])
                reached[s] = n >= least[m] or n <= most[m]


@compiled
def _log_choose(n, k):
    return math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)


@compiled
def upper_tail(k, population, successes, draws):
    """Probability of at least `k` successes among `draws` without replacement, summed from the smaller side."""
    low, high = max(0, draws + successes - population), min(draws, successes)
    if k <= low:
        return 1.0
    if k > high:
        return 0.0
    upward = k * (population + 2) > (draws + 1) * (successes + 1)
    x = k if upward else k - 1
    term = math.exp(
        _log_choose(successes, x) + _log_choose(population - successes, draws - x) - _log_choose(population, draws)
    )
    total = 0.0
    while term > total * 1e-18:
        total += term
        if upward:
            term *= (successes - x) * (draws - x) / ((x + 1.0) * (population - successes - draws + x + 1.0))
            x += 1
        else:
            term *= x * (population - successes - draws + x) / ((successes - x + 1.0) * (draws - x + 1.0))
            x -= 1
    return min(1.0, total) if upward else max(0.0, 1.0 - total)


@compiled
def upper_tails(k, population, successes, draws, out):
    """Fill the tail (m,) of each count among its draws."""
    for m in range(len(k)):
        out[m] = upper_tail(k[m], population, successes, draws[m])


@compiled
def smallest_counts(p, population, successes, draws, out):
    """Fill the least count (m,) whose tail is at most `p`; one more than possible where there is none."""
    for m in range(len(draws)):
        low, high = max(0, draws[m] + successes - population), min(draws[m], successes) + 1
        while low < high:
            middle = (low + high) // 2
            if upper_tail(middle, population, successes, draws[m]) <= p:
                high = middle
            else:
                low = middle + 1
        out[m] = low
