"""Open a SQL database by its URL: SQLite, PostgreSQL, MariaDB or MySQL.

Every failure is one line that names the setting and the place of the database, never its password.
"""

import hashlib
import importlib.util
import math
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from tickvol.core.errors import Busy, ConfigError, WorkError

_FORMS = "sqlite:///PATH, postgresql://USER@HOST/DATABASE or mariadb://USER@HOST/DATABASE"
_DRIVERS = {"sqlite": "pysqlite", "postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql"}
_EXTRAS = {"psycopg": "tickvol[postgresql]", "pymysql": "tickvol[mariadb]"}
_WRITER_LOCK = 0x7469636B766F6C  # "tickvol", the number of PostgreSQL's advisory lock
_ANSWER_TIMEOUTS = 3  # a statement may take so many times the timeout of a connection
_LOCKED = ("database is locked", "lock timeout", "Lock wait timeout")


@dataclass(frozen=True, slots=True)
class Database:
    """A database that was not connected to yet.

    Attributes
    ----------
    setting : name of the setting that holds the URL, for messages.
    place : dialect, user, host and database or path, without password and options.
    path : file of SQLite; None for a server.
    timeout_s : longest wait for a connection.
    writer_timeout_s : longest wait for another writer.
    """

    setting: str
    place: str
    path: Path | None
    timeout_s: float
    writer_timeout_s: float
    _engine: sa.Engine = field(repr=False)
    _password: str | None = field(repr=False)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Yield a connection that sees one state of the database; a SQLite file that is absent reads as empty.

        Raises
        ------
        WorkError
            If the database cannot be reached or refuses a statement.
        """
        engine = self._engine
        if self.path and not self.path.exists():
            engine = sa.create_engine("sqlite://")
        elif engine.dialect.name == "postgresql":
            engine = engine.execution_options(isolation_level="REPEATABLE READ")  # the default of the two others
        with self._errors(), engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self, step: str = "") -> Iterator[sa.Connection]:
        """Yield a connection in a transaction, committed at the end of the block; the only writer of its step.

        The directory and the file of SQLite are created.

        Parameters
        ----------
        step : name of the work, so that steps with tables of their own can write at the same time; without a name:
            the only such writer of the database. SQLite has one writer in any case.

        Raises
        ------
        Busy
            If another process writes for longer than the timeout.
        WorkError
            If the database cannot be reached or refuses a statement; nothing is written then.
        """
        if self.path:
            self._create_directory(self.path.parent)
        with self._errors(), self._engine.execution_options(is_writer=True).begin() as connection:
            self._exclude_writers(connection, step)
            yield connection

    def _create_directory(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkError(
                f"{self.setting}: {self.place}: cannot create {directory}: {error.strerror}; choose another path"
            ) from None

    def _exclude_writers(self, connection: sa.Connection, step: str) -> None:
        """Wait for another writer; SQLite does so at BEGIN IMMEDIATE."""
        if connection.dialect.name == "postgresql":
            number = _step_number(step) if step else _WRITER_LOCK
            connection.execute(sa.text(f"SET LOCAL lock_timeout = {math.ceil(self.writer_timeout_s * 1000)}"))
            connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({number})"))
        elif connection.dialect.name == "mysql":  # the lock is the server's, and ends with the connection
            wait = sa.text("SELECT GET_LOCK(CONCAT('tickvol.', SHA1(CONCAT(DATABASE(), :step))), :timeout_s)")
            named = f".{step}" if step else ""
            if connection.scalar(wait, {"step": named, "timeout_s": math.ceil(self.writer_timeout_s)}) != 1:
                raise Busy(self._busy)

    @property
    def _busy(self) -> str:
        return f"{self.setting}: {self.place}: another process writes to this database; wait for it"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise self._named(error.orig) from None
        except self._engine.dialect.loaded_dbapi.Error as error:  # of a bulk load, which only the driver can do
            raise self._named(error) from None

    def _named(self, cause: BaseException | None) -> WorkError:
        reason = self._reason(cause)
        if any(sign in reason for sign in _LOCKED):
            return Busy(self._busy)
        return WorkError(f"{self.setting}: {self.place}: {reason}{_advice(cause, self._engine)}")

    def _reason(self, cause: BaseException | None) -> str:
        text = str(cause.args[-1] if cause is not None and cause.args else cause)  # PyMySQL: number and text
        line = " ".join(text.split())
        return line.replace(self._password, "***") if self._password else line


def _advice(cause: BaseException | None, engine: sa.Engine) -> str:
    driver = engine.dialect.loaded_dbapi
    if isinstance(cause, driver.IntegrityError):
        return "; nothing was written"
    if isinstance(cause, driver.OperationalError):
        return "; check that the database runs, the URL and the user's rights"
    return ""


def _step_number(step: str) -> int:
    """Number of the advisory lock of a step: signed, 64 bits."""
    return int.from_bytes(hashlib.sha256(f"tickvol.{step}".encode()).digest()[:8], "big", signed=True)


@contextmanager
def open_database(
    url: str, *, setting: str, timeout_s: float = 10.0, writer_timeout_s: float | None = None, bulk: bool = False
) -> Iterator[Database]:
    """Check a URL and yield its database; the first use connects.

    Parameters
    ----------
    url : `sqlite:///PATH` (relative to the working directory; four slashes: absolute), `postgresql://` (psycopg 3),
        `mariadb://` or `mysql://` (PyMySQL).
    setting : name of the setting that holds the URL, for messages.
    timeout_s : longest wait for a connection.
    writer_timeout_s : longest wait for another writer; default: `timeout_s`.
    bulk : whether MariaDB and MySQL may ask for local files, which the fast way of `insert_new` needs; only for a
        server that is trusted, as it chooses the file.

    Raises
    ------
    ConfigError
        If the URL is malformed, of another kind of database, or its driver is not installed.
    """
    parsed = _parsed(url, setting)
    writer_s = timeout_s if writer_timeout_s is None else writer_timeout_s
    engine = _engine(_with_driver(parsed), timeout_s, writer_s, bulk)
    try:
        yield Database(
            setting=setting,
            place=_place(parsed),
            path=Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None,
            timeout_s=timeout_s,
            writer_timeout_s=writer_s,
            _engine=engine,
            _password=parsed.password or None,
        )
    finally:
        engine.dispose()


def _parsed(url: str, setting: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(f"{setting}: (not shown): must be {_FORMS}; write special characters as %XX") from None
    backend, _, driver = parsed.drivername.partition("+")
    if backend not in _DRIVERS or driver not in ("", _DRIVERS[backend]):
        raise ConfigError(f"{setting}: {parsed.drivername}://...: must be {_FORMS}")
    if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
        raise ConfigError(f"{setting}: {_place(parsed)}: names no database; must be {_FORMS}")
    needed = _DRIVERS[backend]
    if needed in _EXTRAS and importlib.util.find_spec(needed) is None:
        raise ConfigError(
            f"{setting}: {_place(parsed)}: needs {needed}, which is not installed: pip install '{_EXTRAS[needed]}'"
        )
    return parsed


def _with_driver(url: sa.URL) -> sa.URL:
    """The URL with our driver; SQLAlchemy's mysql dialect speaks with both servers, its mariadb dialect with one."""
    backend = url.drivername.partition("+")[0]
    return url.set(drivername=f"{'mysql' if backend == 'mariadb' else backend}+{_DRIVERS[backend]}")


def _place(url: sa.URL) -> str:
    bare = sa.URL.create(
        url.drivername.partition("+")[0], username=url.username, host=url.host, port=url.port, database=url.database
    )
    return bare.render_as_string(hide_password=True)


def _engine(url: sa.URL, timeout_s: float, writer_timeout_s: float, bulk: bool) -> sa.Engine:
    whole_s = max(math.ceil(timeout_s), 1)
    answer_s = max(whole_s, math.ceil(writer_timeout_s)) * _ANSWER_TIMEOUTS
    arguments: dict[str, dict[str, float | int]] = {
        "sqlite": {"timeout": writer_timeout_s},
        "postgresql": {"connect_timeout": whole_s, "tcp_user_timeout": answer_s * 1000},
        "mysql": {
            "connect_timeout": whole_s,
            "read_timeout": answer_s,
            "write_timeout": answer_s,
            "local_infile": bulk,
        },
    }
    engine = sa.create_engine(url, poolclass=NullPool, connect_args=arguments[url.get_backend_name()])
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None  # else the driver itself begins transactions, later than we do
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    is_writer = connection.get_execution_options().get("is_writer", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writer else "BEGIN")
