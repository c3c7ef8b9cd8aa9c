"""Compiled order statistics of a window kept sorted: replace a value, median, median distance."""

import numpy as np

from tickvol.core.compiled import compiled


@compiled
def _position(values, count, value):
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _end(values, count, value):
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if values[middle] <= value:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def replace_sorted(values, count, leaving, entering):
    """Keep `values[:count]` sorted while one value leaves and one enters, each NaN for none; returns the new count.

    Only values strictly between the two move: of equal values (calm markets repeat 0) the nearest leaves, and the
    other enters before or after all its equals. Unsigned indices avoid the test for negative ones, so that moves are
    vectorised.
    """
    if leaving == entering:
        return count
    hole, place = count, count
    if leaving == leaving:
        upward = entering > leaving or entering != entering
        hole = _end(values, count, leaving) - 1 if upward else _position(values, count, leaving)
    if entering == entering:
        place = _end(values, count, entering) if entering < leaving else _position(values, count, entering)
    elif hole == count:
        return count
    one = np.uint64(1)
    if hole < place:
        for i in range(np.uint64(hole), np.uint64(place - 1)):
            values[i] = values[i + one]
        place -= 1
    else:
        for i in range(np.uint64(0), np.uint64(hole - place)):
            at = np.uint64(hole) - i
            values[at] = values[at - one]
    if entering == entering:
        values[place] = entering
        count += 1
    return count - 1 if leaving == leaving else count


@compiled
def median(values, count):
    """Median of the first `count` values of a sorted array."""
    half = count >> 1
    return values[half] if count & 1 else 0.5 * (values[half - 1] + values[half])


@compiled
def _nearest(values, count, centre, k):
    """The k-th smallest distance from `centre` in a sorted array: the best of the runs of k values, by bisection."""
    low, high = 0, count - k
    while low < high:
        middle = (low + high) >> 1
        if centre - values[middle] > values[middle + k - 1] - centre:
            low = middle + 1
        else:
            high = middle
    best = max(centre - values[low], values[low + k - 1] - centre)
    if low > 0:
        best = min(best, max(centre - values[low - 1], values[low + k - 2] - centre))
    return best


@compiled
def median_distance(values, count, centre):
    """Median of the distances from `centre` of the first `count` values of a sorted array."""
    half = count >> 1
    if count & 1:
        return _nearest(values, count, centre, half + 1)
    return 0.5 * (_nearest(values, count, centre, half) + _nearest(values, count, centre, half + 1))
