"""Block bootstrap of PR-AUC: intervals for rows that overlap, cluster and come in separate recordings.

Neighbouring rows share a look-back of features and a horizon of labels, so the resampling unit is a block of that
length, of all products at once (they move together). A block starts at any bar of a contiguous run and wraps round
inside it (circular blocks, Politis and Romano 1992): none bridges a break, and rows at the edges are drawn as often as
others. A run shorter than a block is drawn whole. A run is drawn with probability proportional to its number of blocks,
at least one, which gives every bar the same expected number of draws.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.evaluation.bootstrap_kernel import weighted_precision

_CHUNK = 64
"""Resamples processed at once; bounds the memory, does not change any result."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The bars that blocks are cut from.

    Attributes
    ----------
    bar_end_ns : (t,) int64, ascending, each bar once, whatever the number of products.
    run_start : (r,) intp, index of the first bar of each contiguous run.
    run_bars : (r,) intp, bars of each run.
    """

    bar_end_ns: NDArray[np.int64]
    run_start: NDArray[np.intp]
    run_bars: NDArray[np.intp]

    @classmethod
    def of(cls, bar_end_ns: NDArray[np.int64], bar_ns: int) -> "TimeAxis":
        """Axis of feature rows of any products and order; a run ends where no product has the next bar.

        >>> axis = TimeAxis.of(np.array([1, 2, 5, 6, 7, 2], np.int64), bar_ns=1)
        >>> axis.run_start.tolist(), axis.run_bars.tolist()
        ([0, 2], [2, 3])
        """
        times = np.unique(bar_end_ns)
        start = np.flatnonzero(np.diff(times, prepend=times[:1] - 2 * bar_ns) != bar_ns)
        return cls(times, start, np.diff(np.append(start, len(times))))

    def blocks(self, block_bars: int) -> int:
        """Number of whole blocks that fit into the runs, at least one per run."""
        return int(np.maximum(self.run_bars // block_bars, 1).sum())


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95% percentile interval, or the reason why there is none.

    Attributes
    ----------
    low, high : the 2.5% and 97.5% quantile over the resamples.
    samples : number of resamples that held both classes.
    reason : why `low` and `high` are None, else None.
    """

    low: float | None
    high: float | None
    samples: int
    reason: str | None = None


def draw_counts(axis: TimeAxis, block_bars: int, samples: int, random: np.random.Generator) -> NDArray[np.int32]:
    """Number of times each resample holds each bar, (samples, t) int32."""
    share = np.maximum(axis.run_bars / block_bars, 1.0)
    draws = max(1, round(float(share.sum())))
    counts = np.zeros((samples, len(axis.bar_end_ns) + 1), np.int32)
    run = random.choice(len(share), size=(samples, draws), p=share / share.sum())
    bars, start = axis.run_bars[run], axis.run_start[run]
    offset = (random.random((samples, draws)) * bars).astype(np.intp)
    end = offset + np.minimum(block_bars, bars)
    wrapped = np.maximum(end - bars, 0)
    sample = np.broadcast_to(np.arange(samples)[:, None], run.shape)
    np.add.at(counts, (sample, start + offset), 1)
    np.add.at(counts, (sample, start + np.minimum(end, bars)), -1)
    np.add.at(counts, (sample, start), (wrapped > 0).astype(np.int32))
    np.add.at(counts, (sample, start + wrapped), -(wrapped > 0).astype(np.int32))
    return np.cumsum(counts, axis=1, dtype=np.int32)[:, :-1]


def resample_counts(
    axis: TimeAxis, *, block_bars: int, samples: int, seed: int
) -> Iterator[tuple[slice, NDArray[np.int32]]]:
    """All resamples in chunks: slice of the resamples, and their counts of each bar (`draw_counts`)."""
    random = np.random.default_rng(seed)
    for first in range(0, samples, _CHUNK):
        size = min(_CHUNK, samples - first)
        yield slice(first, first + size), draw_counts(axis, block_bars, size, random)


