"""The digest follows from the content alone: not from order, chunks, files, history or the run; every value counts."""

import hashlib
import math
import struct
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.storage.delta.toy_tables import DIVIDED, FLAT, lake_in, row, rows_of
from tickvol.storage.delta.digest import content_digest
from tickvol.storage.delta.spec import Column, TableSpec

SMALL = TableSpec(
    name="small",
    about="",
    columns=(
        Column("key", "text", ""),
        Column("value", "float64", "", optional=True),
        Column("flag", "bool", "", optional=True),
        Column("run_id", "text", "", is_provenance=True),
    ),
    key=("key",),
)


def small(*rows: tuple[object, ...]) -> pl.DataFrame:
    schema = {"key": pl.String, "value": pl.Float64, "flag": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(run_id=pl.lit("r"))


def test_the_digest_is_that_of_the_bytes_it_describes() -> None:
    rows = small(("Ü", 0.5, None), ("b", None, True))
    parts = [
        b"key\0text\0002\0" + b"\1\1" + struct.pack("<qq", 2, 1) + "Üb".encode(),
        b"value\0float64\0002\0" + b"\1\0" + struct.pack("<dd", 0.5, 0.0),
        b"flag\0bool\0002\0" + b"\0\1" + b"\0\1",
    ]
    assert content_digest(SMALL, rows) == hashlib.sha256(b"".join(parts)).hexdigest()


def test_chunks_and_provenance_do_not_count() -> None:
    rows = small(("a", 1.0, True), ("b", None, None), ("c", 2.0, False))
    digest = content_digest(SMALL, rows)
    assert content_digest(SMALL, pl.concat([rows[:1], rows[1:]], rechunk=False)) == digest
    assert content_digest(SMALL, rows.with_columns(run_id=pl.lit("other"))) == digest
    assert content_digest(SMALL, pl.concat([small(("x", 1.0, True)), rows])[1:]) == digest


def test_equal_values_with_other_bits_count_as_equal() -> None:
    payload = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000001))[0]
    assert content_digest(SMALL, small(("a", -0.0, None))) == content_digest(SMALL, small(("a", 0.0, None)))
    assert content_digest(SMALL, small(("a", math.nan, None))) == content_digest(SMALL, small(("a", payload, None)))


def test_every_value_counts() -> None:
    variants = [
        small(("a", 1.0, True)),
        small(("a", 1.0 + 2**-52, True)),
        small(("a", 0.0, True)),
        small(("a", None, True)),
        small(("a", math.nan, True)),
        small(("a", 1.0, False)),
        small(("a", 1.0, None)),
        small(("ab", 1.0, True)),
        small(("a", 1.0, True), ("b", 1.0, True)),
        small(("ab", 1.0, True), ("", 1.0, True)),
        small(),
    ]
    assert len({content_digest(SMALL, rows) for rows in variants}) == len(variants)
    renamed = replace(SMALL, columns=(*SMALL.columns[:2], replace(SMALL.columns[2], name="mark"), SMALL.columns[3]))
    assert content_digest(renamed, variants[0].rename({"flag": "mark"})) != content_digest(SMALL, variants[0])


@pytest.mark.parametrize("name", ["flat", "divided"])
def test_the_history_of_a_table_does_not_count(tmp_path: Path, name: str) -> None:
    rows = rows_of(*(row(product, number) for product in "CAB" for number in range(4)))
    at_once = lake_in(tmp_path / "one").table(name)
    at_once.replace(rows, run_id="run 1")
    in_steps = lake_in(tmp_path / "two").table(name)
    for one in rows.sample(fraction=1.0, shuffle=True, seed=1).iter_slices(1):
        in_steps.merge(one.with_columns(price=pl.lit(-1.0)), run_id="run 2")
        in_steps.merge(one.with_columns(run_id=pl.lit("run 3")), run_id="run 3")
    assert in_steps.files() > 1
    assert in_steps.digest() == at_once.digest()
    assert in_steps.partition_digests() == at_once.partition_digests()
    in_steps.compact()
    assert in_steps.digest() == at_once.digest()
    in_steps.merge(rows_of(row("A", 9)), run_id="run 4")
    assert in_steps.digest() != at_once.digest()


def test_each_partition_has_the_digest_of_its_rows(tmp_path: Path) -> None:
    table = lake_in(tmp_path).table("divided")
    assert table.partition_digests() == {}
    rows = rows_of(row("A/B"), row("Ü", 1), row("Ü", 2))
    table.merge(rows, run_id="run 1")
    assert table.partition_digests() == {
        "product_id=A/B": content_digest(DIVIDED, rows[:1]),
        "product_id=Ü": content_digest(DIVIDED, rows[1:]),
    }
    flat = lake_in(tmp_path).table("flat")
    flat.merge(rows, run_id="run 1")
    assert flat.partition_digests() == {"": content_digest(FLAT, rows)}
