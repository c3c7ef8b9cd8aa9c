"""A SQLite store of MLflow: initialised once, however many processes use it first."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.support import ROOT
from tests.support.stores import store_template
from tickvol.tracking import sqlite_store
from tickvol.tracking.sqlite_store import database_path, initialise

_CONNECT = """
import sys
from tickvol.config import load_config
from tickvol.tracking.connection import connect
sys.stdin.readline()
print(connect(load_config(env_file=None).mlflow))
"""
_SHOW = """
import os, sys
from tickvol.apps import mlflow_ui
os.execve = lambda *server: sys.exit(0)
sys.stdin.readline()
mlflow_ui.main([])
"""
FIRST_USERS = (_CONNECT, _SHOW, _CONNECT)


def test_first_users_at_once_get_one_store_and_one_experiment(tmp_path: Path) -> None:
    environment = os.environ | {
        "TICKVOL_MLFLOW__TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "TICKVOL_MLFLOW__ARTIFACTS_DIR": str(tmp_path / "artifacts"),
    }
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    users = [
        subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment, text=True, **pipes)
        for code in FIRST_USERS
    ]
    for user in users:
        assert user.stdin is not None
        user.stdin.write("now\n")
        user.stdin.flush()
    said = [user.communicate(timeout=120) for user in users]
    assert [user.returncode for user in users] == [0] * len(users), [error for _, error in said]
    assert said[0][0] == said[2][0]
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        assert database.execute("SELECT count(*) FROM experiments").fetchone() == (2,), "the default one and ours"


def test_store_with_tables_is_left_alone(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(store_template().read_bytes())
    monkeypatch.setattr(sqlite_store, "_create_tables", lambda uri: (_ for _ in ()).throw(AssertionError(uri)))
    initialise(f"sqlite:///{path}")
    assert [found.name for found in tmp_path.iterdir()] == ["mlflow.db"]


def test_server_is_not_initialised() -> None:
    assert database_path("http://127.0.0.1:5000") is None
    initialise("http://127.0.0.1:5000")
