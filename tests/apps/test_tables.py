"""`tickvol tables`: what it shows of the Delta tables, how it keeps and restores them, and what it refuses."""

import json
from pathlib import Path

import polars as pl
import pytest

from tests.support import ROOT
from tickvol.apps import tables
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.schema import polars_schema
from tickvol.storage.delta.shared_tables import RULE_COUNTS
from tickvol.storage.delta.spec import Column, TableSpec
from tickvol.storage.delta.table import LakeTable

PRICES = TableSpec(
    name="prices",
    about="One price.",
    columns=(
        Column("product_id", "text", "product"),
        Column("price", "float64", "price", optional=True),
        Column("run_id", "text", "run", is_provenance=True),
    ),
    key=("product_id",),
    partition_by=("product_id",),
)


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Two versions of `prices`, one of `rule_counts`."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TICKVOL_LAKE__DIR", str(tmp_path / "lake"))
    monkeypatch.setattr("tickvol.systems.all_tables", lambda: (PRICES, RULE_COUNTS))
    lake = Lake(tmp_path / "lake", (PRICES, RULE_COUNTS))
    write(lake.table("prices"), [("BTC-USD", 1.5, "run 1"), ("ETH-USD", None, "run 1")])
    write(lake.table("prices"), [("BTC-USD", 2.5, "run 2")])
    counts = [("run 1", 1, "prices", "positive", "BTC-USD", "warn", 2, 0)]
    lake.table("rule_counts").append(
        pl.DataFrame(counts, schema=polars_schema(RULE_COUNTS), orient="row"), run_id="run 1"
    )
    return lake


