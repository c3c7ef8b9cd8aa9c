"""Inference speed of a bundle against its bare estimator, timed alternately on the same rows in the same run."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import NotEnoughData
from tickvol.volatility.models.boosted import BoostedDetector
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.feature_table import FeatureTable

BATCHES = (1, 100, 10_000)
CALLS = 1000
MAX_RATIO = 1.5
"""Goal for batches of 100 rows and more: time of the bundle over the bare booster's."""
MAX_EXTRA_US = 100.0
"""Goal for one row: microseconds more than the bare booster."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Times of one batch size in microseconds per row; `bare` is the estimator on precomputed inputs."""

    batch: int
    calls: int
    p50_us: float
    p95_us: float
    p99_us: float
    bare_p50_us: float

    @property
    def rows_per_s(self) -> float:
        """Rows per second, from the median time."""
        return 1e6 / self.p50_us

    @property
    def ratio(self) -> float:
        """Median time of the bundle over the bare estimator's."""
        return self.p50_us / self.bare_p50_us

    @property
    def extra_us(self) -> float:
        """Microseconds per row more than the bare estimator, from the medians."""
        return self.p50_us - self.bare_p50_us

    @property
    def met(self) -> bool:
        """True if the goal of this batch size is met."""
        return self.extra_us <= MAX_EXTRA_US if self.batch == 1 else self.ratio <= MAX_RATIO


def measure_inference(bundle: Bundle, table: FeatureTable, batches: Sequence[int] = BATCHES) -> list[Speed]:
    """Time `Bundle.predict_matrix` (features in, calibrated probability out) for each batch size.

    Scorable rows of the table are repeated as often as needed. Each size gets `CALLS` calls, a tenth of them for
    batches of more than 1,000 rows, after a tenth as many warm-up calls.

    Raises
    ------
    NotEnoughData
        When no row of the table is scorable.
    """
    rows = np.flatnonzero(bundle.scorable(table))
    if len(rows) == 0:
        raise NotEnoughData(f"none of {len(table)} rows is scorable: nothing to measure; give other --features")
    return [_measure(bundle, table.take(np.sort(np.resize(rows, batch))), batch) for batch in batches]


def _measure(bundle: Bundle, table: FeatureTable, batch: int) -> Speed:
    references = bundle.references([table.products[place] for place in table.product])
    bare = _bare(bundle, table)
    count = CALLS // 10 if batch > 1000 else CALLS
    ours, theirs = np.empty(count), np.empty(count)
    for number in range(-(count // 10) - 1, count):
        start = time.perf_counter_ns()
        bundle.predict_matrix(table.values, references)
        middle = time.perf_counter_ns()
        bare()
        end = time.perf_counter_ns()
        if number >= 0:
            ours[number], theirs[number] = middle - start, end - middle
    p50, p95, p99 = (np.percentile(ours, [50, 95, 99]) / batch / 1e3).tolist()
    return Speed(batch, count, p50, p95, p99, float(np.median(theirs)) / batch / 1e3)


def _bare(bundle: Bundle, table: FeatureTable) -> Callable[[], Any]:
    """The estimator alone; a booster gets its fastest input, contiguous float32."""
    x = bundle.matrix(table)
    if isinstance(bundle.detector, BoostedDetector):
        booster = bundle.detector.booster
        ready: NDArray[np.float32] = np.ascontiguousarray(x, np.float32)
        return lambda: booster.inplace_predict(ready)
    return lambda: bundle.detector.margin(x)
