"""The broker of docker/compose.yaml, for machines with a container engine."""

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tickvol.core.errors import BrokerUnavailable

COMPOSE_FILE = Path("docker", "compose.yaml")
COMPOSE_ADDRESS = ("127.0.0.1", 9092)
"""Address at which the file publishes the broker."""
_SERVICE = "kafka"
_ASK_TIMEOUT_S = 20
_WORK_TIMEOUT_S = 600
_READY_TIMEOUT_S = 90
_POLL_S = 0.2


def compose_answers() -> bool:
    """True if the engine, `docker compose` and the file are available."""
    if shutil.which("docker") is None or not COMPOSE_FILE.is_file():
        return False
    return all(_succeeds(["docker", *words]) for words in (["info"], ["compose", "version"]))


def compose_up(answers: Callable[[], bool]) -> None:
    """Start the broker's container and wait until the broker answers.

    Raises
    ------
    BrokerUnavailable
        With the engine's error message.
    """
    _compose("up", "-d", _SERVICE)
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while not answers():
        if time.monotonic() > deadline:
            raise BrokerUnavailable(
                f"docker compose: the broker does not answer after {_READY_TIMEOUT_S} s; `docker compose -f"
                f" {COMPOSE_FILE} logs {_SERVICE}` says why"
            )
        time.sleep(_POLL_S)


def compose_stop() -> bool:
    """Stop the broker's container; False if it was not running."""
    if not _compose("ps", "-q", "--status", "running", _SERVICE).strip():
        return False
    _compose("stop", _SERVICE)
    return True


def compose_runs() -> bool:
    """True if the broker's container is running."""
    return compose_answers() and bool(_compose("ps", "-q", "--status", "running", _SERVICE).strip())


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=_ASK_TIMEOUT_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _compose(*words: str) -> str:
    command = ["docker", "compose", "-f", str(COMPOSE_FILE), *words]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_WORK_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise _failed(command, f"not done after {_WORK_TIMEOUT_S} s") from None
    if done.returncode:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise _failed(command, said[-1] if said else f"exit code {done.returncode}")
    return done.stdout


def _failed(command: list[str], why: str) -> BrokerUnavailable:
    return BrokerUnavailable(
        f"{' '.join(command)}: {why}; fix that, or run the broker without containers: `tickvol kafka start --native`"
    )
