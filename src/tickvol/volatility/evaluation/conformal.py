"""Conformal thresholds: at level alpha, at most a share alpha of the spikes is missed.

A threshold at the alpha-quantile of the scores of past spikes misses a new spike with probability at most alpha as long
as new spikes have the distribution of past ones (Vovk, Gammerman and Shafer, 2005, class-conditional). Markets drift,
so the adaptive form moves the level with every label that has matured (Gibbs and Candes, 2021): a missed spike makes
it more cautious, a caught one a little less. Whatever the drift, the share missed over T spikes then stays within
(1 + step) / (step T) of alpha.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.core.times import DAY_S, NS_PER_S


def miss_threshold(spike_scores: NDArray[np.float64], alpha: float) -> float:
    """The highest threshold (score at or above it is an alarm) that misses a new spike with probability at most alpha.

    The k-th lowest score of the past spikes, k = floor(alpha (n + 1)); minus infinity, which misses nothing, where k
    is 0, and plus infinity for alpha of 1 and more.

    >>> miss_threshold(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]), 0.2)
    0.2
    """
    rank = math.floor(alpha * (len(spike_scores) + 1))
    if rank < 1:
        return -math.inf
    if rank > len(spike_scores):
        return math.inf
    return float(np.partition(spike_scores, rank - 1)[rank - 1])


def adaptive_thresholds(
    past_scores: NDArray[np.float64],
    scores: NDArray[np.float64],
    positive: NDArray[np.bool_],
    bar_end_ns: NDArray[np.int64],
    *,
    alpha: float,
    step: float,
    horizon_ns: int,
) -> NDArray[np.float64]:
    """(n,) thresholds in force at rows in time order, each from labels that had matured by then.

    Parameters
    ----------
    past_scores : scores of past spikes. scores, positive, bar_end_ns : (n,), ascending in time.
    step : change of the level per spike.
    horizon_ns : a label is known this long after its row.
    """
    ordered = np.sort(past_scores)
    level, threshold, matured = alpha, miss_threshold(ordered, alpha), 0
    spikes = np.flatnonzero(positive)
    known_ns = bar_end_ns[spikes] + horizon_ns
    found = np.empty(len(scores))
    due = np.searchsorted(known_ns, bar_end_ns, side="right")
    for row in range(len(scores)):
        if due[row] > matured:
            for spike in spikes[matured : due[row]]:
                missed = scores[spike] < found[spike]
                level += step * (alpha - float(missed))
            matured = int(due[row])
            threshold = miss_threshold(ordered, level)
        found[row] = threshold
    return found


def coverage_figures(
    past_scores: NDArray[np.float64],
    scores: NDArray[np.float64],
    positive: NDArray[np.bool_],
    bar_end_ns: NDArray[np.int64],
    *,
    alpha: float,
    step: float,
    horizon_ns: int,
) -> dict[str, Any]:
    """Share of spikes missed and of rows alarmed, with a fixed and an adaptive threshold, overall and by UTC day."""
    order = np.argsort(bar_end_ns, kind="stable")
    scores, positive, times = scores[order], positive[order], bar_end_ns[order]
    fixed = np.full(len(scores), miss_threshold(past_scores, alpha))
    adaptive = adaptive_thresholds(past_scores, scores, positive, times, alpha=alpha, step=step, horizon_ns=horizon_ns)
    day = times // (DAY_S * NS_PER_S)
    return {
        "alpha": alpha,
        "step": step,
        "past_spikes": len(past_scores),
        **{
            name: {
                "missed": _missed(scores, positive, threshold),
                "alarmed": float(np.mean(scores >= threshold)),
                "missed_by_day": {
                    str(np.datetime64(int(number), "D")): _missed(
                        scores[day == number], positive[day == number], threshold[day == number]
                    )
                    for number in np.unique(day[positive])
                },
            }
            for name, threshold in (("fixed", fixed), ("adaptive", adaptive))
        },
    }


def _missed(scores: NDArray[np.float64], positive: NDArray[np.bool_], threshold: NDArray[np.float64]) -> float | None:
    return float(np.mean(scores[positive] < threshold[positive])) if positive.any() else None
