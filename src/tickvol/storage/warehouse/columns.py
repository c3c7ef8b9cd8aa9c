"""Columns of SQL tables that hold the same values in SQLite, PostgreSQL, MariaDB and MySQL.

Floats are double precision, flags are 0 and 1 (SQL can add them up everywhere), text is compared by its bytes.
"""

import math
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from tickvol.core.errors import SchemaMismatch, WorkError
from tickvol.storage.delta.spec import Column

Value = int | float | str | date | None

CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
"""Names of constraints, the same in all databases."""

_IS_FLAG = "is_flag"
_TYPES: dict[str, type[TypeEngine[int]] | type[TypeEngine[float]]] = {
    "int16": sa.SmallInteger,
    "int32": sa.Integer,
    "int64": sa.BigInteger,
    "float64": sa.Double,
}


def name_type(length: int) -> TypeEngine[str]:
    """Text of a limited length, compared by its bytes."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def sql_table(metadata: sa.MetaData, name: str, *items: SchemaItem, comment: str, by_key: bool = False) -> sa.Table:
    """A table whose text is compared by its bytes.

    Parameters
    ----------
    metadata : with `CONVENTION`.
    items : columns, constraints and indexes.
    comment : what one row stands for.
    by_key : whether SQLite stores the rows in the order of their key, which serves facts.
    """
    # MariaDB does not take the name of a constraint within the definition of a column.
    flags = [item.name for item in items if isinstance(item, sa.Column) and item.info.get(_IS_FLAG)]
    checks = [sa.CheckConstraint(f"{flag} IN (0, 1)", name=flag) for flag in flags]
    return sa.Table(
        name,
        metadata,
        *items,
        *checks,
        comment=comment,
        sqlite_with_rowid=not by_key,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


def sql_column(column: Column, *, length: int | None = None) -> sa.Column[Any]:
    """The SQL column of a column of the lake, with its meaning and unit as comment.

    Parameters
    ----------
    length : of a text, if it is limited, such as that of a name by which reports are grouped.
    """
    comment = f"{column.about} [{column.unit}]" if column.unit else column.about
    if column.type == "bool":
        return flag_column(column.name, comment, optional=column.optional)
    text = name_type(length) if length else sa.Text()
    return sa.Column(
        column.name, text if column.type == "text" else _TYPES[column.type](), nullable=column.optional, comment=comment
    )


def flag_column(name: str, comment: str, *, optional: bool = False) -> sa.Column[Any]:
    """A column that holds 0 or 1; a table of `sql_table` refuses other numbers."""
    return sa.Column(name, sa.SmallInteger, nullable=optional, comment=f"{comment}: 1 or 0", info={_IS_FLAG: True})


def canonical(column: sa.ColumnElement[Any], value: object) -> Value:
    """The value as every database returns it.

    Raises
    ------
    WorkError
        If it is of another type or too large for it, null in a column that must not be, NaN or infinite, or a text with
        a NUL character.
    """
    kind = column.type
    if value is None and getattr(column, "nullable", True):
        return None
    if isinstance(kind, sa.Float) and isinstance(value, int | float) and math.isfinite(value):
        return float(value) + 0.0  # -0.0 + 0.0 is 0.0
    if isinstance(kind, sa.Integer) and isinstance(value, int) and -integer_limit(kind) <= value < integer_limit(kind):
        return int(value)
    if isinstance(kind, sa.String) and isinstance(value, str) and "\0" not in value and _fits(kind, value):
        return value
    if isinstance(kind, sa.Date) and isinstance(value, date):
        return value
    rule = "a finite number" if isinstance(kind, sa.Float) else f"a value of type {kind}"
    where = f"{getattr(column, 'table', '')}.{getattr(column, 'name', '')}"
    raise WorkError(f"{where}: {value!r}: must be {rule}{' or null' if getattr(column, 'nullable', True) else ''}")


def _fits(kind: sa.String, value: str) -> bool:
    return kind.length is None or len(value) <= kind.length


def integer_limit(kind: sa.Integer) -> int:
    """Smallest positive number that a column of integers cannot hold."""
    bits = 16 if isinstance(kind, sa.SmallInteger) else 64 if isinstance(kind, sa.BigInteger) else 32
    return 1 << (bits - 1)


def ensure_tables(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Create the tables that are absent, and add columns that were declared since and may be null.

    Raises
    ------
    SchemaMismatch
        If a column is absent that may not be null.
    """
    inspector = sa.inspect(connection)
    present = set(inspector.get_table_names())
    metadata.create_all(connection, tables=[t for t in metadata.sorted_tables if t.name not in present])
    for table in metadata.sorted_tables:
        if table.name in present:
            names = {column["name"] for column in inspector.get_columns(table.name)}
            for column in table.columns:
                if column.name not in names:
                    _add_column(connection, table, column)


def _add_column(connection: sa.Connection, table: sa.Table, column: sa.Column[Any]) -> None:
    if not column.nullable:
        raise SchemaMismatch(
            f"{table.name}.{column.name}: the database's table has no such column; rename that table, and run again"
        )
    preparer = connection.dialect.identifier_preparer
    definition = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
    connection.exec_driver_sql(f"ALTER TABLE {preparer.format_table(table)} ADD COLUMN {definition}".replace("%", "%%"))
