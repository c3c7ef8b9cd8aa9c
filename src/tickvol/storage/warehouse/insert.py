"""Insert rows once: a row that is there is compared, never overwritten unasked."""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from tickvol.core.errors import WarehouseConflict
from tickvol.storage.warehouse.batch import Batch, Values, check_columns, read_batch
from tickvol.storage.warehouse.staging import STAGE, column_names, drop_stage, insert_rows, stage

_BATCH = 50_000
_DIFFERS = {
    "sqlite": "{stored} IS NOT {given}",
    "postgresql": "{stored} IS DISTINCT FROM {given}",
    "mysql": "NOT ({stored} <=> {given})",
}
_TEXT_DIFFERS = "NOT (CAST({stored} AS BINARY) <=> CAST({given} AS BINARY))"  # else trailing blanks do not count


@dataclass(frozen=True, slots=True)
class Written:
    """Rows by what became of them."""

    new: int = 0
    unchanged: int = 0
    corrected: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.new + other.new, self.unchanged + other.unchanged, self.corrected + other.corrected)


def insert_new(
    connection: sa.Connection, table: sa.Table, columns: Mapping[str, Values], *, correct: bool = False
) -> Written:
    """Insert the rows that are absent, within the transaction of the connection, and compare the others.

    Parameters
    ----------
    connection : of `Database.writing`.
    columns : all columns of the table by name: arrays or lists of one length; a null is None.
    correct : whether a stored row takes the values given here where it has others.

    Returns
    -------
    Rows inserted, equal to the stored ones, and corrected.

    Raises
    ------
    WarehouseConflict
        If a row is stored with other values and `correct` is not set, or a unique key other than the primary one
        belongs to another row. End the transaction then: rows may have been inserted.
    WorkError
        If the columns are not those of the table, two rows have one key, or the database would not store a value as it
        is: NaN, infinite, too large, of another type, a null where there must be none.
    """
    length = check_columns(table, columns)
    written = Written()
    for start in range(0, length, _BATCH):
        written += _write(connection, read_batch(table, columns, start, start + _BATCH), correct)
    return written


def _write(connection: sa.Connection, batch: Batch, correct: bool) -> Written:
    table = batch.table
    target = connection.dialect.identifier_preparer.format_table(table)
    if connection.dialect.name == "sqlite":
        new = insert_rows(connection, batch, target, "ON CONFLICT DO NOTHING")
        if new == len(batch):
            return Written(new)
        stage(connection, batch)
    else:
        stage(connection, batch)
        new = _insert_staged(connection, batch, target)
    corrected = 0 if new == len(batch) else _compare(connection, table, correct)
    drop_stage(connection)
    return Written(new, len(batch) - new - corrected, corrected)


def _insert_staged(connection: sa.Connection, batch: Batch, target: str) -> int:
    names = column_names(connection, batch.table)
    insert = f"INSERT INTO {target} ({names}) SELECT {names} FROM {STAGE}"
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql(f"{insert} ON CONFLICT DO NOTHING").rowcount
    # The driver counts matched rows, so that the server's answer does not tell the new ones.
    joined = f"SELECT COUNT(*) FROM {STAGE} s JOIN {target} t ON {_same_key(connection, batch.table)}"
    present = int(connection.exec_driver_sql(joined).scalar_one())
    if present < len(batch):
        key = f"{target}.{_quoted_key(connection, batch.table)[0]}"
        connection.exec_driver_sql(f"{insert} ON DUPLICATE KEY UPDATE {key} = {key}")
    if any(isinstance(one, sa.UniqueConstraint) for one in batch.table.constraints):
        _check_absent(connection, batch.table)
    return len(batch) - present


def _compare(connection: sa.Connection, table: sa.Table, correct: bool) -> int:
    """Rows that were corrected."""
    _check_absent(connection, table)
    differs = _differences(connection, table)
    if not differs:
        return 0
    target = connection.dialect.identifier_preparer.format_table(table)
    same = _same_key(connection, table)
    join = f"FROM {STAGE} s JOIN {target} t ON {same} WHERE {differs}"
    count = int(connection.exec_driver_sql(f"SELECT COUNT(*) {join}").scalar_one())
    if count and not correct:
        raise WarehouseConflict(_conflict(connection, table, join, count))
    if count:
        _update(connection, table, target, same, differs)
    return count


