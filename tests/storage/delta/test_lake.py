"""One writer at a time: a second is refused at once with the pid of the first, and a killed one leaves no lock."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.delta.toy_tables import lake_in, row, rows_of
from tests.support import ROOT
from tickvol.core.errors import Busy, UsageError

HOLD = """
import sys
from pathlib import Path
from tests.storage.delta.toy_tables import lake_in
with lake_in(Path(sys.argv[1])).writing():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_an_unknown_table_is_refused_with_the_names_of_those_declared(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    with pytest.raises(UsageError, match="table: 'nope': must be one of divided, flat, log"):
        lake.table("nope")
    assert [table.spec.name for table in lake.tables()] == ["flat", "divided", "log"]


def test_a_second_process_that_writes_is_refused_with_the_pid_of_the_first(
    tmp_path: Path, holder: "subprocess.Popen[str]"
) -> None:
    lake = lake_in(tmp_path)
    rows = rows_of(row())
    writes = [
        lambda: lake.writing().__enter__(),
        lambda: lake.table("flat").merge(rows, run_id="run 1"),
        lambda: lake.table("flat").replace(rows, run_id="run 1"),
        lambda: lake.table("log").append(rows, run_id="run 1"),
        lambda: lake.table("flat").migrate(),
        lambda: lake.table("flat").compact(),
        lambda: lake.table("flat").vacuum(),
        lambda: lake.table("flat").restore(0),
    ]
    for write in writes:
        with pytest.raises(Busy, match=f"process {holder.pid} is writing these tables; wait until it ends"):
            write()
    assert not lake.table("flat").exists()


def test_a_killed_writer_leaves_the_lock_free(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    lake_in(tmp_path).table("flat").merge(rows_of(row()), run_id="run 1")


def test_the_lock_is_reentrant_in_a_lake_and_free_after_the_last_block(tmp_path: Path) -> None:
    lake, other = lake_in(tmp_path), lake_in(tmp_path)
    with lake.writing(), lake.writing():
        lake.table("flat").merge(rows_of(row()), run_id="run 1")
        with pytest.raises(Busy, match=f"process {os.getpid()} is writing"):
            other.table("flat").merge(rows_of(row(number=2)), run_id="run 2")
    with pytest.raises(ZeroDivisionError), lake.writing():
        raise ZeroDivisionError
    other.table("flat").merge(rows_of(row(number=2)), run_id="run 2")


def test_threads_that_share_a_lake_take_turns(tmp_path: Path) -> None:
    table = lake_in(tmp_path).table("log")
    threads = [
        threading.Thread(target=table.append, args=(rows_of(row(number=number)),), kwargs={"run_id": "run 1"})
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert table.read()["number"].to_list() == list(range(8))
