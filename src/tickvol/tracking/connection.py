"""Connection to MLflow, with a quick and clear error if it cannot be reached."""

import logging
import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

from tickvol.core.errors import TrackingUnavailable
from tickvol.tracking.settings import MlflowConfig

_SQLITE = "sqlite:///"
_NOISY = ("alembic", "mlflow", "sqlalchemy")


def connect(settings: MlflowConfig) -> str:
    """Set up MLflow for the configured store; return the id of its experiment, which is created if absent.

    Artifacts of a SQLite store lie in `artifacts_dir`, as an absolute path: MLflow's own default is `./mlruns` in the
    current directory of a program. A server chooses its own location.

    Raises
    ------
    TrackingUnavailable
        Within 10 s, if the store cannot be reached or opened.
    """
    _set_environment(settings)
    _probe(settings)
    import mlflow
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    mlflow.set_tracking_uri(settings.tracking_uri)
    mlflow.set_registry_uri(settings.tracking_uri)
    try:
        client = mlflow.MlflowClient()
        found = client.get_experiment_by_name(settings.experiment)
        if found is not None:
            return str(found.experiment_id)
        local = settings.tracking_uri.startswith(_SQLITE)
        place = settings.artifacts_dir.resolve().as_uri() if local else None
        return str(client.create_experiment(settings.experiment, artifact_location=place))
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise unavailable(settings, error) from error


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
        if uri.startswith(_SQLITE):
            _open_database(Path(uri.removeprefix(_SQLITE)), settings.request_timeout_s)
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
