"""The compiled loop of the bootstrap: average precision of many resamples, without building any of them."""

import numpy as np

from tickvol.core.compiled import compiled


def _weighted_precision(positive, tie_end, bar, stratum_end, counts, areas):
    """Fill `areas` (samples,) from counts (samples, bars).

    `positive` (n,) float64 is 1 for a spike and 0 for none, or the chance of one. Rows come by stratum, and by falling
    score within one; `tie_end` marks the last of equal scores. The average precision of each stratum that holds both
    classes is weighted by its spikes; NaN where none does.
    """
    for sample in range(len(counts)):
        area, spikes, start = 0.0, 0.0, 0
        for end in stratum_end:
            taken, hits, counted, own = 0.0, 0.0, 0.0, 0.0
            for i in range(start, end):
                weight = counts[sample, bar[i]]
                taken += weight
                hits += weight * positive[i]
                if tie_end[i]:
                    if hits > counted:
                        own += (hits - counted) * hits / taken
                    counted = hits
            if 0.0 < hits < taken:
                area += own
                spikes += hits
            start = end
        areas[sample] = area / spikes if spikes > 0.0 else np.nan


weighted_precision = compiled(_weighted_precision)
