"""Export of the gold tables, the run log and the star schema as Parquet and CSV files."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from tickvol.core.errors import SchemaMismatch
from tickvol.risk.star.build import Star
from tickvol.risk.tables import ANOMALIES, RISK_TABLES
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS
from tickvol.storage.delta.spec import TableSpec
from tickvol.storage.files import replacement

AS_CSV = (ANOMALIES, PIPELINE_LOGS)
"""Tables that are exported as CSV, too."""

EXPORTED = (*(spec for spec in RISK_TABLES if spec.name.startswith("gold_")), PIPELINE_LOGS)
"""Tables of the lake that an export holds."""


def export(directory: Path, tables: Mapping[str, pl.DataFrame], star: Star) -> tuple[Path, ...]:
    """Write every table of `EXPORTED` and of the star as `NAME.parquet`, and those of `AS_CSV` as `NAME.csv`.

    Each file replaces its predecessor atomically. Rows are ordered by key, so equal content gives equal bytes. CSV is
    UTF-8 with a header and empty fields for nulls; floats have as many digits as give the same double again.

    Parameters
    ----------
    directory : is created.
    tables : frames of the tables of `EXPORTED` by name.

    Returns
    -------
    Paths of the files.

    Raises
    ------
    SchemaMismatch
        If a table or one of its columns is absent.
    """
    ordered = {spec.name: _ordered(tables, spec) for spec in EXPORTED}
    directory.mkdir(parents=True, exist_ok=True)
    paths = [_write_parquet(directory / f"{name}.parquet", frame) for name, frame in (ordered | star.frames).items()]
    paths += [_write_csv(directory / f"{spec.name}.csv", ordered[spec.name]) for spec in AS_CSV]
    return tuple(paths)


def _ordered(tables: Mapping[str, pl.DataFrame], spec: TableSpec) -> pl.DataFrame:
    if spec.name not in tables:
        raise SchemaMismatch(f"{spec.name}: the export needs this table; run `tickvol risk run` first")
    frame = tables[spec.name]
    absent = [name for name in spec.names if name not in frame.columns]
    if absent:
        raise SchemaMismatch(f"{spec.name}: columns are absent: {', '.join(absent)}; run `tickvol risk run` again")
    return frame.select(spec.names).sort(spec.key)


def _write_parquet(path: Path, frame: pl.DataFrame) -> Path:
    with replacement(path) as sink:
        pq.write_table(
            frame.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks(),
            sink,
            compression="zstd",
            write_page_checksum=True,
            store_schema=False,  # readers see strings, not the writer's kind of strings
            row_group_size=1 << 20,
        )
    return path


def _write_csv(path: Path, frame: pl.DataFrame) -> Path:
    with replacement(path) as sink:
        frame.write_csv(sink)
    return path
