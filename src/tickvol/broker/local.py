"""A real Apache Kafka on this machine: one node (KRaft), bound to the loopback, durable, detached from its parent."""

import contextlib
import logging
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from tickvol.broker.files import (
    broker_settings,
    check_identity,
    check_not_in_use,
    free_port,
    logging_text,
    new_cluster_id,
    port_is_taken,
    properties_text,
    read_pid,
    remembered_controller_port,
)
from tickvol.broker.jars import ensure_jars, find_java
from tickvol.bus.sockets import new_client
from tickvol.core.errors import BrokerUnavailable
from tickvol.storage.files import exclusive, is_disk_full, write_atomically

logger = logging.getLogger(__name__)

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
_POLL_S = 0.05
_JUST_STARTED_S = 1.0
_SHOWN_LINES = 6
_MIN_FREE_BYTES = 1 << 20
_QUICK = "-XX:TieredStopAtLevel=1"
"""The quick compiler (C1) only. The cost of C2 pays off only for hot code, and one transaction a second never gets hot:
the first sixty took 17 to 19 ms each with both compilers, 12 to 16 ms with C1 alone, and a third less CPU time."""


class LocalBroker:
    """A broker in a directory and on a port; instances with the same directory control the same broker.

    Parameters
    ----------
    directory : parent of all files that it writes
    port : of the clients' listener on `host`
    properties : Kafka's own settings, which override ours
    security_protocol : of the clients' listener
    client_settings : what our admin client needs in addition to the address, for a broker that requires authentication
    java_options : for the Java virtual machine, after ours
    """

    def __init__(
        self,
        directory: Path,
        port: int,
        *,
        host: str = "127.0.0.1",
        properties: Mapping[str, str] | None = None,
        security_protocol: str = "PLAINTEXT",
        client_settings: Mapping[str, Any] | None = None,
        java_options: Sequence[str] = (),
    ) -> None:
        self.directory = directory.absolute()
        self.host = host
        self.port = port
        self.data = self.directory / "data"
        self.log = self.directory / "log"
        self._properties = dict(properties or {})
        self._security_protocol = security_protocol
        self._client_settings = dict(client_settings or {})
        self._java_options = list(java_options)
        self._settings_file = self.directory / "server.properties"
        self._cluster_file = self.directory / "cluster.id"
        self._pid_file = self.directory / "broker.pid"

    @property
    def bootstrap_servers(self) -> str:
        """Address for clients, `host:port`."""
        return f"{self.host}:{self.port}"

    def process(self) -> psutil.Process | None:
        """Our running process, paused or not; None if there is none.

        A pid alone may now belong to another process, and start times shift with the clock: ours is the process whose
        command line names our settings file.
        """
        pid = read_pid(self._pid_file)
        if pid is None:
            return None
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            try:
                if _command_line(process)[-2:] == self._command_end():
                    return process
            except psutil.ZombieProcess:
                with contextlib.suppress(ChildProcessError):  # only its parent can reap it
                    os.waitpid(pid, os.WNOHANG)
        return None

    def _command_end(self) -> list[str]:
        return ["kafka.Kafka", str(self._settings_file)]

    def is_running(self) -> bool:
        """True if the process exists, paused or not."""
        return self.process() is not None

    def start(self, *, timeout_s: float = READY_TIMEOUT_S) -> bool:
        """Start and wait until the broker answers; False if it was already running.

        Raises
        ------
        BrokerUnavailable
            If Java, the jars, the port, the data or the disk prevent it; the message gives the next step.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with self._alone():
                running = self.is_running()
                if not running:
                    self._launch()
        except OSError as error:
            if not is_disk_full(error):
                raise
            raise self._disk_full_error("cannot be started") from None
        self.wait_until_ready(timeout_s=timeout_s)
        return not running

    def wait_until_ready(self, *, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Wait until the broker returns its cluster's metadata and is part of it.

        Raises
        ------
        BrokerUnavailable
            If its process ends or the timeout expires.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not self.is_running():
                raise self._died()
            if self.answers(deadline - time.monotonic()):
                return
            time.sleep(_POLL_S)
        raise BrokerUnavailable(f"{self.bootstrap_servers}: no answer after {timeout_s:g} s; {self._last_words()}")

    def answers(self, timeout_s: float = 5.0) -> bool:
        """True if a broker, ours or another one, returns its metadata at the address."""
        with contextlib.suppress(KafkaError, OSError):
            socket.create_connection((self.host, self.port), timeout=1).close()
            with contextlib.closing(self._new_admin(timeout_s)) as admin:
                return bool(admin.describe_cluster()["brokers"])
        return False

    def stop(self, *, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Stop gracefully (SIGTERM), or kill after the timeout; False if it was not running."""
        with self._alone():
            process = self.process()
            if process is None:
                return False
            process.terminate()
            process.resume()  # a paused process would not handle the signal
            try:
                process.wait(timeout_s)
            except psutil.TimeoutExpired:
                logger.warning("broker: pid %d did not end within %g s: killed", process.pid, timeout_s)
                process.kill()
                process.wait(STOP_TIMEOUT_S)
            self._pid_file.unlink(missing_ok=True)
            return True

    def kill(self) -> None:
        """End the process as a crash would (SIGKILL); the pid file stays behind."""
        process = self.process()
        if process is not None:
            process.kill()
            process.wait(STOP_TIMEOUT_S)

    def pause(self) -> None:
        """Suspend the process (SIGSTOP): connections stay open, nothing is answered."""
        process = self.process()
        if process is not None:
            process.suspend()

    def resume(self) -> None:
        """Resume a paused broker."""
        process = self.process()
        if process is not None:
            process.resume()

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """Lock: one start or stop at a time."""
        return exclusive(self.directory / "starting.lock") if self.directory.is_dir() else contextlib.nullcontext()

    def _launch(self) -> None:
        if port_is_taken(self.host, self.port):
            raise BrokerUnavailable(
                f"{self.bootstrap_servers}: taken{_holder(self.port)}; end that, or name another port in"
                " kafka.bootstrap_servers"
            )
        java, jars = find_java(), ensure_jars()
        self.log.mkdir(exist_ok=True)
        logging_file = self.directory / "log4j2.properties"
        write_atomically(logging_file, logging_text(self.log), durable=False)
        command = [java, "-Xmx512m", _QUICK, "-XX:+ExitOnOutOfMemoryError", "-Djava.awt.headless=true"]
        command += [f"-Dlog4j2.configurationFile={logging_file}", *self._java_options, "-cp", f"{jars}/*"]
        self._prepare_data(command)
        write_atomically(self._settings_file, properties_text(self._settings(self.data)), durable=False)
        console = str(self.log / "console.log")
        pid = os.posix_spawn(
            java,
            [*command, *self._command_end()],
            os.environ,
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, console, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
        write_atomically(self._pid_file, f"{pid}\n", durable=False)

    def _settings(self, data: Path) -> dict[str, str]:
        port = remembered_controller_port(self._settings_file)
        if port is None or port == self.port or port_is_taken(self.host, port):
            port = free_port(self.host)
        return broker_settings(data, self.host, self.port, port, self._security_protocol, self._properties)

    def _prepare_data(self, java: Sequence[str]) -> None:
        """Create the data directory, whole or not at all, or check that the existing one is ours."""
        if self.data.is_dir() and any(self.data.iterdir()):
            check_identity(self.data, self._cluster_file)
            check_not_in_use(self.data)
            return
        if self._cluster_file.exists():
            logger.warning("broker: %s is gone: an empty log begins; `tickvol kafka rebuild` fills it", self.data)
        forming = self.directory / "data.forming"
        shutil.rmtree(forming, ignore_errors=True)
        settings_file = self.directory / "format.properties"
        write_atomically(settings_file, properties_text(self._settings(forming)), durable=False)
        cluster_id = new_cluster_id()
        done = subprocess.run(
            [*java, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(settings_file)],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        settings_file.unlink()
        if done.returncode:
            shutil.rmtree(forming, ignore_errors=True)
            raise self._failed("cannot be formatted", (done.stdout + done.stderr).splitlines())
        write_atomically(self._cluster_file, cluster_id + "\n")
        if self.data.is_dir():
            self.data.rmdir()
        forming.rename(self.data)

    def _new_admin(self, timeout_s: float) -> KafkaAdminClient:
        timeout_ms = max(1, min(5000, int(timeout_s * 1000)))
        return new_client(
            KafkaAdminClient,
            bootstrap_servers=[self.bootstrap_servers],
            bootstrap_timeout_ms=timeout_ms,
            request_timeout_ms=timeout_ms,
            security_protocol=self._security_protocol,
            **self._client_settings,
        )

    def _died(self) -> BrokerUnavailable:
        lines: list[str] = []
        for name in ("console.log", "server.log"):
            with contextlib.suppress(OSError):
                lines += (self.log / name).read_text(encoding="utf-8", errors="replace").splitlines()
        return self._failed("ended while starting", lines)

    def _failed(self, what: str, lines: Sequence[str]) -> BrokerUnavailable:
        disk_full = any("No space left on device" in line or "File too large" in line for line in lines[-200:])
        if disk_full or shutil.disk_usage(self.directory).free < _MIN_FREE_BYTES:
            return self._disk_full_error(what)
        return BrokerUnavailable(f"{self.directory}: the broker {what}; {self._last_words(lines)}")

    def _disk_full_error(self, what: str) -> BrokerUnavailable:
        return BrokerUnavailable(f"{self.directory}: no room: the broker {what}; free some, then start again")

    def _last_words(self, lines: Sequence[str] | None = None) -> str:
        log = self.log / "server.log"
        if lines is None:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        said = [line for line in lines if line.strip() and not line.startswith(("\t", "    at "))]
        said = [line for line in said if re.search(r"\b(ERROR|FATAL)\b|Exception|Error:", line)] or said
        shown = "".join(f"\n  {line[:300]}" for line in said[-_SHOWN_LINES:])
        return f"its last log lines, more in {log}:{shown}" if shown else f"it logged nothing; see {self.log}"


def _command_line(process: psutil.Process) -> list[str]:
    """Command line of a process; the system shows it as empty in the first moments after a start."""
    deadline = time.monotonic() + _JUST_STARTED_S
    while not (words := process.cmdline()) and time.monotonic() < deadline:
        time.sleep(0.001)
    return list(words)


def _holder(port: int) -> str:
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by pid {connection.pid} ({psutil.Process(connection.pid).name()})"
    return " by another process"
