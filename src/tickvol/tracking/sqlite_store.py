"""Initialisation of MLflow's SQLite store, which MLflow itself cannot do in two processes at once."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tickvol.core.errors import TrackingUnavailable
from tickvol.storage.files import exclusive

_SCHEME = "sqlite:///"
_INITIALISATION_TIMEOUT_S = 120.0
_NOISY = ("alembic", "mlflow", "sqlalchemy")


def database_path(tracking_uri: str) -> Path | None:
    """Path of the database; None for a server or another database."""
    return Path(tracking_uri.removeprefix(_SCHEME)) if tracking_uri.startswith(_SCHEME) else None


def initialise(tracking_uri: str) -> None:
    """Create the tables of a SQLite store that has none; concurrent first users take turns.

    MLflow creates missing tables without a lock: of two processes one would fail with "table already exists".

    Raises
    ------
    TrackingUnavailable
        When the tables cannot be created, or another process holds the lock for longer than two minutes.
    """
    path = database_path(tracking_uri)
    if path is None or _is_initialised(path):
        return
    with store_lock(tracking_uri):
        if not _is_initialised(path):
            _create_tables(tracking_uri)


def _create_tables(tracking_uri: str) -> None:
    import mlflow
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    log_warnings_only()
    try:
        mlflow.MlflowClient(tracking_uri).search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError) as error:
        raise TrackingUnavailable(f"mlflow.tracking_uri: {tracking_uri}: cannot be initialised ({error})") from error


def log_warnings_only() -> None:
    """Silence MLflow's progress messages; for use after its import, which sets its own log level."""
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def store_lock(tracking_uri: str) -> Iterator[None]:
    """Hold the lock of a SQLite store during the block; a server needs none."""
    path = database_path(tracking_uri)
    if path is None:
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    refusal = TrackingUnavailable(
        f"mlflow.tracking_uri: {tracking_uri}: another process initialises it for more than "
        f"{_INITIALISATION_TIMEOUT_S:g} s; end the process that holds {lock}"
    )
    with exclusive(lock, refusal=refusal, timeout_s=_INITIALISATION_TIMEOUT_S):
        yield


def _is_initialised(path: Path) -> bool:
    """Test for MLflow's default experiment, which it inserts after the last table."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path)) as database:
            return database.execute("SELECT 1 FROM experiments LIMIT 1").fetchone() is not None
    except sqlite3.OperationalError:  # no such table
        return False
