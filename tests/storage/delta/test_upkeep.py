"""Upkeep: tables of many files become few, old files go, the content stays; a child does it under the parent's lock."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.storage.delta.toy_tables import lake_in, row, rows_of
from tests.support import ROOT
from tickvol.core.errors import Busy, WorkError
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.upkeep import Upkept, upkeep, upkeep_in_child


def with_files(lake: Lake) -> None:
    for number in range(4):
        lake.table("log").append(rows_of(row(number=number)), run_id="run 1")
        lake.table("divided").merge(rows_of(row("A", number), row("B", number)), run_id="run 1")
    lake.table("flat").merge(rows_of(row()), run_id="run 1")


def expected(limit: int) -> tuple[Upkept, ...]:
    """8 files in 2 partitions count as 7."""
    divided = Upkept("divided", 8, 2 if limit < 7 else 8, 0)
    return Upkept("flat", 1, 1, 0), divided, Upkept("log", 4, 1 if limit < 4 else 4, 0)


@pytest.mark.parametrize("limit", [3, 4, 6, 7])
def test_tables_of_more_files_than_the_limit_are_compacted(tmp_path: Path, limit: int) -> None:
    lake = lake_in(tmp_path)
    with_files(lake)
    digests = [table.digest() for table in lake.tables()]
    names = [table.spec.name for table in lake.tables()]
    assert upkeep(lake.directory, names, compact_after_files=limit, retention_h=168) == expected(limit)
    assert [table.digest() for table in lake.tables()] == digests
    versions = [table.version() for table in lake.tables()]
    upkeep(lake.directory, names, compact_after_files=limit, retention_h=168)
    assert [table.version() for table in lake.tables()] == versions


def test_files_that_left_a_table_go_after_the_retention(tmp_path: Path) -> None:
    lake = lake_in(tmp_path, retention_h=1)
    table = lake.table("log")
    with_files(lake)
    (table.path / "part-of-a-killed-writer.parquet").write_bytes(b"")
    os.utime(table.path / "part-of-a-killed-writer.parquet", (0, 0))
    outcome = upkeep(lake.directory, ["log", "never written"], compact_after_files=50, retention_h=1)
    assert outcome == (Upkept("log", 4, 4, 1),)


def test_a_child_keeps_the_tables_while_its_parent_holds_the_lock(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    assert upkeep_in_child(lake, compact_after_files=1) == ()
    with_files(lake)
    with lake.writing():
        assert upkeep_in_child(lake, compact_after_files=3) == expected(3)
    with lake_in(tmp_path).writing(), pytest.raises(Busy):
        upkeep_in_child(lake, compact_after_files=3)


def test_the_failure_of_a_child_is_reported_with_its_reason(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    with_files(lake)
    table = lake.table("log")
    next(table.path.glob("*.parquet")).unlink()
    with pytest.raises(WorkError, match=r"upkeep: .*log: .*; the tables keep their content, run it again"):
        upkeep_in_child(lake, compact_after_files=1)
    assert table.version() == 3


PARENT = """
import sys
from pathlib import Path
from tests.storage.delta.toy_tables import lake_in
from tickvol.storage.delta import upkeep
upkeep._PROGRAM = '''
import sys, time
from tickvol.storage.delta import upkeep
def wait(*arguments, **options):
    open(sys.argv[2], "w").write("started")
    time.sleep(300)
upkeep.upkeep = wait
sys.argv[2:] = [%r]
upkeep.serve_parent(sys.argv[1])
''' % sys.argv[2]
upkeep.upkeep_in_child(lake_in(Path(sys.argv[1])), compact_after_files=1)
"""


def test_a_child_ends_with_its_killed_parent(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path), str(marker)], cwd=ROOT)
    with parent:
        while not marker.exists():
            assert parent.poll() is None
            time.sleep(0.01)
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        parent.send_signal(signal.SIGKILL)
    assert len(children) == 1
    while _is_running(int(children[0])):
        time.sleep(0.01)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
