"""Commits of a Delta table: opening a version, the properties of a new table, and the history."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import DeltaError

from tickvol.core.errors import DiskFull, InputError, WorkError
from tickvol.storage.delta.spec import TableSpec

_NO_SPACE = ("no space left", "quota exceeded", "file too large")


@dataclass(frozen=True, slots=True)
class Commit:
    """One version of a table.

    Attributes
    ----------
    time_us : Unix time of the commit, to the ms.
    operation : of Delta, such as WRITE, MERGE, OPTIMIZE, RESTORE.
    run_id : run that wrote it; None: maintenance, or a foreign writer.
    rows_added, rows_removed : an updated row counts as both; None like `run_id`.
    """

    version: int
    time_us: int
    operation: str
    run_id: str | None
    rows_added: int | None
    rows_removed: int | None


def opened(path: Path, version: int | None = None) -> DeltaTable | None:
    """The table at a version, the newest by default; None if there is no table yet.

    Raises
    ------
    InputError
        If the table has no such version.
    """
    if not DeltaTable.is_deltatable(str(path)):
        return None
    table = DeltaTable(str(path))
    newest = table.version()
    if version is None or version == newest:
        return table
    refusal = InputError(f"{path.name}: version {version}: must be from 0 to {newest}, and its log not cleaned up")
    if not 0 <= version <= newest:
        raise refusal
    try:
        table.load_as_version(version)
    except DeltaError as error:
        raise refusal from error
    return table


def table_properties(spec: TableSpec, retention_h: int, checkpoint_commits: int) -> dict[str, str | None]:
    """Delta's properties of a new table."""
    properties: dict[str, str | None] = {
        "delta.checkpointInterval": str(checkpoint_commits),
        "delta.deletedFileRetentionDuration": f"interval {retention_h} hours",
    }
    return properties | ({"delta.appendOnly": "true"} if spec.append_only else {})


def by_run(run_id: str, *, added: int, removed: int) -> CommitProperties:
    """Properties of a commit: the run, and the rows that it adds and removes; an updated row counts as both."""
    return CommitProperties(custom_metadata={"run_id": run_id, "rows_added": str(added), "rows_removed": str(removed)})


def history(table: DeltaTable, limit: int | None = None) -> list[Commit]:
    """Commits, newest first."""
    return [_commit(entry) for entry in table.history(limit)]


def _commit(entry: Mapping[str, object]) -> Commit:
    def number(name: str) -> int | None:
        return int(str(entry[name])) if name in entry else None

    return Commit(
        version=int(str(entry["version"])),
        time_us=int(str(entry["timestamp"])) * 1000,
        operation=str(entry["operation"]),
        run_id=str(entry["run_id"]) if "run_id" in entry else None,
        rows_added=number("rows_added"),
        rows_removed=number("rows_removed"),
    )


@contextmanager
def delta_errors(table: str) -> Iterator[None]:
    """Turn errors of Delta into ours: a full disk, or work that failed."""
    try:
        yield
    except (DeltaError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if any(text in str(error).lower() for text in _NO_SPACE):
            raise DiskFull(f"{table}: {reason}; nothing was committed, free some space") from error
        raise WorkError(f"{table}: {reason}") from error
