"""SQLite stores of MLflow, copied from one that was initialised once: its hundred migrations take seconds."""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.support.cached import PACKAGE, cached, source_hash

_INITIALISE = "import sys; from tickvol.tracking.sqlite_store import initialise; initialise(sys.argv[1])"


@cache
def store_template() -> Path:
    """An initialised store without experiments of ours."""

    def make(directory: Path) -> None:
        subprocess.run(
            [sys.executable, "-c", _INITIALISE, f"sqlite:///{directory}/mlflow.db"], cwd=directory, check=True
        )

    return cached("mlflow", source_hash(PACKAGE / "tracking"), make) / "mlflow.db"


def new_store(path: Path) -> Path:
    """A store of a test alone at `path`."""
    remember_schema()
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(store_template(), path)
    return path


def remember_schema() -> None:
    """Let MLflow read its hundred migrations, of which it wants the newest, once a process and not for each store."""
    from mlflow.store.db import utils

    if not hasattr(utils._get_latest_schema_revision, "cache_info"):
        utils._get_latest_schema_revision = cache(utils._get_latest_schema_revision)
