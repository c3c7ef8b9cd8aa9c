"""Upkeep of a lake: tables of many files are compacted, then files that no readable version needs are deleted.

Compaction reads whole tables, and the allocator keeps that memory: `upkeep_in_child` gives it back with a process.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tickvol.core.errors import WorkError
from tickvol.storage.delta import maintenance
from tickvol.storage.delta.commits import delta_errors, opened
from tickvol.storage.delta.lake import Lake

_PROGRAM = "import sys; from tickvol.storage.delta.upkeep import serve_parent; serve_parent(sys.argv[1])"
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Upkept:
    """A table after its upkeep: its files before and after, and files deleted from the disk."""

    table: str
    files_before: int
    files_after: int
    deleted: int


class _Order(msgspec.Struct, frozen=True):
    parent: int
    directory: str
    tables: tuple[str, ...]
    compact_after_files: int
    retention_h: int


def upkeep(directory: Path, tables: Sequence[str], *, compact_after_files: int, retention_h: int) -> tuple[Upkept, ...]:
    """Compact and vacuum the tables that exist. Call with the writer's lock held.

    Parameters
    ----------
    compact_after_files : a table is compacted if it has more files than this, one per partition not counted.
    retention_h : h that files are kept after they left the table.
    """
    return tuple(
        _upkeep(directory / name, compact_after_files, retention_h)
        for name in tables
        if opened(directory / name) is not None
    )


def _upkeep(path: Path, compact_after_files: int, retention_h: int) -> Upkept:
    with delta_errors(path.name):
        before, partitions = _files(path)
        if before - (partitions - 1) > compact_after_files:
            maintenance.compact(path)
        deleted = maintenance.vacuum(path, retention_h)
        return Upkept(path.name, before, _files(path)[0], deleted)


def _files(path: Path) -> tuple[int, int]:
    table = opened(path)
    assert table is not None
    partitions = len(table.partitions()) if table.metadata().partition_columns else 1
    return len(table.file_uris()), max(partitions, 1)


def upkeep_in_child(lake: Lake, *, compact_after_files: int) -> tuple[Upkept, ...]:
    """Hold the writer's lock while a child process does the upkeep of all tables; it ends with this process.

    Raises
    ------
    Busy
        If another process is writing.
    WorkError
        If the child fails; the tables keep their content.
    """
    names = tuple(table.spec.name for table in lake.tables())
    order = _Order(os.getpid(), str(lake.directory), names, compact_after_files, lake.retention_h)
    with lake.writing():
        child = subprocess.run(
            [sys.executable, "-c", _PROGRAM, msgspec.json.encode(order).decode()],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    if child.returncode != 0:
        reason = (child.stderr.strip().splitlines() or [f"exit code {child.returncode}"])[-1]
        raise WorkError(f"{lake.directory}: upkeep: {reason}; the tables keep their content, run it again")
    return tuple(msgspec.json.decode(child.stdout, type=list[Upkept]))


def serve_parent(text: str) -> None:
    """Do the upkeep that the parent process ordered, and write the outcome to standard output."""
    order = msgspec.json.decode(text, type=_Order)
    threading.Thread(target=_end_with_parent, args=(order.parent,), daemon=True).start()
    outcome = upkeep(
        Path(order.directory),
        order.tables,
        compact_after_files=order.compact_after_files,
        retention_h=order.retention_h,
    )
    sys.stdout.write(msgspec.json.encode(outcome).decode())


def _end_with_parent(parent: int) -> None:
    """End at once when the parent is gone: its lock is, too. What was committed is whole."""
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os._exit(1)
