"""Parity of a recorded log's recomputed rows with a dataset's: any difference in a bit is an error."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import SchemaMismatch
from tickvol.core.times import NS_PER_S
from tickvol.eventlog.archive_reader import MergedLog, archive_files, source_names
from tickvol.volatility.features.engine import FeatureRows
from tickvol.volatility.featurizer.frame_featurizer import Featurizer
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.workflows.leakcheck_log import LogFiles


def log_parity(spec: FeatureSpec, products: Sequence[str], table: FeatureTable, log: LogFiles) -> tuple[int, int]:
    """Number of the log's rows within the dataset's time, and of those that differ from the dataset's.

    After the point where both have begun, one look-back of each product is left out: the one that starts mid-way lacks
    the earlier history.

    Raises
    ------
    InputError
        When a file cannot be read.
    SchemaMismatch
        When the configuration defines other features than the dataset's.
    """
    if spec != table.spec:
        raise SchemaMismatch(
            "--log: the configuration makes other features than the dataset holds; replay the log again"
        )
    files = archive_files(list(log.paths))
    featurizer = Featurizer(spec, log.ingestion, products, source_names(files))
    compared = differing = 0
    known_from: dict[int, int] = {}
    for batch in MergedLog(files, featurizer.decoder, batch_size=log.batch_size):
        featurizer.take(batch.frames, bare=batch.bare)
        for rows in featurizer.drain().rows:
            of_batch = _compare(rows, products, table, known_from)
            compared += of_batch[0]
            differing += of_batch[1]
    return compared, differing


def _compare(
    rows: FeatureRows, products: Sequence[str], table: FeatureTable, known_from: dict[int, int]
) -> tuple[int, int]:
    compared = differing = 0
    for number in np.unique(rows.product).tolist():
        own = rows.product == number
        times, values = rows.bar_end_ns[own], rows.values[own]
        if products[number] not in table.products:
            continue
        place = table.products.index(products[number])
        first, end = np.searchsorted(table.product, [place, place + 1])
        theirs = table.bar_end_ns[first:end]
        if len(theirs) == 0:
            continue
        begun = max(int(times[0]), int(theirs[0]))
        start = known_from.setdefault(number, begun + table.spec.lookback_s * NS_PER_S)
        inside = (times >= start) & (times <= theirs[-1])
        at = np.searchsorted(theirs, times[inside])
        same = (theirs[at] == times[inside]) & _equal(table.values[first:end][at], values[inside])
        compared += int(inside.sum())
        differing += int((~same).sum())
    return compared, differing


def _equal(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(((one == other) | (np.isnan(one) & np.isnan(other))).all(axis=1), np.bool_)
