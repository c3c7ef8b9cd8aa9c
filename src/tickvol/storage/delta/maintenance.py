"""Upkeep of one Delta table by its path: joining small files, deleting old ones, going back to a version."""

from pathlib import Path

from tickvol.storage.delta.commits import opened


def compact(path: Path) -> int:
    """Join the small files of a table; return the number of files replaced."""
    table = opened(path)
    return 0 if table is None else int(table.optimize.compact()["numFilesRemoved"])


def vacuum(path: Path, retention_h: int) -> int:
    """Delete files that left the table more than `retention_h` ago, or were never committed; return their number.

    A table without such files gets no new version.
    """
    table = opened(path)
    if table is None:
        return 0
    listed = table.vacuum(retention_h, dry_run=True, enforce_retention_duration=False, full=True)
    found = [name for name in listed if (path / name).exists()]  # Delta lists deleted files until its log forgets them
    if found:
        table.vacuum(retention_h, dry_run=False, enforce_retention_duration=False, full=True)
    return len(found)


def restore(path: Path, version: int) -> None:
    """Commit the files of an earlier version as the newest version."""
    table = opened(path)
    if table is not None:
        table.restore(version)
