"""Block bootstrap of PR-AUC: intervals for rows that overlap, cluster and come in pieces.

Neighbouring rows share a look-back of features and a horizon of labels, so what is drawn is a block of that length,
of all products at once (they move together). A block starts at any bar of a contiguous run and wraps round inside it
(circular blocks, Politis and Romano 1992): none bridges a silence, and rows at the edges are drawn as often as
others. A run shorter than a block is drawn whole. A run is chosen in proportion to the blocks that it holds, at least
one, which gives every bar the same expected number of draws.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.models.evaluation.metrics import tie_ends

_CHUNK = 64
"""Resamples weighed at once; bounds the memory, changes no figure."""


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
        """The axis of feature rows of any products and order; a run ends where no product has the next bar.

        >>> axis = TimeAxis.of(np.array([1, 2, 5, 6, 7, 2], np.int64), bar_ns=1)
        >>> axis.run_start.tolist(), axis.run_bars.tolist()
        ([0, 2], [2, 3])
        """
        times = np.unique(bar_end_ns)
        start = np.flatnonzero(np.diff(times, prepend=times[:1] - 2 * bar_ns) != bar_ns)
        return cls(times, start, np.diff(np.append(start, len(times))))

    def blocks(self, block_bars: int) -> int:
        """Whole blocks that fit the runs, at least one a run."""
        return int(np.maximum(self.run_bars // block_bars, 1).sum())


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95% percentile interval, or the reason why there is none.

    Attributes
    ----------
    low, high : the 2.5% and 97.5% quantile over the resamples.
    samples : resamples that held both classes.
    reason : why `low` and `high` are None, else None.
    """

    low: float | None
    high: float | None
    samples: int
    reason: str | None = None


def draw_counts(axis: TimeAxis, block_bars: int, samples: int, random: np.random.Generator) -> NDArray[np.int32]:
    """How often each resample holds each bar, (samples, t) int32."""
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


def weighted_average_precision(
    positive: NDArray[np.bool_], scores: NDArray[np.float64], weights: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Average precision of many resamples at once.

    Parameters
    ----------
    positive, scores : (n,).
    weights : (samples, n), how often each resample holds each row.

    Returns
    -------
    (samples,) float64
        NaN for a resample without one of the classes.
    """
    order = np.argsort(-scores, kind="stable")
    ends = tie_ends(scores[order])
    drawn = weights[:, order]
    taken = np.cumsum(drawn, axis=1, dtype=np.float64)[:, ends]
    hits = np.cumsum(drawn * positive[order], axis=1, dtype=np.float64)[:, ends]
    total = hits[:, -1]
    precision = hits / np.maximum(taken, 1.0)
    area = np.sum(np.diff(hits, axis=1, prepend=0.0) * precision, axis=1)
    one_class = (total == 0) | (total == taken[:, -1])
    return np.where(one_class, np.nan, area / np.maximum(total, 1.0))


def resample_pr_auc(
    axis: TimeAxis,
    bar_end_ns: NDArray[np.int64],
    positive: NDArray[np.bool_],
    scores: NDArray[np.float64],
    *,
    block_bars: int,
    samples: int,
    seed: int,
) -> NDArray[np.float64]:
    """PR-AUC of each detector in each resample; all detectors see the same resamples, so differences are paired.

    Parameters
    ----------
    axis : bars of the judged span, judged or not.
    bar_end_ns, positive : (n,), the judged rows; each time must be on the axis.
    scores : (detectors, n) float64, finite.

    Returns
    -------
    (detectors, samples) float64
        NaN for a resample without one of the classes.
    """
    bar = np.searchsorted(axis.bar_end_ns, bar_end_ns)
    random = np.random.default_rng(seed)
    found = np.empty((len(scores), samples))
    for first in range(0, samples, _CHUNK):
        size = min(_CHUNK, samples - first)
        weights = draw_counts(axis, block_bars, size, random)[:, bar]
        for number, of_detector in enumerate(scores):
            found[number, first : first + size] = weighted_average_precision(positive, of_detector, weights)
    return found


def percentile_interval(values: NDArray[np.float64]) -> Interval:
    """The middle 95% of the resamples that hold both classes.

    >>> percentile_interval(np.array([np.nan, np.nan])).reason
    'no resample holds both classes'
    """
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return Interval(None, None, 0, "no resample holds both classes")
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(float(low), float(high), len(known))


def why_no_interval(blocks: int, events: int, *, min_blocks: int, min_events: int) -> str | None:
    """The reason not to give an interval, None where there is enough to draw from."""
    reasons = []
    if blocks < min_blocks:
        reasons.append(f"{blocks} blocks, at least {min_blocks} needed")
    if events < min_events:
        reasons.append(f"{events} events, at least {min_events} needed")
    return "; ".join(reasons) or None
