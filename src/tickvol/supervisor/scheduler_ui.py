"""The scheduler's two processes, web server and daemon: started, monitored, and stopped with their children."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

from tickvol.config import CONFIG_VARIABLE
from tickvol.core.errors import RequestFailed, UsageError, WorkError
from tickvol.exchange.http import HttpClient, HttpRules
from tickvol.settings.schedules import SchedulesConfig
from tickvol.supervisor.child import Child

_LOCATION = "tickvol.orchestration.code_location"
_HOST = "127.0.0.1"
_READY_S = 120.0
_TIMEOUT_S = 20.0
_POLL_S = 0.2
_TIMEOUT_S = 2.0


def run_ui(schedules: SchedulesConfig, config_path: Path, port: int) -> int:
    """Run the scheduler until SIGINT, SIGTERM or SIGHUP.

    Raises
    ------
    UsageError
        If the port is taken.
    Busy
        If another scheduler is running in this home.
    WorkError
        If a process ends repeatedly, or the pages do not answer.
    """
    from tickvol.orchestration.home import fail_dead_runs, make_home, only_scheduler, open_instance

    _require_free(port)
    directory = schedules.home_dir
    with only_scheduler(directory):
        with open_instance(directory) as instance:
            fail_dead_runs(instance, of_scheduler=True)
        _watch(make_home(directory), config_path, port)
    return 0


def _watch(home: Path, config_path: Path, port: int) -> None:
    stop = _Stop()
    os.environ.update({"DAGSTER_HOME": str(home), CONFIG_VARIABLE: str(config_path.absolute())})
    pages = ["--module-name", _LOCATION, "--host", _HOST, "--port", str(port)]
    children = [
        Child("webserver", lambda: pages, home, _tell, module="dagster_webserver"),
        Child("daemon", lambda: ["run", "--module-name", _LOCATION], home, _tell, module="dagster._daemon"),
    ]
    try:
        for child in children:
            child.start()
        _wait_until_ready(children, port, stop)
        while not stop.asked:
            _tend(children)
    finally:
        for child in reversed(children):
            child.stop(_TIMEOUT_S, lambda: stop.count > 1)


class _Stop:
    """Counter of signals to end."""

    def __init__(self) -> None:
        self.count = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
                signal.signal(number, self._note)

    @property
    def asked(self) -> bool:
        """True after a signal to end."""
        return self.count > 0

    def _note(self, *_: object) -> None:
        self.count += 1


def _tend(children: list[Child]) -> None:
    for child in children:
        child.tend()
    time.sleep(_POLL_S)


def _wait_until_ready(children: list[Child], port: int, stop: _Stop) -> None:
    address = f"http://{_HOST}:{port}"
    deadline = time.monotonic() + _READY_S
    while not stop.asked:
        if _answers(f"{address}/server_info"):
            logs = " and ".join(str(child.log) for child in children)
            sys.stdout.write(f"{address}  schedules and sensor are running; Ctrl-C stops them\nlogs  {logs}\n")
            sys.stdout.flush()
            return
        if time.monotonic() > deadline:
            raise WorkError(f"{address}: no answer within {_READY_S:g} s; see {children[0].log}")
        _tend(children)


def _answers(url: str) -> bool:
    try:
        with HttpClient(HttpRules.one_attempt(_TIMEOUT_S)) as client:
            return client.request("GET", url).status == 200
    except RequestFailed:
        return False


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise UsageError(f"--port: {port}: cannot listen on {_HOST}: {error.strerror}; choose another") from None


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
