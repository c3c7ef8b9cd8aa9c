"""Bulk loads: rows go by the fastest way of each driver, to their table or to a temporary one.

`INSERT` that ignores errors is no way: MariaDB then stores a null as 0.0 and clips numbers.
"""

import tempfile
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from tickvol.core.errors import WorkError
from tickvol.storage.warehouse.batch import Batch
from tickvol.storage.warehouse.columns import Value

STAGE = "tickvol_stage"

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def stage(connection: sa.Connection, batch: Batch) -> None:
    """Put the rows into a new temporary table, `STAGE`."""
    quoted = connection.dialect.identifier_preparer.format_table(batch.table)
    names = column_names(connection, batch.table)
    drop_stage(connection)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(
            f"CREATE TEMPORARY TABLE {STAGE} ON COMMIT DROP AS SELECT {names} FROM {quoted} WITH NO DATA"
        )
        _copy(connection, batch, names)
        connection.exec_driver_sql(f"ANALYZE {STAGE}")
        return
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {STAGE} AS SELECT {names} FROM {quoted} LIMIT 0")
    if connection.dialect.name == "mysql" and _takes_files(connection):
        _load_file(connection, batch, names)
    else:  # PyMySQL joins many rows to one statement
        insert_rows(connection, batch, STAGE)


def drop_stage(connection: sa.Connection) -> None:
    """Remove the temporary table, if it is there."""
    if connection.dialect.name == "mysql":  # without the word TEMPORARY this would commit
        connection.exec_driver_sql(f"DROP TEMPORARY TABLE IF EXISTS {STAGE}")
    else:
        schema = "temp" if connection.dialect.name == "sqlite" else "pg_temp"
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {schema}.{STAGE}")


def insert_rows(connection: sa.Connection, batch: Batch, target: str, conflict: str = "") -> int:
    """Insert the rows one by one, with a clause for conflicts; return the number of inserted rows."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    marks = ", ".join([mark] * len(batch.columns))
    statement = f"INSERT INTO {target} ({column_names(connection, batch.table)}) VALUES ({marks}) {conflict}"
    options = {"preserve_rowcount": True}
    return connection.exec_driver_sql(statement, list(batch.rows()), execution_options=options).rowcount


def column_names(connection: sa.Connection, table: sa.Table) -> str:
    """Names of all columns, quoted where needed, separated by commas."""
    return ", ".join(connection.dialect.identifier_preparer.quote(column.name) for column in table.columns)


def _copy(connection: sa.Connection, batch: Batch, names: str) -> None:
    driver: Any = connection.connection.driver_connection  # psycopg, which is optional and so has no type here
    with driver.cursor() as cursor, cursor.copy(f"COPY {STAGE} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types([_postgresql_type(column.type) for column in batch.table.columns])
        for row in batch.rows():
            copy.write_row(row)


def _postgresql_type(kind: TypeEngine[Any]) -> str:
    if isinstance(kind, sa.Float):
        return "float8"
    if isinstance(kind, sa.Integer):
        return "int2" if isinstance(kind, sa.SmallInteger) else "int8" if isinstance(kind, sa.BigInteger) else "int4"
    return "date" if isinstance(kind, sa.Date) else "text"


def _takes_files(connection: sa.Connection) -> bool:
    """Whether both the server and our connection (`open_database(bulk=True)`) let it read a local file."""
    driver: Any = connection.connection.driver_connection
    return bool(getattr(driver, "_local_infile", False)) and connection.scalar(sa.text("SELECT @@local_infile")) == 1


def _load_file(connection: sa.Connection, batch: Batch, names: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", prefix="tickvol-", suffix=".tsv") as file:
        file.writelines(_lines(batch))
        file.flush()
        path = file.name.replace("\\", "\\\\").replace("'", "\\'").replace("%", "%%")
        loaded = connection.exec_driver_sql(
            f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {STAGE} CHARACTER SET utf8mb4 "
            rf"FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' ({names})"
        ).rowcount
    # With LOCAL the server turns errors into warnings.
    warning = connection.exec_driver_sql("SHOW WARNINGS LIMIT 1").first()
    if warning is not None or loaded != len(batch):
        reason = warning[2] if warning is not None else "no reason given"
        raise WorkError(f"{batch.table.name}: {loaded} of {len(batch)} rows loaded: {reason}; nothing was written")


def _lines(batch: Batch) -> Iterator[str]:
    texts = [[_field(value) for value in values] for values in batch.columns]
    for fields in zip(*texts, strict=True):
        yield "\t".join(fields) + "\n"


def _field(value: Value) -> str:
    if value is None:
        return "\\N"
    return (
        value.translate(_ESCAPES) if isinstance(value, str) else repr(value) if isinstance(value, float) else str(value)
    )
