"""Reads: columns and conditions, earlier versions, and which of them survive vacuum and restore."""

import os
from pathlib import Path

import polars as pl
import pytest

from tests.storage.delta.toy_tables import FLAT, lake_in, row, rows_of
from tickvol.core.errors import InputError, UsageError
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.schema import polars_schema


def with_three_versions(lake: Lake, name: str = "flat") -> None:
    table = lake.table(name)
    table.merge(rows_of(row("B"), row("A")), run_id="run 1")
    table.merge(rows_of(row("A", price=9.0)), run_id="run 2")
    table.replace(rows_of(row("C")), run_id="run 3")


def test_a_table_without_rows_reads_as_an_empty_frame_of_its_types(tmp_path: Path) -> None:
    table = lake_in(tmp_path).table("flat")
    assert table.read().schema == polars_schema(FLAT)
    assert table.read(columns=["number"], where=pl.col("price") > 1).schema == {"number": pl.Int32}
    table.merge(rows_of(row()), run_id="run 1")
    table.replace(rows_of(), run_id="run 2")
    assert table.read().schema == polars_schema(FLAT)
    with pytest.raises(InputError, match="divided: version 0: there is no table yet"):
        lake_in(tmp_path).table("divided").read(version=0)


@pytest.mark.parametrize("name", ["flat", "divided"])
def test_columns_come_in_their_declared_order_and_rows_by_key(tmp_path: Path, name: str) -> None:
    table = lake_in(tmp_path).table(name)
    table.merge(rows_of(row("B", 2), row("B", 1, price=None), row("A", 3)), run_id="run 1")
    assert table.read(columns=["price", "number"]).rows() == [(3, 1.5), (1, None), (2, 1.5)]
    assert table.read(where=pl.col("price").is_null(), columns=["product_id"]).rows() == [("B",)]
    assert table.read(where=pl.col("product_id") == "A", columns=["number"]).rows() == [(3,)]
    with pytest.raises(UsageError, match=f"{name}: column 'nope': must be one of product_id, number, price"):
        table.read(columns=["nope"])


@pytest.mark.parametrize("name", ["flat", "divided"])
def test_an_earlier_version_is_read_and_restored(tmp_path: Path, name: str) -> None:
    lake = lake_in(tmp_path)
    with_three_versions(lake, name)
    table = lake.table(name)
    assert [table.read(version=version)["price"].to_list() for version in range(3)] == [[1.5, 1.5], [9.0, 1.5], [1.5]]
    digest = table.digest(version=1)
    table.restore(1)
    assert (table.version(), table.digest()) == (3, digest)
    table.restore(3)
    assert table.version() == 3
    assert table.read(version=2)["product_id"].to_list() == ["C"]


@pytest.mark.parametrize("version", [-1, 3])
def test_a_version_that_never_was_is_refused(tmp_path: Path, version: int) -> None:
    lake = lake_in(tmp_path)
    with_three_versions(lake)
    with pytest.raises(InputError, match=f"flat: version {version}: must be from 0 to 2"):
        lake.table("flat").read(version=version)
    with pytest.raises(InputError, match=f"flat: version {version}: must be from 0 to 2"):
        lake.table("flat").restore(version)


def test_an_append_only_table_is_not_restored(tmp_path: Path) -> None:
    table = lake_in(tmp_path).table("log")
    table.append(rows_of(row()), run_id="run 1")
    table.append(rows_of(row(number=2)), run_id="run 1")
    with pytest.raises(UsageError, match="log: restore: rows of this table never change"):
        table.restore(0)
    assert len(table.read()) == 2


def age(directory: Path, hours: float) -> None:
    """Make all files of a table, and its log, look older."""
    import json

    for path in (directory / "_delta_log").glob("*.json"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for line in lines:
            if "remove" in line:
                line["remove"]["deletionTimestamp"] -= int(hours * 3_600_000)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for path in directory.rglob("*.parquet"):
        stat = path.stat()
        os.utime(path, (stat.st_atime - hours * 3600, stat.st_mtime - hours * 3600))


def test_vacuum_keeps_what_left_the_table_within_the_retention(tmp_path: Path) -> None:
    lake = lake_in(tmp_path, retention_h=10)
    with_three_versions(lake)
    table = lake.table("flat")
    digest = table.digest()
    age(table.path, 9)
    assert (table.vacuum(), table.version()) == (0, 2)
    assert len(table.read(version=1)) == 2
    age(table.path, 2)
    assert table.vacuum() == 2
    assert table.digest() == digest
    gone = "flat: version 1: a file of it is gone; vacuum keeps files for 10 h after their removal"
    with pytest.raises(InputError, match=gone):
        table.read(version=1)
    version = table.version()
    with pytest.raises(InputError, match=gone):
        table.restore(1)
    assert (table.vacuum(), table.version()) == (0, version)


def test_compaction_joins_files_and_keeps_content_and_earlier_versions(tmp_path: Path) -> None:
    table = lake_in(tmp_path).table("log")
    for number in range(5):
        table.append(rows_of(row(number=number)), run_id="run 1")
    digest = table.digest()
    assert (table.files(), table.rows()) == (5, 5)
    assert table.size_bytes() == sum(path.stat().st_size for path in table.path.glob("*.parquet"))
    assert (table.compact(), table.files(), table.version(), table.digest()) == (5, 1, 5, digest)
    assert (table.compact(), table.version()) == (0, 5)
    assert table.read(version=2)["number"].to_list() == [0, 1, 2]
    assert [(commit.operation, commit.run_id, commit.rows_added) for commit in table.history(1)] == [
        ("OPTIMIZE", None, None)
    ]


def test_partitions_of_any_name_are_read_measured_and_vacuumed(tmp_path: Path) -> None:
    table = lake_in(tmp_path, retention_h=1).table("divided")
    names = ["", " ", "%2F", "..", "A/B", "a=b", "it's", "Ü"]
    rows = rows_of(*(row(name) for name in names))
    table.merge(rows, run_id="run 1")
    assert table.read().equals(rows)
    assert table.size_bytes() == sum(path.stat().st_size for path in table.path.rglob("*.parquet"))
    for name in names:
        assert table.replace(rows_of(row(name, 2)), run_id="run 2", where={"product_id": name}).deleted == 1
        assert table.read(where=pl.col("product_id") == name, columns=["number"]).rows() == [(2,)]
    age(table.path, 2)
    assert table.vacuum() == len(names)
    assert len(table.read()) == len(names)
    assert table.size_bytes() == sum(path.stat().st_size for path in table.path.rglob("*.parquet"))


def test_the_log_gets_a_checkpoint_every_few_commits(tmp_path: Path) -> None:
    table = lake_in(tmp_path, checkpoint_commits=3).table("log")
    for number in range(7):
        table.append(rows_of(row(number=number)), run_id="run 1")
    found = sorted(int(path.name.split(".")[0]) for path in (table.path / "_delta_log").glob("*.checkpoint.parquet"))
    assert len(found) == 2
    assert [commit.run_id for commit in table.history()] == ["run 1"] * 7
    assert table.read()["number"].to_list() == list(range(7))
