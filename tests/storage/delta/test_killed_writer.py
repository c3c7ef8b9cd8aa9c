"""A writer that is killed after its files and before its commit: the rows are as before, and vacuum takes the files."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage.delta.toy_tables import lake_in, row, rows_of
from tests.support import ROOT

WRITE = """
import os, signal, sys, time
from pathlib import Path
import polars as pl
from arro3.core import RecordBatchReader, Table
from tests.storage.delta.toy_tables import lake_in, row, rows_of
from tickvol.storage.delta import table as module

table = lake_in(Path(sys.argv[1])).table("flat")
numbers = pl.DataFrame({"number": pl.arange(10, 50_010, dtype=pl.Int32, eager=True)})
rows = numbers.join(rows_of(row()).drop("number"), how="cross").select(rows_of().columns)
known = set(table.path.glob("*.parquet"))
write = module.write_deltalake

def killed_when_a_file_is_complete(target, rows, **options):
    arrow = Table.from_arrow(rows).rechunk(max_chunksize=1_000)
    def batches():
        yield from arrow.to_batches()
        while not {path for path in table.path.glob("*.parquet") if path.stat().st_size} - known:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    write(target, RecordBatchReader.from_batches(arrow.schema, batches()), target_file_size=1_000, **options)

module.write_deltalake = killed_when_a_file_is_complete
table.merge(rows, run_id="killed")
"""


@pytest.mark.parametrize("rows", [[], [row(), row(number=2)]], ids=["first write", "later write"])
def test_a_write_that_is_killed_before_its_commit_is_invisible(tmp_path: Path, rows: list[tuple[object, ...]]) -> None:
    lake = lake_in(tmp_path, retention_h=1)
    table = lake.table("flat")
    table.merge(rows_of(*rows), run_id="run 1")
    before = table.version(), table.digest(), set(table.path.glob("*.parquet"))
    killed = subprocess.run([sys.executable, "-c", WRITE, str(tmp_path)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    left_over = set(table.path.glob("*.parquet")) - before[2]
    assert left_over
    assert (table.version(), table.digest()) == before[:2]
    table.merge(rows_of(*rows, row(number=3)), run_id="run 2")
    assert len(table.read()) == len(rows) + 1
    for path in left_over:
        os.utime(path, (0, 0))
    assert table.vacuum() == len(left_over)
    assert not left_over & set(table.path.glob("*.parquet"))
    assert len(table.read()) == len(rows) + 1
