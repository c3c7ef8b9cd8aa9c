"""`tickvol serve`: the HTTP service, run by BentoML with one worker."""

import argparse
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tickvol.command import command_parser, run_command
from tickvol.core.errors import UsageError

SERVICE = "tickvol.serving.bento:Tickvol"

_DESCRIPTION = """Serve a bundle over HTTP: POST /predict, /anomaly, /signal; GET /backtest, /model, /livez, /readyz.

The process becomes the BentoML server with one worker; SIGTERM or Ctrl-C stops both. docs/serving.md describes each
endpoint.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol serve`."""
    parser = command_parser("serve", _DESCRIPTION)
    parser.add_argument(
        "--bundle", type=Path, help="bundle directory; overrides serving.bundle_dir and the registry's champion"
    )
    parser.add_argument("--features", type=Path, help="dataset for GET /backtest; overrides features.dataset_dir")
    parser.add_argument("--host", help="IP address to listen on; overrides serving.host")
    parser.add_argument("--port", type=int, help="port to listen on; overrides serving.port")
    return run_command(parser, _serve, argv)


def _serve(options: argparse.Namespace) -> int:
    os.environ.update(_overrides(options))
    from tickvol.config import load_config
    from tickvol.volatility.models.bundle_files import read_files
    from tickvol.volatility.scorer.bundle_source import bundle_directory

    config = load_config(options.config)
    host, port = config.serving.host, config.serving.port
    _check_port_is_free(host, port)
    bundle = bundle_directory(config).absolute()
    read_files(bundle)  # the worker checks again; here a bad bundle gives a one-line error
    home = config.serving.state_dir.absolute() / str(port)
    home.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "TICKVOL_SERVING__BUNDLE_DIR": str(bundle),
        "BENTOML_HOME": str(home),
        "BENTOML_DO_NOT_TRACK": "true",
    }
    command = [sys.executable, "-m", "bentoml", "serve", SERVICE]
    command += ["--host", host, "--port", str(port), "--arg", f"config={options.config.absolute()}"]
    os.execve(sys.executable, command, environment)


def _overrides(options: argparse.Namespace) -> Mapping[str, str]:
    """Flags as environment variables for the worker; the environment has precedence in the configuration."""
    if "," in str(options.config.absolute()):
        raise UsageError(f"--config: {options.config}: must not hold a comma")
    given = {
        "TICKVOL_SERVING__BUNDLE_DIR": options.bundle and options.bundle.absolute(),
        "TICKVOL_FEATURES__DATASET_DIR": options.features and options.features.absolute(),
        "TICKVOL_SERVING__HOST": options.host,
        "TICKVOL_SERVING__PORT": options.port,
    }
    return {name: str(value) for name, value in given.items() if value is not None}


def _check_port_is_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(f"--port: {port}: cannot listen on {host}: {error.strerror}; choose another") from None
