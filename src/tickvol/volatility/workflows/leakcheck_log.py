"""The checks of `tickvol leakcheck` that need the log: read it, compute its rows, change its future."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tickvol.config import Config
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


def log_checks(
    config: Config, dataset: FeatureTable, paths: Sequence[Path] | None, rules: LeakRules, *, trust_bare: bool
) -> Iterator[CheckResult]:
    """Another future of the log, and the dataset against the log; not checked without files."""
    if not paths:
        for name in (FUTURE, SERVED):
            yield CheckResult(name=name, passed=None, reason="name the log of the dataset by --data-file")
        return
    records = read_records(config, dataset.products, paths, trust_bare=trust_bare)
    compute = engine_rows(dataset.spec, dataset.products)
    yield check_future_of_the_log(records, compute, dataset.spec, rules)
    yield check_served_equals_trained(dataset, compute(records))


def engine_rows(spec: FeatureSpec, products: Sequence[str]) -> Compute:
    """Rows of the one engine, sorted as a dataset is; `products` ascend."""
    import numpy as np

    def compute(records: RecordColumns) -> FeatureTable:
        rows = FeatureEngine(spec, products).push(records)
        order = np.lexsort((rows.bar_end_ns, rows.product))
        return FeatureTable(spec, tuple(products), rows.product[order], rows.bar_end_ns[order], rows.values[order])

    return compute


def read_records(config: Config, products: Sequence[str], paths: Sequence[Path], *, trust_bare: bool) -> RecordColumns:
    """The log of recorded frames, as replay gives it to the engine.

    Raises
    ------
    InputError
        When a file cannot be read, or none holds a record of these products.
    """
    files = archive_files(paths)
    featurizer = Featurizer(config, products, source_names(files), trust_bare=trust_bare)
    log = MergedLog(files, featurizer.decoder, batch_size=config.features.batch_size)
    parts = [featurizer.tracker.push(batch.frames, bare=batch.bare).records for batch in log]
    if not any(len(part) for part in parts):
        raise InputError(f"--data-file: {files[0]}: no record of {', '.join(products)}; name the log of the dataset")
    return RecordColumns.join(parts)