def _update(connection: sa.Connection, table: sa.Table, target: str, same: str, differs: str) -> None:
    names = [connection.dialect.identifier_preparer.quote(column.name) for column in _others(table)]
    if connection.dialect.name == "mysql":
        changes = ", ".join(f"t.{name} = s.{name}" for name in names)
        connection.exec_driver_sql(f"UPDATE {target} t JOIN {STAGE} s ON {same} SET {changes} WHERE {differs}")
    else:
        changes = ", ".join(f"{name} = s.{name}" for name in names)
        connection.exec_driver_sql(f"UPDATE {target} AS t SET {changes} FROM {STAGE} s WHERE {same} AND ({differs})")


def _check_absent(connection: sa.Connection, table: sa.Table) -> None:
    """Find rows that were not inserted although their primary key was free: another unique key was not."""
    target = connection.dialect.identifier_preparer.format_table(table)
    key = _quoted_key(connection, table)
    shown = ", ".join(f"s.{name}" for name in key)
    row = connection.exec_driver_sql(
        f"SELECT {shown} FROM {STAGE} s LEFT JOIN {target} t ON {_same_key(connection, table)} "
        f"WHERE t.{key[0]} IS NULL ORDER BY {shown} LIMIT 1"
    ).first()
    if row is not None:
        uniques = [one for one in table.constraints if isinstance(one, sa.UniqueConstraint)]
        named = " or ".join("(" + ", ".join(column.name for column in one.columns) + ")" for one in uniques)
        raise WarehouseConflict(
            f"{table.name}: {_key_text(table, tuple(row))}: another row has the same {named}; "
            "find out which of the two is wrong"
        )


def _conflict(connection: sa.Connection, table: sa.Table, join: str, count: int) -> str:
    quote = connection.dialect.identifier_preparer.quote
    key, others = list(table.primary_key.columns), _others(table)
    columns = [f"s.{quote(column.name)}" for column in key]
    for column in others:
        columns += [f"t.{quote(column.name)}", f"s.{quote(column.name)}"]
    order = ", ".join(columns[: len(key)])
    row = connection.exec_driver_sql(f"SELECT {', '.join(columns)} {join} ORDER BY {order} LIMIT 1").one()
    pairs = zip(others, row[len(key) :: 2], row[len(key) + 1 :: 2], strict=True)
    changed = [
        f"{column.name}: {stored!r} is stored, {given!r} was computed"
        for column, stored, given in pairs
        if stored != given
    ]
    more = f"; {count - 1} more rows differ" if count > 1 else ""
    return (
        f"{table.name}: {_key_text(table, tuple(row[: len(key)]))}: {', '.join(changed)}{more}; "
        "correct the rows if the new values are right"
    )


def _key_text(table: sa.Table, key: tuple[object, ...]) -> str:
    return ", ".join(f"{column.name}={value}" for column, value in zip(table.primary_key.columns, key, strict=True))


def _others(table: sa.Table) -> list[sa.Column[object]]:
    return [column for column in table.columns if not column.primary_key]


def _quoted_key(connection: sa.Connection, table: sa.Table) -> list[str]:
    return [connection.dialect.identifier_preparer.quote(column.name) for column in table.primary_key.columns]


def _same_key(connection: sa.Connection, table: sa.Table) -> str:
    return " AND ".join(f"s.{name} = t.{name}" for name in _quoted_key(connection, table))


def _differences(connection: sa.Connection, table: sa.Table) -> str:
    dialect, quote = connection.dialect.name, connection.dialect.identifier_preparer.quote
    terms = []
    for column in _others(table):
        is_text = dialect == "mysql" and isinstance(column.type, sa.String)
        form = _TEXT_DIFFERS if is_text else _DIFFERS[dialect]
        terms.append(form.format(stored=f"t.{quote(column.name)}", given=f"s.{quote(column.name)}"))
    return " OR ".join(terms)
