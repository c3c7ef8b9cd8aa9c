"""Tables of the tests: one that is merged and replaced, the same in partitions, and one that is append-only."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.schema import polars_schema
from tickvol.storage.delta.spec import Column, TableSpec

FLAT = TableSpec(
    name="flat",
    about="One toy row.",
    columns=(
        Column("product_id", "text", "product"),
        Column("number", "int32", "number of the row"),
        Column("price", "float64", "price", optional=True),
        Column("size", "float64", "size"),
        Column("is_final", "bool", "flag", optional=True),
        Column("count", "int16", "count"),
        Column("note", "text", "note", optional=True),
        Column("run_id", "text", "run that wrote the row", is_provenance=True),
    ),
    key=("product_id", "number"),
)
DIVIDED = replace(FLAT, name="divided", partition_by=("product_id",))
LOG = replace(FLAT, name="log", append_only=True)
SPECS = (FLAT, DIVIDED, LOG)


def lake_in(directory: Path, specs: Sequence[TableSpec] = SPECS, **settings: int) -> Lake:
    return Lake(directory / "lake", specs, **settings)


def rows_of(*rows: tuple[object, ...], run_id: str = "run 1") -> pl.DataFrame:
    """Rows without their last column, the run."""
    return pl.DataFrame([(*row, run_id) for row in rows], schema=polars_schema(FLAT), orient="row")


def row(
    product_id: str = "A", number: int = 1, price: float | None = 1.5, note: str | None = None
) -> tuple[object, ...]:
    return product_id, number, price, 2.0, None, 3, note