def write(table: LakeTable, rows: list[tuple[object, ...]]) -> None:
    table.merge(pl.DataFrame(rows, schema=polars_schema(PRICES), orient="row"), run_id=str(rows[0][-1]))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = tables.main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    code, out, err = run(capsys, *arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_list_shows_version_rows_files_and_size(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list")
    assert (code, out.splitlines()[0]) == (0, f"directory {lake.directory}")
    assert [line.split()[:4] for line in out.splitlines()[2:]] == [
        ["prices", "1", "2", "2"],
        ["rule_counts", "0", "1", "1"],
    ]
    listed = shown(capsys, "list")
    assert listed[0] == {  # type: ignore[index]
        "table": "prices",
        "version": 1,
        "rows": 2,
        "files": 2,
        "size_mb": round(lake.table("prices").size_bytes() / 1e6, 3),
        "append_only": False,
        "about": "One price.",
    }


def test_a_declared_table_without_rows_is_listed(
    tmp_path: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TICKVOL_LAKE__DIR", str(tmp_path / "nowhere"))
    code, out, _ = run(capsys, "list")
    assert (code, out.splitlines()[2].split()) == (0, ["prices", "-", "0", "0", "0.000"])
    assert run(capsys, "history", "prices")[0] == 0
    assert run(capsys, "at", "prices")[1].endswith("0 of 0 rows\n")
    assert not (tmp_path / "nowhere").exists()


def test_history_shows_the_runs_and_their_rows(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "history", "prices")
    lines = [line.split() for line in out.splitlines()[1:]]
    assert (code, [[line[0], *line[3:]] for line in lines]) == (
        0,
        [["1", "MERGE", "1", "1", "run", "2"], ["0", "WRITE", "2", "0", "run", "1"]],
    )
    newest = shown(capsys, "history", "prices", "--limit", "1")
    assert [commit["run_id"] for commit in newest] == ["run 2"]  # type: ignore[attr-defined]


def test_digest_shows_those_of_tables_and_partitions(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    prices, counts = lake.table("prices"), lake.table("rule_counts")
    assert run(capsys, "digest")[1] == f"{prices.digest()}  prices\n{counts.digest()}  rule_counts\n"
    assert shown(capsys, "digest", "prices") == {"prices": prices.digest()}
    by_partition = prices.partition_digests()
    assert shown(capsys, "digest", "--by-partition") == {"prices": by_partition, "rule_counts": {"": counts.digest()}}
    out = run(capsys, "digest", "prices", "--by-partition")[1]
    assert out == "".join(f"{digest}  prices/{partition}\n" for partition, digest in by_partition.items())


def test_at_shows_the_rows_of_a_version(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    first = {"product_id": "BTC-USD", "price": 1.5, "run_id": "run 1"}
    assert shown(capsys, "at", "prices", "--version", "0", "--limit", "1") == [first]
    assert shown(capsys, "at", "prices")[0] == first | {"price": 2.5, "run_id": "run 2"}  # type: ignore[index]
    out = run(capsys, "at", "prices", "--version", "0", "--limit", "1")[1]
    assert [line.split() for line in out.splitlines()] == [
        ["product_id", "price", "run_id"],
        ["BTC-USD", "1.5", "run", "1"],
        ["1", "of", "2", "rows"],
    ]


def test_restore_asks_and_goes_back(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = lake.table("prices")
    first = table.digest(version=0)
    monkeypatch.setattr("builtins.input", lambda _: "no")
    assert run(capsys, "restore", "prices", "--version", "0")[:2] == (1, "nothing was changed\n")
    assert table.version() == 1
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    assert run(capsys, "restore", "prices", "--version", "0")[0] == 0
    assert (table.version(), table.digest()) == (2, first)
    assert run(capsys, "restore", "prices", "--version", "1", "--yes")[0] == 0
    assert (table.version(), table.digest() == first) == (3, False)


def test_compact_and_vacuum_keep_the_rows(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = lake.table("prices")
    write(table, [("ETH-USD", 3.5, "run 3")])
    digest = table.digest()
    code, out, _ = run(capsys, "compact", "prices")
    assert (code, out.split()[0]) == (0, "prices")
    code, out, _ = run(capsys, "vacuum")
    assert (code, out.split()) == (0, ["prices", "0", "files", "deleted", "rule_counts", "0", "files", "deleted"])
    assert table.digest() == digest
    assert table.digest(version=0) != digest


def test_migrate_adds_declared_columns(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wider = TableSpec(
        name="prices",
        about="",
        columns=(*PRICES.columns, Column("size", "float64", "", optional=True)),
        key=PRICES.key,
        partition_by=PRICES.partition_by,
    )
    monkeypatch.setattr("tickvol.systems.all_tables", lambda: (wider,))
    assert run(capsys, "migrate")[1].split() == ["prices", "added:", "size"]
    assert run(capsys, "migrate")[1].split() == ["prices", "added:", "nothing"]


@pytest.mark.parametrize("arguments", [["compact"], ["vacuum"], ["migrate"], ["restore", "prices", "--version", "0"]])
def test_maintenance_is_refused_while_another_process_writes(
    lake: Lake, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with lake.writing():
        code, out, err = run(capsys, *arguments)
    assert (code, out) == (3, "")
    assert "is writing these tables; wait until it ends" in err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["history"], "TABLE: 0 given: history takes exactly one"),
        (["at", "prices", "rule_counts"], "TABLE: 2 given: at takes exactly one"),
        (["list", "prices"], "TABLE: 'prices': list takes none"),
        (["digest", "nope"], "table: 'nope': must be one of prices, rule_counts"),
        (["restore", "prices"], "--version: is missing: restore needs it"),
        (
            ["restore", "rule_counts", "--version", "0", "--yes"],
            "rule_counts: restore: rows of this table never change",
        ),
        (["at", "prices", "--version", "-1"], "--version: -1: must be at least 0"),
        (["at", "prices", "--limit", "0"], "--limit: 0: must be at least 1"),
        (["digest", "--version", "0"], "--version: goes with at, restore only"),
        (["list", "--limit", "1"], "--limit: goes with history, at only"),
        (["list", "--by-partition"], "--by-partition: goes with digest only"),
        (["list", "--yes"], "--yes: goes with restore only"),
        (["vacuum", "--json"], "--json: goes with list, history, digest, at only"),
    ],
)
def test_wrong_use_is_refused(
    lake: Lake, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert f"tickvol tables: {reason}" in err


def test_a_version_that_never_was_fails(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "at", "prices", "--version", "9")
    assert (code, err) == (
        1,
        "tickvol tables: prices: version 9: must be from 0 to 1, and its log not cleaned up\n",
    )
