"""Rows that break the declaration are refused before anything is written, also where Delta would cast them."""

import math
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from deltalake import write_deltalake

from tests.storage.delta.toy_tables import FLAT, SPECS, lake_in, row, rows_of
from tickvol.core.errors import InputError, SchemaMismatch
from tickvol.storage.delta.spec import Column
from tickvol.storage.delta.table import LakeTable

WRITES = [("flat", "merge"), ("flat", "replace"), ("log", "append")]


@pytest.fixture(params=[False, True], ids=["new table", "stored table"])
def is_stored(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def prepared(directory: Path, name: str, is_stored: bool) -> LakeTable:
    table = lake_in(directory).table(name)
    if is_stored:
        (table.append if name == "log" else table.merge)(rows_of(row(number=100)), run_id="run 0")
    return table


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (pl.col("price").cast(pl.Float32), "column price: is Float32, declared as Float64; convert it first"),
        (pl.col("price").cast(pl.Int32), "column price: is Int32, declared as Float64"),
        (pl.lit("1.0").alias("price"), "column price: is String, declared as Float64"),
        (pl.lit(None).alias("price"), "column price: is Null, declared as Float64"),
        (pl.col("number").cast(pl.Int64), "column number: is Int64, declared as Int32"),
        (pl.col("count").cast(pl.Int32), "column count: is Int32, declared as Int16"),
        (pl.col("is_final").cast(pl.Int16), "column is_final: is Int16, declared as Boolean"),
        (pl.col("note").cast(pl.Categorical), "column note: is Categorical, declared as String"),
        (pl.lit(1).alias("extra"), "column extra: is Int32, not declared; leave it out"),
    ],
)
@pytest.mark.parametrize(("name", "write"), WRITES)
def test_a_column_of_another_type_is_refused(
    tmp_path: Path, is_stored: bool, name: str, write: str, change: pl.Expr, reason: str
) -> None:
    table = prepared(tmp_path, name, is_stored)
    version = table.version()
    with pytest.raises(SchemaMismatch, match=f"{name}: {reason}"):
        getattr(table, write)(rows_of(row()).with_columns(change), run_id="run 1")
    assert table.version() == version


@pytest.mark.parametrize("column", FLAT.names)
def test_a_missing_column_is_refused(tmp_path: Path, column: str) -> None:
    with pytest.raises(SchemaMismatch, match=f"flat: column {column}: is missing, declared as"):
        lake_in(tmp_path).table("flat").merge(rows_of(row()).drop(column), run_id="run 1")


def test_the_order_of_the_columns_is_free(tmp_path: Path) -> None:
    table = lake_in(tmp_path).table("flat")
    rows = rows_of(row(), row(number=2))
    table.merge(rows.select(reversed(rows.columns)), run_id="run 1")
    table.merge(rows.select(reversed(rows.columns)).with_columns(price=pl.lit(9.0)), run_id="run 1")
    assert table.read().equals(rows.with_columns(price=pl.lit(9.0)))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"product_id": None}, "column product_id: a key must not be null; first in the row product_id=None, number=2"),
        ({"number": None}, "column number: a key must not be null; first in the row product_id='A', number=None"),
        ({"size": None}, "column size: must not be null; first in the row product_id='A', number=2"),
        ({"size": math.nan}, "column size: must not be NaN or infinite; first in the row product_id='A', number=2"),
        ({"size": math.inf}, "column size: must not be NaN or infinite; first"),
        ({"price": math.nan}, "column price: must not be NaN or infinite; null means unknown; first"),
        ({"price": -math.inf}, "column price: must not be NaN or infinite; null means unknown; first"),
        ({"run_id": None}, "column run_id: must not be null"),
        ({"number": 1}, "column product_id, number: two rows have the same key; first product_id='A', number=1"),
    ],
)
@pytest.mark.parametrize(("name", "write"), WRITES)
def test_a_row_that_breaks_the_declaration_is_refused(
    tmp_path: Path, is_stored: bool, name: str, write: str, values: dict[str, object], reason: str
) -> None:
    table = prepared(tmp_path, name, is_stored)
    version = table.version()
    good = rows_of(row(), row(number=2), row(number=3))
    types = good.schema
    bad = good.with_columns(
        pl.when(pl.col("number") == 2).then(pl.lit(value, dtype=types[name])).otherwise(pl.col(name)).alias(name)
        for name, value in values.items()
    )
    with pytest.raises(InputError, match=f"{name}: {reason}"):
        getattr(table, write)(bad, run_id="run 1")
    assert table.version() == version


EXTRA = Column("extra", "float64", "a figure", optional=True)


def test_a_declared_optional_column_is_null_until_the_table_is_migrated(tmp_path: Path) -> None:
    old = lake_in(tmp_path).table("flat")
    old.merge(rows_of(row(), row(number=2)), run_id="run 1")
    spec = replace(FLAT, columns=(FLAT.columns[0], EXTRA, *FLAT.columns[1:]))
    table = lake_in(tmp_path, (spec,)).table("flat")
    rows = rows_of(row()).with_columns(extra=pl.lit(0.5))
    assert table.read(columns=["number", "extra"]).rows() == [(None, 1), (None, 2)]
    with pytest.raises(SchemaMismatch, match=r"flat: column extra \(float64\): is not stored yet; run `tickvol tables"):
        table.merge(rows, run_id="run 2")
    digest = table.digest()
    assert (table.migrate(), table.migrate(), table.version()) == (("extra",), (), 1)
    assert (table.digest(), table.digest(version=0)) == (digest, digest)
    table.merge(rows, run_id="run 2")
    assert table.read()["extra"].to_list() == [0.5, None]
    assert table.read().columns == list(spec.names)
    assert table.read(version=0)["extra"].to_list() == [None, None]
    with pytest.raises(SchemaMismatch, match="flat: column extra: is stored as double, not declared; declare it"):
        old.read()


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ((*FLAT.columns, replace(EXTRA, optional=False)), "column extra: is not stored, declared as required double"),
        (
            (replace(FLAT.columns[0], type="int64"), *FLAT.columns[1:]),
            "column product_id: is stored as string, declared",
        ),
        (FLAT.columns[:-1], "column run_id: is stored as string, not declared"),
    ],
)
@pytest.mark.parametrize("action", ["read", "migrate", "merge"])
def test_another_change_of_the_declaration_is_refused(
    tmp_path: Path, columns: tuple[Column, ...], reason: str, action: str
) -> None:
    lake_in(tmp_path).table("flat").merge(rows_of(row()), run_id="run 1")
    table = lake_in(tmp_path, (replace(FLAT, columns=columns),)).table("flat")
    arguments = {"rows": rows_of(row()), "run_id": "run 2"} if action == "merge" else {}
    with pytest.raises(SchemaMismatch, match=f"flat: {reason}"):
        getattr(table, action)(**arguments)


def test_a_table_that_another_program_changed_is_refused(tmp_path: Path) -> None:
    table = lake_in(tmp_path, SPECS).table("flat")
    table.merge(rows_of(row()), run_id="run 1")
    write_deltalake(
        str(table.path),
        rows_of(row()).with_columns(pl.col("price").cast(pl.Float32)),
        mode="overwrite",
        schema_mode="overwrite",
    )
    with pytest.raises(SchemaMismatch, match="flat: column price: is stored as float, declared as double"):
        table.merge(rows_of(row()), run_id="run 2")
