"""Directory of Delta tables: its declared tables by name, and the lock of its one writer."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tickvol.core.errors import UsageError
from tickvol.storage.delta.lock import WriterLock
from tickvol.storage.delta.spec import TableSpec
from tickvol.storage.delta.table import LakeTable


class Lake:
    """The tables of a directory. Any number of processes may read, one may write.

    Parameters
    ----------
    directory : need not exist; each table has a directory of its name in it.
    retention_h : h that files which are no longer part of a table are kept.
    checkpoint_commits : commits between two checkpoints of a new table's log.
    """

    def __init__(
        self, directory: Path, specs: Sequence[TableSpec], *, retention_h: int = 168, checkpoint_commits: int = 100
    ) -> None:
        self.directory = directory
        self.retention_h = retention_h
        self.lock = WriterLock(directory / ".writer.lock")
        self._tables = {
            spec.name: LakeTable(
                spec,
                directory / spec.name,
                self.lock,
                retention_h=retention_h,
                checkpoint_commits=checkpoint_commits,
            )
            for spec in specs
        }

    def table(self, name: str) -> LakeTable:
        """The table of a name.

        Raises
        ------
        UsageError
            If no table of this name is declared.
        """
        if name not in self._tables:
            raise UsageError(f"table: {name!r}: must be one of {', '.join(sorted(self._tables))}")
        return self._tables[name]

    def tables(self) -> tuple[LakeTable, ...]:
        """All declared tables, in the order of their declaration."""
        return tuple(self._tables.values())

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writer's lock during the block, for several writes that belong together.

        Raises
        ------
        Busy
            At once, if another process holds it; the message names the process.
        """
        with self.lock.held():
            yield
