"""Bring SQL tables to given rows: only what differs is written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from tickvol.core.errors import WorkError
from tickvol.storage.warehouse.columns import Value, canonical

_BATCH = 2000

Row = tuple[Value, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Rows of one table, by what became of them."""

    inserted: int
    updated: int
    deleted: int
    unchanged: int

    @property
    def written(self) -> int:
        """Rows inserted, updated or deleted."""
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows that a table shall have.

    Attributes
    ----------
    rows : values by column name, all columns each, in any order.
    keep_absent : whether rows of the database whose key is not among `rows` stay.
    """

    table: sa.Table
    rows: Sequence[Mapping[str, Value]]
    keep_absent: bool = False


@dataclass(frozen=True, slots=True)
class _Difference:
    table: sa.Table
    inserted: list[Row]
    updated: list[Row]
    deleted: list[Row]
    unchanged: int


def load(connection: sa.Connection, wanted: Sequence[TableRows]) -> dict[str, Loaded]:
    """Bring tables to the wanted rows, within the transaction of the connection.

    Rows are compared first, value by value, so that a run without news writes nothing. Rows are deleted from the last
    table to the first and written from the first to the last: name a table after those that it refers to.

    Parameters
    ----------
    connection : of `Database.writing`, which keeps other writers away between comparison and write.

    Returns
    -------
    Counts by table name.

    Raises
    ------
    WorkError
        If two rows have one key, a row lacks a column or has one too many, or a value is not of its column's type.
    """
    differences = [_difference(connection, one) for one in wanted]
    for difference in reversed(differences):
        _delete(connection, difference)
    for difference in differences:
        _execute(connection, _update_of(connection.dialect.name, difference.table), difference, difference.updated)
        _execute(connection, sa.insert(difference.table), difference, difference.inserted)
    return {
        one.table.name: Loaded(
            inserted=len(one.inserted), updated=len(one.updated), deleted=len(one.deleted), unchanged=one.unchanged
        )
        for one in differences
    }


def _difference(connection: sa.Connection, wanted: TableRows) -> _Difference:
    table = wanted.table
    present = _by_key(table, (tuple(row) for row in connection.execute(sa.select(table))))
    rows = _by_key(table, _ordered(table, wanted.rows))
    deleted = [] if wanted.keep_absent else [row for key, row in present.items() if key not in rows]
    inserted = [row for key, row in rows.items() if key not in present]
    updated = [row for key, row in rows.items() if key in present and present[key] != row]
    return _Difference(table, inserted, updated, deleted, len(rows) - len(inserted) - len(updated))


def _ordered(table: sa.Table, rows: Sequence[Mapping[str, Value]]) -> Iterator[tuple[Value, ...]]:
    names = table.columns.keys()
    for row in rows:
        if row.keys() != set(names):
            strange = ", ".join(sorted(row.keys() ^ set(names)))
            raise WorkError(f"{table.name}: a row has not exactly the declared columns: {strange}")
        yield tuple(row[name] for name in names)


def _by_key(table: sa.Table, rows: Iterator[tuple[object, ...]]) -> dict[Row, Row]:
    columns = list(table.columns)
    places = [columns.index(column) for column in table.primary_key.columns]
    found: dict[Row, Row] = {}
    for raw in rows:
        row = tuple(canonical(column, value) for column, value in zip(columns, raw, strict=True))
        key = tuple(row[place] for place in places)
        if key in found:
            raise WorkError(f"{table.name}: {_key_text(table, key)}: two rows have this key; it must be unique")
        found[key] = row
    return found


def _key_text(table: sa.Table, key: Row) -> str:
    return ", ".join(f"{column.name}={value}" for column, value in zip(table.primary_key.columns, key, strict=True))


def _update_of(dialect: str, table: sa.Table) -> sa.Insert | sa.Update:
    """A statement for many rows that exist: an insert that updates where it can, as it takes many rows in one go."""
    key = [column.name for column in table.primary_key.columns]
    rest = [column.name for column in table.columns if column.name not in key]
    if dialect == "postgresql":
        upsert = postgresql.insert(table)
        return upsert.on_conflict_do_update(index_elements=key, set_={name: upsert.excluded[name] for name in rest})
    if dialect == "sqlite":
        into = sqlite.insert(table)
        return into.on_conflict_do_update(index_elements=key, set_={name: into.excluded[name] for name in rest})
    if not any(isinstance(constraint, sa.UniqueConstraint) for constraint in table.constraints):
        insert = mysql.insert(table)
        return insert.on_duplicate_key_update({name: insert.inserted[name] for name in rest})
    # There a conflict with any unique key would change the row that has it, which is another row than was meant.
    matches = [table.c[name] == sa.bindparam(f"{name}_of_row") for name in key]
    return sa.update(table).where(*matches).values({name: sa.bindparam(name) for name in rest})


def _execute(connection: sa.Connection, statement: sa.Executable, of: _Difference, rows: Sequence[Row]) -> None:
    names = of.table.columns.keys()
    keys = [column.name for column in of.table.primary_key.columns]
    for start in range(0, len(rows), _BATCH):
        batch = [dict(zip(names, row, strict=True)) for row in rows[start : start + _BATCH]]
        if isinstance(statement, sa.Update):
            batch = [_for_update(row, keys) for row in batch]
        connection.execute(statement, batch)


def _for_update(row: dict[str, Value], keys: Sequence[str]) -> dict[str, Value]:
    return {f"{name}_of_row" if name in keys else name: value for name, value in row.items()}


def _delete(connection: sa.Connection, difference: _Difference) -> None:
    table = difference.table
    keys = [column.name for column in table.primary_key.columns]
    statement = sa.delete(table).where(*(table.c[name] == sa.bindparam(f"{name}_of_row") for name in keys))
    rows = [dict(zip(table.columns.keys(), row, strict=True)) for row in difference.deleted]
    for start in range(0, len(rows), _BATCH):
        connection.execute(
            statement, [{f"{name}_of_row": row[name] for name in keys} for row in rows[start : start + _BATCH]]
        )
