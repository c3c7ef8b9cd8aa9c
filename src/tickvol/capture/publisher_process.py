"""The publisher as a process of its own next to the capture, so that neither waits for the other."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence

import msgspec

from tickvol.capture.publish_counts import PublishCounts, decode_counts

log = logging.getLogger(__name__)

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
MARGIN_S = 5.0


class PublisherProcess:
    """Runs `tickvol publish --follow` for as long as this process lives; restarts it if it ends earlier.

    It gets one end of a pipe. If this process is killed, the pipe closes, and the publisher sends what the archive
    holds and ends by itself.

    Parameters
    ----------
    arguments : of `tickvol publish`.
    drain_s : time that it may keep sending after `stop`.
    """

    def __init__(self, arguments: Sequence[str], drain_s: float) -> None:
        self.figures = PublishCounts()
        self.restarts = 0
        self.complete = False
        """True if it ended with all of the archive acknowledged."""
        self._before = PublishCounts()
        self._arguments = list(arguments)
        self._drain_s = drain_s
        self._pipe: int | None = None
        self._process: Process | None = None
        self._stopping = False

    async def run(self) -> None:
        """Keep the process running until `stop`."""
        wait_s = FIRST_WAIT_S
        while not self._stopping:
            try:
                ended = f"ended with exit code {(code := await self._once())}"
            except (OSError, ValueError) as error:  # no process available; a line of counts without an end
                ended, code = f"cannot be run: {error}", 1
            if self._stopping:
                self.complete = code == 0
                return
            wait_s = FIRST_WAIT_S if self.figures.connected else min(2 * wait_s, LONGEST_WAIT_S)
            self.figures.connected = False
            self.restarts += 1
            log.error("the publisher %s: nothing is lost, it starts again in %g s", ended, wait_s)
            await asyncio.sleep(wait_s)

    async def _once(self) -> int:
        ours_read, self._pipe = os.pipe()
        self._before = self.figures
        try:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tickvol", "publish", "--follow", "--figures"),
                    *("--until-closed", str(ours_read), *self._arguments),
                    stdout=PIPE,
                    pass_fds=(ours_read,),
                    start_new_session=True,  # Ctrl-C is for the capture, which then lets it finish
                )
            finally:
                os.close(ours_read)
            await self._read_figures(self._process)
            return await self._process.wait()
        finally:
            self._close_pipe()

    async def _read_figures(self, process: Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            with contextlib.suppress(msgspec.DecodeError):
                self.figures = decode_counts(line).after(self._before)

    async def stop(self) -> None:
        """Let the process send what the archive holds, for a limited time; then end it."""
        self._stopping = True
        self._close_pipe()
        process = self._process
        if process is None or process.returncode is not None:
            return
        for number, timeout_s in (
            (signal.SIGTERM, self._drain_s + MARGIN_S),
            (signal.SIGKILL, self._drain_s + MARGIN_S),
        ):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await process.wait()
                return
            log.warning("the publisher does not end: %s", number.name)
            process.send_signal(number)

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
