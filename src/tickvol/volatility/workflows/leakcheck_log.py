"""The checks of `tickvol leakcheck` on the log: read it, recompute its rows, change its future."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tickvol.capture.settings import IngestionConfig
from tickvol.core.errors import InputError
from tickvol.core.record_columns import RecordColumns
from tickvol.eventlog.archive_reader import MergedLog, archive_files, source_names
from tickvol.volatility.features.engine import FeatureEngine
from tickvol.volatility.featurizer.frame_featurizer import Featurizer
from tickvol.volatility.leakcheck.log_future import (
    FUTURE,
    SERVED,
    Compute,
    check_future_of_the_log,
    check_served_equals_trained,
)
from tickvol.volatility.leakcheck.result import CheckResult
from tickvol.volatility.leakcheck.rules import LeakRules
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFiles:
    """Recorded frames and their reading rules; no paths: no log."""

    paths: tuple[Path, ...]
    ingestion: IngestionConfig
    batch_size: int


def log_checks(log: LogFiles, dataset: FeatureTable, rules: LeakRules) -> Iterator[CheckResult]:
    """Check another future of the log, and the dataset against the log; not checked without files."""
    if not log.paths:
        for name in (FUTURE, SERVED):
            yield CheckResult(name=name, passed=None, reason="name the log of the dataset by --data-file")
        return
    records = read_records(log, dataset.spec, dataset.products)
    compute = engine_rows(dataset.spec, dataset.products)
    yield check_future_of_the_log(records, compute, dataset.spec, rules)
    yield check_served_equals_trained(dataset, compute(records))


def engine_rows(spec: FeatureSpec, products: Sequence[str]) -> Compute:
    """Function that computes rows with the engine, sorted as in a dataset; `products` ascend."""
    import numpy as np

    def compute(records: RecordColumns) -> FeatureTable:
        rows = FeatureEngine(spec, products).push(records)
        order = np.lexsort((rows.bar_end_ns, rows.product))
        return FeatureTable(spec, tuple(products), rows.product[order], rows.bar_end_ns[order], rows.values[order])

    return compute


def read_records(log: LogFiles, spec: FeatureSpec, products: Sequence[str]) -> RecordColumns:
    """The log of recorded frames, as replay passes it to the engine.

    Raises
    ------
    InputError
        When a file cannot be read, or none holds a record of these products.
    """
    files = archive_files(log.paths)
    featurizer = Featurizer(spec, log.ingestion, products, source_names(files))
    merged = MergedLog(files, featurizer.decoder, batch_size=log.batch_size)
    parts = [featurizer.tracker.push(batch.frames, bare=batch.bare).records for batch in merged]
    if not any(len(part) for part in parts):
        raise InputError(f"--data-file: {files[0]}: no record of {', '.join(products)}; name the log of the dataset")
    return RecordColumns.join(parts)
