"""Connection to MLflow, with a quick and clear error if it cannot be reached."""

import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tickvol.core.errors import TrackingUnavailable
from tickvol.tracking.settings import MlflowConfig
from tickvol.tracking.sqlite_store import database_path, initialise, log_warnings_only, store_lock


def connect(settings: MlflowConfig) -> str:
    """Set up MLflow for the configured store; return the id of its experiment, which is created if absent.

    Artifacts of a SQLite store lie in `artifacts_dir`, as an absolute path: MLflow's own default is `./mlruns` in the
    current directory of a program. A server chooses its own location.

    Raises
    ------
    TrackingUnavailable
        Within 10 s, if the store cannot be reached or opened.
    """
    _probe(settings)
    initialise_store(settings)
    import mlflow
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    log_warnings_only()
    mlflow.set_tracking_uri(settings.tracking_uri)
    mlflow.set_registry_uri(settings.tracking_uri)
    try:
        client = mlflow.MlflowClient()
        return _experiment_id(client, settings) or _create_experiment(client, settings)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise unavailable(settings, error) from error


def initialise_store(settings: MlflowConfig) -> None:
    """Set MLflow's environment and create the tables of a SQLite store that has none.

    Raises
    ------
    TrackingUnavailable
        When the store cannot be opened, or another process initialises it for too long.
    """
    _set_environment(settings)
    initialise(settings.tracking_uri)


def _experiment_id(client: Any, settings: MlflowConfig) -> str | None:
    found = client.get_experiment_by_name(settings.experiment)
    return None if found is None else str(found.experiment_id)


def _create_experiment(client: Any, settings: MlflowConfig) -> str:
    with store_lock(settings.tracking_uri):
        if existing := _experiment_id(client, settings):
            return existing
        is_local = database_path(settings.tracking_uri) is not None
        location = settings.artifacts_dir.resolve().as_uri() if is_local else None
        return str(client.create_experiment(settings.experiment, artifact_location=location))


def unavailable(settings: MlflowConfig, error: Exception) -> TrackingUnavailable:
    """The error to raise, with the first line of the cause."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return TrackingUnavailable(
        f"mlflow.tracking_uri: {settings.tracking_uri}: cannot be used ({reason[:200]}); start the server, "
        "name another store, or train with --no-tracking"
    )


def _set_environment(settings: MlflowConfig) -> None:
    """Set variables that MLflow reads at each request; the user's own in the environment take precedence."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(settings.request_timeout_s))
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(settings.request_max_retries))
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def _probe(settings: MlflowConfig) -> None:
    """Test the store first: MLflow keeps retrying a database that cannot be opened for more than a minute."""
    uri = settings.tracking_uri
    parts = urlsplit(uri)
    try:
        if path := database_path(uri):
            _open_database(path, settings.request_timeout_s)
        elif parts.scheme in ("http", "https"):
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname or "", port), timeout=settings.request_timeout_s).close()
    except (OSError, ValueError, sqlite3.Error) as error:
        raise unavailable(settings, error) from error


def _open_database(path: Path, timeout_s: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=timeout_s)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.rollback()
