"""A process of the live path: started, monitored, restarted when it ends, and stopped."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tickvol.core.errors import WorkError

AT_ONCE_S = 10.0
MAX_QUICK_EXITS = 3
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
SHOWN_LINES = 10
_POLL_S = 0.05


class Child:
    """A command that runs until it is stopped, in a session of its own: Ctrl-C reaches only its parent.

    Parameters
    ----------
    arguments : of the command, evaluated at each start.
    tell : called with one line per event.
    module : the module that Python runs with them.
    """

    def __init__(
        self,
        name: str,
        arguments: Callable[[], Sequence[str]],
        log_dir: Path,
        tell: Callable[[str], None],
        *,
        module: str = "tickvol",
    ) -> None:
        self.name = name
        self.log = log_dir / f"{name}.log"
        self.code: int | None = None
        """Exit code of the last process that ended."""
        self.gave_up = False
        """True if it ended right after its start too often and is not restarted."""
        self._arguments = arguments
        self._module = module
        self._tell = tell
        self._process: subprocess.Popen[bytes] | None = None
        self._log_begin = 0
        self._started = 0.0
        self._start_again = 0.0
        self._wait_s = FIRST_WAIT_S
        self._deaths_at_once = 0

    @property
    def pid(self) -> int | None:
        """Pid of the running process; None if there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process; its output is appended to its log."""
        with self.log.open("ab") as sink:
            self._log_begin = sink.tell()
            self._process = subprocess.Popen(
                _command(self._module, self._arguments()),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started = time.monotonic()

    def tend(self) -> None:
        """Note if the process has ended, and restart it when due.

        Raises
        ------
        WorkError
            If it has ended within `AT_ONCE_S` three times in a row.
        """
        now = time.monotonic()
        if self._process is None:
            if now >= self._start_again and not self.gave_up:
                self.start()
            return
        self.code = self._process.poll()
        if self.code is None:
            return
        self._sweep()
        lived_s = now - self._started
        self._deaths_at_once = self._deaths_at_once + 1 if lived_s < AT_ONCE_S else 0
        if self._deaths_at_once == MAX_QUICK_EXITS:
            self.gave_up = True
            raise WorkError(
                f"{self.name}: ended {MAX_QUICK_EXITS} times at once, last with exit code {self.code}; its last"
                f" output, more in {self.log}:\n{self.last_lines()}"
            )
        self._wait_s = FIRST_WAIT_S if lived_s > LONGEST_WAIT_S else min(2 * self._wait_s, LONGEST_WAIT_S)
        self._start_again = now + self._wait_s
        self._tell(
            f"{self.name}: ended with exit code {self.code} after {lived_s:.0f} s, starts again in {self._wait_s:g} s;"
            f" see {self.log}"
        )

    def said(self) -> str:
        """Output of the current process, or of the last one."""
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(self._log_begin)
            return log.read().decode(errors="replace")
        return ""

    def last_lines(self) -> str:
        """The end of its output."""
        lines = [line for line in self.said().splitlines() if line.strip()][-SHOWN_LINES:]
        return "\n".join(f"  {line[:300]}" for line in lines) or "  (no output)"

    def stop(self, timeout_s: float, stop_now: Callable[[], bool]) -> bool:
        """Send SIGTERM, then SIGKILL after the timeout or on `stop_now`; True if it ended with exit code 0."""
        process = self._process
        if process is None:
            return self.code == 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        while process.poll() is None and time.monotonic() < deadline:
            if stop_now():
                deadline = min(deadline, time.monotonic() + 1)
            time.sleep(_POLL_S)
        if process.poll() is None:
            self._tell(f"{self.name}: does not end, killed")
            process.kill()
        self.code = process.wait()
        self._sweep()
        return self.code == 0

    def _sweep(self) -> None:
        """Kill what is left of its process group."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)


def _command(module: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", module, *arguments]
