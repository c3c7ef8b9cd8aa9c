"""One Delta table: writes that keep its declaration and its keys, each of them one commit."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from deltalake import DeltaTable, write_deltalake

from tickvol.core.errors import KeyConflict, SchemaMismatch, UsageError
from tickvol.storage.delta import maintenance
from tickvol.storage.delta.commits import by_run, delta_errors, opened, table_properties
from tickvol.storage.delta.lock import WriterLock
from tickvol.storage.delta.reader import TableReader
from tickvol.storage.delta.rows import Difference, checked_rows, difference, key_text
from tickvol.storage.delta.schema import columns_to_add, delta_field, polars_schema
from tickvol.storage.delta.spec import TableSpec
from tickvol.storage.delta.where import Where


@dataclass(frozen=True, slots=True)
class Written:
    """Outcome of a write: numbers of rows, and the version before and after it (None: no table).

    Rows that are stored with the same content are `unchanged`; without any other the version stays.
    """

    table: str
    inserted: int
    updated: int
    deleted: int
    unchanged: int
    version_before: int | None
    version_after: int | None


class LakeTable(TableReader):
    """A declared table of a lake. It exists from its first row on.

    A write takes the writer's lock for its duration. It raises `Busy` if another process holds it, `SchemaMismatch` if
    the rows or the stored table differ from the declaration, and `InputError` if a required value is null, a float is
    NaN or infinite, or two rows have the same key; then nothing is written. A killed writer leaves the version before
    or after its commit.
    """

    def __init__(
        self, spec: TableSpec, path: Path, lock: WriterLock, *, retention_h: int, checkpoint_commits: int
    ) -> None:
        super().__init__(spec, path, retention_h=retention_h)
        self._lock = lock
        self._checkpoint_commits = checkpoint_commits

    def append(self, rows: pl.DataFrame, *, run_id: str) -> Written:
        """Add rows; those that are stored already, with the same content, are left out.

        Raises
        ------
        KeyConflict
            If a key is stored with other content; nothing is written.
        """
        with self._lock.held():
            table = self._open_to_write()
            rows = checked_rows(self.spec, rows)
            found = self._compare(table, rows)
            if not found.changed.is_empty():
                raise KeyConflict(
                    f"{self.spec.name}: {key_text(self.spec, found.changed)}: is stored with other values "
                    f"(so are {len(found.changed)} of {len(rows)} rows); nothing was written, use another key"
                )
            before = _version(table)
            after = self._insert(table, found.new, run_id)
            return Written(self.spec.name, len(found.new), 0, 0, found.unchanged, before, after)

    def merge(self, rows: pl.DataFrame, *, run_id: str) -> Written:
        """Insert the rows whose key is new, and update those whose content differs.

        Raises
        ------
        UsageError
            If the table is append-only.
        """
        self._refuse_append_only("merge")
        with self._lock.held():
            table = self._open_to_write()
            rows = checked_rows(self.spec, rows)
            found = self._compare(table, rows)
            before = _version(table)
            if table is None or found.changed.is_empty():
                after = self._insert(table, found.new, run_id)
            else:
                after = self._upsert(table, found, run_id)
            return Written(self.spec.name, len(found.new), len(found.changed), 0, found.unchanged, before, after)

    def replace(self, rows: pl.DataFrame, *, run_id: str, where: Mapping[str, object] | None = None) -> Written:
        """Replace all rows, or those with certain values, by others.

        Parameters
        ----------
        where : values of columns, such as {"product_id": "BTC-USD"}: rows that have them are replaced, and the new rows
            must have them too.

        Raises
        ------
        KeyConflict
            If a key is stored in a row that stays; nothing is written.
        UsageError
            If the table is append-only, or `where` names an unknown column.
        """
        self._refuse_append_only("replace")
        chosen = Where.of(self.spec, where or {})
        with self._lock.held():
            table = self._open_to_write()
            rows = checked_rows(self.spec, rows)
            chosen.check(rows)
            if table is None:
                return Written(self.spec.name, len(rows), 0, 0, 0, None, self._insert(None, rows, run_id))
            self._check_keys_of_rows_that_stay(table, rows, chosen)
            before = table.version()
            stored = self._content(table, self._scan(table).filter(chosen.expression()))
            found = difference(self.spec, rows, stored)
            inserted, updated = len(found.new), len(found.changed)
            deleted = len(stored) - updated - found.unchanged
            if inserted or updated or deleted:
                with delta_errors(self.spec.name):
                    commit = by_run(run_id, added=inserted + updated, removed=deleted + updated)
                    write_deltalake(table, rows, mode="overwrite", predicate=chosen.sql(), commit_properties=commit)
            return Written(self.spec.name, inserted, updated, deleted, found.unchanged, before, table.version())

    def _refuse_append_only(self, operation: str) -> None:
        if self.spec.append_only:
            raise UsageError(f"{self.spec.name}: {operation}: rows of this table never change; only append to it")

    def _open_to_write(self) -> DeltaTable | None:
        table = opened(self.path)
        added = () if table is None else columns_to_add(self.spec, table.schema())
        if added:
            names = ", ".join(f"{column.name} ({column.type})" for column in added)
            raise SchemaMismatch(f"{self.spec.name}: column {names}: is not stored yet; run `tickvol tables migrate`")
        return table

    def _compare(self, table: DeltaTable | None, rows: pl.DataFrame) -> Difference:
        if table is None or rows.is_empty():
            return Difference(rows, rows.clear(), 0)
        return difference(self.spec, rows, self._stored_with_keys_of(table, rows))

    def _stored_with_keys_of(self, table: DeltaTable, rows: pl.DataFrame) -> pl.DataFrame:
        """Content of the stored rows with the keys of `rows`; without any, only key columns are read."""
        key = list(self.spec.key)
        near = self._scan(table).filter(*(pl.col(name).is_between(*_bounds(rows[name])) for name in key))
        known = self._collect(near.select(key).join(rows.lazy().select(key), on=key, how="semi"), table)
        if known.is_empty():
            return pl.DataFrame(schema=polars_schema(self.spec)).select(self.spec.compared_names)
        return self._content(table, near.join(known.lazy(), on=key, how="semi"))

    def _content(self, table: DeltaTable, rows: pl.LazyFrame) -> pl.DataFrame:
        return self._collect(rows.select(self.spec.compared_names), table)

    def _check_keys_of_rows_that_stay(self, table: DeltaTable, rows: pl.DataFrame, chosen: Where) -> None:
        if chosen.columns <= set(self.spec.key):
            return
        key = list(self.spec.key)
        staying = self._scan(table).filter(~chosen.expression()).select(key)
        conflicts = self._collect(staying.join(rows.lazy().select(key), on=key, how="semi"), table)
        if not conflicts.is_empty():
            raise KeyConflict(
                f"{self.spec.name}: {key_text(self.spec, conflicts)}: is stored in a row that is not replaced, "
                f"outside {chosen.sql()}; nothing was written"
            )

    def _insert(self, table: DeltaTable | None, rows: pl.DataFrame, run_id: str) -> int | None:
        if rows.is_empty():
            return _version(table)
        commit = by_run(run_id, added=len(rows), removed=0)
        with delta_errors(self.spec.name):
            if table is not None:
                write_deltalake(table, rows, mode="append", commit_properties=commit)
                return table.version()
            write_deltalake(
                str(self.path),
                rows,
                mode="append",
                partition_by=list(self.spec.partition_by) or None,
                name=self.spec.name,
                description=self.spec.about,
                configuration=table_properties(self.spec, self._retention_h, self._checkpoint_commits),
                commit_properties=commit,
            )
        return self.version()

    def _upsert(self, table: DeltaTable, found: Difference, run_id: str) -> int:
        rows = pl.concat([found.changed, found.new])
        match = " AND ".join(f'stored."{name}" = given."{name}"' for name in self.spec.key)
        commit = by_run(run_id, added=len(rows), removed=len(found.changed))
        with delta_errors(self.spec.name):
            merger = table.merge(rows, match, source_alias="given", target_alias="stored", commit_properties=commit)
            merger.when_matched_update_all().when_not_matched_insert_all().execute()
        return table.version()

    def migrate(self) -> tuple[str, ...]:
        """Add the optional columns that are declared and not stored yet; return their names.

        Raises
        ------
        SchemaMismatch
            If the stored table differs from the declaration in another way.
        """
        with self._lock.held():
            table = opened(self.path)
            added = () if table is None else columns_to_add(self.spec, table.schema())
            if table is not None and added:
                with delta_errors(self.spec.name):
                    table.alter.add_columns([delta_field(column) for column in added])
            return tuple(column.name for column in added)

    def compact(self) -> int:
        """Join small files; return the number of files that were replaced. The content stays."""
        with self._lock.held(), delta_errors(self.spec.name):
            return maintenance.compact(self.path)

    def vacuum(self) -> int:
        """Delete files that no version needs that can still be read; return their number."""
        with self._lock.held(), delta_errors(self.spec.name):
            return maintenance.vacuum(self.path, self._retention_h)

    def restore(self, version: int) -> None:
        """Make the rows of an earlier version the newest version; the versions in between stay readable.

        The newest version itself makes no commit.

        Raises
        ------
        InputError
            If there never was such a version, or vacuum deleted its files.
        UsageError
            If the table is append-only.
        """
        self._refuse_append_only("restore")
        with self._lock.held():
            self.read(version=version, columns=self.spec.key)
            if version == self.version():
                return
            with delta_errors(self.spec.name):
                maintenance.restore(self.path, version)


def _version(table: DeltaTable | None) -> int | None:
    return None if table is None else table.version()


def _bounds(values: pl.Series) -> tuple[pl.Expr, pl.Expr]:
    return pl.lit(values.min(), dtype=values.dtype), pl.lit(values.max(), dtype=values.dtype)
