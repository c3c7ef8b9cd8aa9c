"""Reads of a Delta table: rows of any version, history, digests and size."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from tickvol.core.errors import InputError, UsageError
from tickvol.storage.delta.commits import Commit, history, opened
from tickvol.storage.delta.digest import content_digest, joint_digest
from tickvol.storage.delta.schema import columns_to_add, polars_schema
from tickvol.storage.delta.spec import TableSpec


class TableReader:
    """A declared table, as any number of processes may read it while one writes."""

    def __init__(self, spec: TableSpec, path: Path, *, retention_h: int) -> None:
        self.spec = spec
        self.path = path
        self._retention_h = retention_h

    def exists(self) -> bool:
        """Test whether rows were ever written."""
        return opened(self.path) is not None

    def version(self) -> int | None:
        """The newest version; None: no table yet."""
        table = opened(self.path)
        return None if table is None else table.version()

    def read(
        self, *, version: int | None = None, where: pl.Expr | None = None, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Rows sorted by key, with the declared types; no rows if there is no table yet.

        Parameters
        ----------
        version : default: the newest.
        where : condition that a row must meet; it may use any column.
        columns : returned in the declared order; default: all.

        Raises
        ------
        InputError
            If there never was such a version, or vacuum deleted its files.
        SchemaMismatch
            If the stored table differs from the declaration by more than missing optional columns, which are null.
        UsageError
            If a column is not declared.
        """
        for name in columns or ():
            if name not in self.spec.names:
                raise UsageError(f"{self.spec.name}: column {name!r}: must be one of {', '.join(self.spec.names)}")
        names = [name for name in self.spec.names if columns is None or name in columns]
        table = opened(self.path, version)
        if table is None:
            self._refuse_version(version)
            return pl.DataFrame(schema=polars_schema(self.spec)).select(names)
        rows = self._scan(table)
        kept = rows if where is None else rows.filter(where)
        return self._collect(kept.sort(self.spec.key).select(names), table)

    def _refuse_version(self, version: int | None) -> None:
        if version is not None:
            raise InputError(f"{self.spec.name}: version {version}: there is no table yet; write some rows first")

    def _scan(self, table: DeltaTable) -> pl.LazyFrame:
        added = columns_to_add(self.spec, table.schema())
        types = polars_schema(self.spec)
        nulls = [pl.lit(None, dtype=types[column.name]).alias(column.name) for column in added]
        return pl.scan_delta(table).with_columns(nulls).select(self.spec.names)

    def _collect(self, rows: pl.LazyFrame, table: DeltaTable) -> pl.DataFrame:
        try:
            return rows.collect()
        except FileNotFoundError as error:
            raise InputError(
                f"{self.spec.name}: version {table.version()}: a file of it is gone; vacuum keeps files for "
                f"{self._retention_h} h after their removal, read a newer version"
            ) from error

    def history(self, limit: int | None = None) -> list[Commit]:
        """Commits, newest first; none if there is no table yet."""
        table = opened(self.path)
        return [] if table is None else history(table, limit)

    def digest(self, *, version: int | None = None) -> str:
        """SHA-256 of the content: equal for equal rows, whatever their order, files and the runs that wrote them.

        Provenance columns are left out. The digest of a partitioned table is made of those of its partitions.
        """
        if self.spec.partition_by:
            return joint_digest(self.partition_digests(version=version))
        return content_digest(self.spec, self.read(version=version, columns=self.spec.content_names))

    def partition_digests(self, *, version: int | None = None) -> dict[str, str]:
        """Digest of each partition by its name, such as `day=2026-01-01/product_id=BTC-USD`.

        They are read one by one. A table without partitions has one, named "".
        """
        by = list(self.spec.partition_by)
        if not by:
            return {"": self.digest(version=version)}
        table = opened(self.path, version)
        if table is None:
            self._refuse_version(version)
            return {}
        values = self._collect(self._scan(table).select(by).unique().sort(by), table)
        digests = {}
        for row in values.iter_rows(named=True):
            rows = self._scan(table).filter(*(pl.col(name) == pl.lit(value) for name, value in row.items()))
            content = self._collect(rows.sort(self.spec.key).select(self.spec.content_names), table)
            digests["/".join(f"{name}={value}" for name, value in row.items())] = content_digest(self.spec, content)
        return digests

    def rows(self) -> int:
        """Number of rows of the newest version."""
        table = opened(self.path)
        return 0 if table is None else int(table.count())

    def files(self) -> int:
        """Number of files of the newest version."""
        table = opened(self.path)
        return 0 if table is None else len(table.file_uris())

    def size_bytes(self) -> int:
        """Size of the files of the newest version, in bytes; files of earlier versions are not counted."""
        table = opened(self.path)
        return 0 if table is None else sum(table.get_add_actions(flatten=True)["size_bytes"].to_pylist())
