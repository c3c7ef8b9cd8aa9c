"""Schema versions of the warehouse: report, upgrade, and open a database with a matching schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tickvol.core.errors import SchemaMismatch
from tickvol.signals.warehouse.schema import TABLES, VIEWS
from tickvol.storage.warehouse.engine import Database, open_database

SETTING = "warehouse.url"
VERSION_TABLE = "warehouse_version"

_CONNECT_S = 4.0  # a name with two addresses is tried twice
_WRITER_S = 30.0
_MIGRATIONS = Path(__file__).with_name("migrations")

State = Literal["empty", "current", "older", "newer", "half"]


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The schema of a database, compared with that of the program.

    Attributes
    ----------
    state : empty: no tables; half: an upgrade was cut short, or tables were removed; older, newer: of another program.
    version : revision of the database; None: none is recorded.
    head : revision of the program.
    absent : tables and views that should be there and are not.
    """

    state: State
    version: str | None
    head: str
    absent: tuple[str, ...]

    @property
    def problem(self) -> str:
        """Reason not to use the database, with the next step; empty if there is none."""
        if self.state == "current":
            return ""
        if self.state == "newer":
            return (
                f"schema {self.version} is newer than this program ({self.head}): install the newer program there is; "
                "`tickvol warehouse upgrade` does not go back"
            )
        reason = {
            "empty": "has no tables",
            "older": f"schema {self.version} is older than this program ({self.head})",
            "half": f"half of schema {self.head} is applied, {', '.join(self.absent) or 'its version'} is absent",
        }[self.state]
        return f"{reason}: run tickvol warehouse upgrade"


@contextmanager
def open_warehouse(url: str, *, setting: str = SETTING, writer_timeout_s: float = _WRITER_S) -> Iterator[Database]:
    """Yield the database of a URL, with the warehouse's timeouts and bulk loads.

    Raises
    ------
    ConfigError
        If the URL is not one of a supported database.
    """
    with open_database(
        url, setting=setting, timeout_s=_CONNECT_S, writer_timeout_s=writer_timeout_s, bulk=True
    ) as database:
        yield database


def schema_state(connection: sa.Connection) -> SchemaState:
    """Compare the schema of a database with that of the program."""
    script = _script(connection)
    head = script.get_current_head() or ""
    versions = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()
    version = versions[0] if versions else None
    inspector = sa.inspect(connection)
    present = {*inspector.get_table_names(), *inspector.get_view_names()}
    wanted = (*(table.name for table in TABLES), *VIEWS)
    absent = tuple(name for name in wanted if name not in present)
    known = {revision.revision for revision in script.walk_revisions()}
    return SchemaState(_state(version, head, known, len(absent), len(wanted)), version, head, absent)


def _state(version: str | None, head: str, known: set[str], absent: int, wanted: int) -> State:
    if version is None:
        return "empty" if absent == wanted else "half"
    if version not in known:
        return "newer"
    if version != head:
        return "older"
    return "half" if absent else "current"


def check_schema(connection: sa.Connection, place: str) -> None:
    """Refuse a database whose schema is not that of the program.

    Raises
    ------
    SchemaMismatch
        If it is another one; says what to do.
    """
    if problem := schema_state(connection).problem:
        raise SchemaMismatch(f"{place}: {problem}")


@contextmanager
def read_warehouse(database: Database) -> Iterator[sa.Connection]:
    """Yield a connection that sees one state of a warehouse whose schema fits.

    Raises
    ------
    SchemaMismatch
        If the schema is not that of the program.
    WorkError
        If the database cannot be reached.
    """
    with database.reading() as connection:
        check_schema(connection, database.place)
        yield connection


@contextmanager
def write_warehouse(database: Database, step: str) -> Iterator[sa.Connection]:
    """Yield the connection of the only writer of a step, in a transaction, to a warehouse whose schema fits.

    Raises
    ------
    SchemaMismatch
        If the schema is not that of the program.
    Busy
        If another process works on this step for longer than the timeout.
    WorkError
        If the database cannot be reached or refuses a statement; nothing is written then.
    """
    with database.writing(step) as connection:
        check_schema(connection, database.place)
        yield connection


def upgrade(database: Database) -> SchemaState:
    """Bring the schema to that of the program; may be repeated, also after it was cut short.

    Raises
    ------
    SchemaMismatch
        If the schema is newer than the program.
    Busy
        If another process upgrades it.
    WorkError
        If the database cannot be reached or refuses a statement.
    """
    with database.writing("schema") as connection:
        before = schema_state(connection)
        if before.state == "newer":
            raise SchemaMismatch(f"{database.place}: {before.problem}")
        if before.state == "current":
            return before
        if before.state == "half" and before.version is not None:  # revisions can be repeated
            connection.exec_driver_sql(f"DELETE FROM {VERSION_TABLE}")
        command.upgrade(_config(connection), "head")
        return schema_state(connection)


def _config(connection: sa.Connection) -> Config:
    """Alembic's configuration, made here so that no file is needed."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _script(connection: sa.Connection) -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(connection))
