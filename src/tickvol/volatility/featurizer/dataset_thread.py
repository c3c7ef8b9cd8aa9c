"""The dataset of a featurizer on Kafka, written by a separate thread some time after the rows are in the topic."""

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import CorruptFile, DiskFull, InputError, SchemaMismatch
from tickvol.volatility.dataset import DatasetWriter
from tickvol.volatility.features.engine import FeatureRows
from tickvol.volatility.featurizer.counts import FeaturizerCounts
from tickvol.volatility.schema.feature_spec import FeatureSpec

logger = logging.getLogger(__name__)

MAX_PENDING_ROWS = 50_000
"""While catching up with a long log, writes are as frequent as this memory bound requires."""

Rows = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]


class DatasetThread:
    """Takes committed rows and writes them to disk every `flush_interval_s`.

    A write that fails for lack of free space is retried: rows wait in memory, and rows not on disk at the end are
    recomputed at the next start.
    """

    def __init__(
        self,
        root: Path,
        spec: FeatureSpec,
        products: Sequence[str],
        *,
        flush_interval_s: float,
        counts: FeaturizerCounts,
    ) -> None:
        self.root = root
        self.simulated = False
        self._spec = spec
        self._products = tuple(products)
        self._flush_interval_s = flush_interval_s
        self._counts = counts
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="dataset")
        self._writer = DatasetWriter(root, spec, products)
        self._pending: list[Rows] = []
        self._pending_rows = 0
        self._flushed = time.monotonic()
        self._writing: Future[bool] | None = None
        self._failing = False

    def take_over(self, products: Sequence[str]) -> None:
        """Become the only writer of these products, and of no others."""
        self.settle()
        self._writer.take_over(products)

    def release(self) -> None:
        """Let others write."""
        self._writer.release()

    def add(self, rows: FeatureRows, chosen: NDArray[np.bool_] | None = None) -> None:
        """Add rows, all or some of them."""
        part = (rows.product, rows.bar_end_ns, rows.values)
        if chosen is not None and not chosen.all():
            part = (rows.product[chosen], rows.bar_end_ns[chosen], rows.values[chosen])
        if len(part[0]):
            self._pending.append(part)
            self._pending_rows += len(part[0])

    def flush_when_due(self) -> None:
        """Start a write when due."""
        busy = self._writing is not None and not self._writing.done()
        waited_s = time.monotonic() - self._flushed
        full = self._pending_rows >= MAX_PENDING_ROWS and not self._failing
        if (full and not busy) or (waited_s >= self._flush_interval_s and not busy):
            self._flush()
        elif full:
            self.settle()

    def wait(self) -> None:
        """Wait for the current write, whatever its outcome."""
        writing = self._writing
        if writing is not None:
            wait_for([writing])

    def settle(self) -> None:
        """Wait for the current write.

        Raises
        ------
        WorkError
            When the dataset on disk is not as expected.
        """
        if self._writing is not None:
            failed, self._writing = not self._writing.result(), None
            self._failing = failed

    def forget(self) -> None:
        """Drop rows that are not on disk: they will be recomputed."""
        self.settle()
        self._writer.release()
        self._writer = DatasetWriter(self.root, self._spec, self._products)
        self._pending, self._pending_rows = [], 0

    def close(self) -> None:
        """Write the remaining rows.

        Raises
        ------
        WorkError
            When that fails.
        """
        self._flush()
        self.settle()
        self._pool.shutdown()
        self.release()
        if self._failing:
            raise DiskFull(f"{self.root}: the last rows could not be written; the next start computes them again")

    def _flush(self) -> None:
        self.settle()
        self._flushed = time.monotonic()
        parts, self._pending, self._pending_rows = self._pending, [], 0
        if parts or self._failing:
            self._writing = self._pool.submit(self._write, self._writer, parts, self.simulated)
        else:
            self._counts.dataset_current_at = self._flushed

    def _write(self, writer: DatasetWriter, parts: list[Rows], simulated: bool) -> bool:
        for product, bar_end_ns, values in parts:
            writer.append(product, bar_end_ns, values)
        try:
            writer.flush(simulated=simulated)
        except (CorruptFile, SchemaMismatch):
            raise
        except (DiskFull, InputError, OSError) as error:
            self._counts.dataset_failures += 1
            if not self._failing:
                logger.warning("%s; rows wait in memory, and it is tried again", error)
            return False
        self._counts.dataset_current_at = time.monotonic()
        if self._failing:
            logger.warning("%s: written again", self.root)
        return True
