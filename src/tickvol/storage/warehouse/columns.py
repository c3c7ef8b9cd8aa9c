"""Columns of SQL tables that hold the same values in SQLite, PostgreSQL, MariaDB and MySQL.

Floats are double precision, flags are 0 and 1 (SQL can add them up everywhere), text is compared by its bytes.
"""

import math
from datetime import date
from typing import Any

import sqlalchemy as sa
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

_TYPES: dict[str, type[TypeEngine[int]] | type[TypeEngine[float]]] = {
    "bool": sa.SmallInteger,
    "int16": sa.SmallInteger,
    "int32": sa.Integer,
    "int64": sa.BigInteger,
    "float64": sa.Double,
}


def name_type(length: int) -> TypeEngine[str]:
    """Text of a limited length, compared by its bytes."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def sql_table(
    metadata: sa.MetaData, name: str, *columns: sa.Column[Any], comment: str, by_key: bool = False
) -> sa.Table:
    """A table whose text is compared by its bytes.

    Parameters
    ----------
    metadata : with `CONVENTION`.
    comment : what one row stands for.
    by_key : whether SQLite stores the rows in the order of their key, which serves facts.
    """
    return sa.Table(
        name,
        metadata,
        *columns,
        comment=comment,
        sqlite_with_rowid=not by_key,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )


def sql_column(column: Column) -> sa.Column[Any]:
    """The SQL column of a column of the lake, with its meaning and unit as comment."""
    comment = f"{column.about} [{column.unit}]" if column.unit else column.about
    kind = sa.Text if column.type == "text" else _TYPES[column.type]
    checks = [one_or_zero(column.name)] if column.type == "bool" else []
    return sa.Column(column.name, kind, *checks, nullable=column.optional, comment=comment)


def one_or_zero(name: str) -> sa.CheckConstraint:
    """The constraint of a flag."""
    return sa.CheckConstraint(f"{name} IN (0, 1)", name=name)


def canonical(column: sa.ColumnElement[Any], value: object) -> Value:
    """The value as every database returns it.

    Raises
    ------
    WorkError
        If it is of another type, a float is NaN or infinite, or a text holds a NUL character.
    """
    if value is None:
        return None
    kind = column.type
    if isinstance(kind, sa.Float) and isinstance(value, int | float) and math.isfinite(value):
        return float(value) + 0.0  # -0.0 + 0.0 is 0.0
    if isinstance(kind, sa.Integer) and isinstance(value, int):
        return int(value)
    if isinstance(kind, sa.String) and isinstance(value, str) and "\0" not in value:
        return value
    if isinstance(kind, sa.Date) and isinstance(value, date):
        return value
    rule = "a finite number" if isinstance(kind, sa.Float) else f"a value of type {kind}"
    raise WorkError(f"{getattr(column, 'table', '')}.{getattr(column, 'name', '')}: {value!r}: must be {rule} or null")


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