def weighted_average_precision(
    positive: NDArray[np.bool_] | NDArray[np.float64], scores: NDArray[np.float64], weights: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Average precision of many resamples at once.

    Parameters
    ----------
    positive, scores : (n,); a float64 `positive` is the probability of a spike, and the result the expected value.
    weights : (samples, n), number of times each resample holds each row.

    Returns
    -------
    (samples,) float64
        NaN for a resample that lacks one of the classes.
    """
    order = np.argsort(-scores, kind="stable")
    tie_end = np.append(np.diff(scores[order]) != 0, True)
    areas = np.empty(len(weights))
    weighted_precision(positive[order].astype(np.float64), tie_end, order, np.array([len(order)]), weights, areas)
    return areas


def resample_pr_auc(
    axis: TimeAxis,
    bar_end_ns: NDArray[np.int64],
    positive: NDArray[np.bool_],
    scores: NDArray[np.float64],
    *,
    block_bars: int,
    samples: int,
    seed: int,
    strata: NDArray[np.int8] | None = None,
) -> NDArray[np.float64]:
    """PR-AUC of each detector in each resample; all detectors share the resamples, so differences are paired.

    Parameters
    ----------
    axis : all bars of the evaluated span, with or without evaluated rows.
    bar_end_ns, positive : (n,), the evaluated rows; each time must be on the axis.
    scores : (detectors, n) float64, finite.
    strata : (n,) groups whose scores are not compared with each other; None for one group (`average_precision`).

    Returns
    -------
    (detectors, samples) float64
        NaN for a resample that lacks one of the classes.
    """
    bar = np.searchsorted(axis.bar_end_ns, bar_end_ns)
    part = np.zeros(len(positive), np.int8) if strata is None else strata
    stratum_end = np.cumsum(np.unique(part, return_counts=True)[1])
    ordered = []
    for of_detector in scores:
        order = np.lexsort((-of_detector, part))
        sorted_scores = of_detector[order]
        tie_end = np.append(np.diff(sorted_scores) != 0, True)
        tie_end[stratum_end - 1] = True
        ordered.append((positive[order].astype(np.float64), tie_end, bar[order]))
    found = np.empty((len(scores), samples))
    for places, counts in resample_counts(axis, block_bars=block_bars, samples=samples, seed=seed):
        for number, (hit, tie_end, at) in enumerate(ordered):
            weighted_precision(hit, tie_end, at, stratum_end, counts, found[number, places])
    return found


def resample_sums(
    axis: TimeAxis,
    bar_end_ns: NDArray[np.int64],
    blocks: Iterable[NDArray[np.float64]],
    *,
    block_bars: int,
    samples: int,
    seed: int,
) -> list[NDArray[np.float64]]:
    """Sums of columns over the rows of each resample; same resamples as `resample_pr_auc`, drawn once for all blocks.

    Parameters
    ----------
    blocks : each (n, m) float64, columns of the rows; consumed one after another.

    Returns
    -------
    list of (samples, m) float64, one for each block.
    """
    bar = np.searchsorted(axis.bar_end_ns, bar_end_ns)
    by_bar = []
    for columns in blocks:
        by_bar.append(np.zeros((len(axis.bar_end_ns), columns.shape[1])))
        np.add.at(by_bar[-1], bar, columns)
    found = [np.empty((samples, columns.shape[1])) for columns in by_bar]
    for places, counts in resample_counts(axis, block_bars=block_bars, samples=samples, seed=seed):
        for sums, columns in zip(found, by_bar, strict=True):
            sums[places] = counts @ columns
    return found


def percentile_interval(values: NDArray[np.float64]) -> Interval:
    """Middle 95% of the resamples that hold both classes.

    >>> percentile_interval(np.array([np.nan, np.nan])).reason
    'no resample holds both classes'
    """
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return Interval(None, None, 0, "no resample holds both classes")
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(float(low), float(high), len(known))


def why_no_interval(blocks: int, events: int, *, min_blocks: int, min_events: int) -> str | None:
    """Reason not to give an interval; None where there are enough blocks and events."""
    reasons = []
    if blocks < min_blocks:
        reasons.append(f"{blocks} blocks, at least {min_blocks} needed")
    if events < min_events:
        reasons.append(f"{events} events, at least {min_events} needed")
    return "; ".join(reasons) or None
