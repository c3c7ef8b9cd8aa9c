"""`tickvol mlflow-ui`: the MLflow UI on the loopback."""

import argparse
import os
import sys
from collections.abc import Sequence

from tickvol.command import command_parser, run_command

DESCRIPTION = """Serve the MLflow UI (experiments, runs, registered models) until SIGINT or SIGTERM."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol mlflow-ui`."""
    parser = command_parser("mlflow-ui", DESCRIPTION)
    parser.add_argument("--port", type=int, help="port on 127.0.0.1; overrides mlflow.port")
    return run_command(parser, _serve, argv)


def _serve(options: argparse.Namespace) -> int:

    from tickvol.config import load_config
    from tickvol.tracking.connection import initialise_store

    mlflow = load_config(options.config).mlflow
    port = options.port or mlflow.port
    initialise_store(mlflow)
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", mlflow.tracking_uri]
    command += ["--default-artifact-root", str(mlflow.artifacts_dir.absolute())]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    print(f"http://127.0.0.1:{port}", flush=True)
    os.execve(sys.executable, command, environment)
