"""Featurizers and scorers as processes, to be killed, paused and woken."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from tests.support import ROOT


class CommandProcess:
    """A `tickvol` command in a process of its own; all that it says goes to a file."""

    def __init__(self, env: dict[str, str], log: Path, *arguments: str) -> None:
        self.log = log
        self._sink = log.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tickvol", *arguments],
            cwd=ROOT,
            env={**os.environ, **env},
            stdout=self._sink,
            stderr=self._sink,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._sink.close()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_until_said(self, text: str, *, times: int = 1, seconds: float = 40) -> None:
        wait_until(lambda: self.said().count(text) >= times or self.process.poll() is not None, seconds)
        assert self.said().count(text) >= times, self.said()


class FeaturizerProcess(CommandProcess):
    """`tickvol featurize`."""

    def __init__(self, env: dict[str, str], out: Path, log: Path, *options: str, instance_id: str = "1") -> None:
        named = env | {"TICKVOL_FEATURES__INSTANCE_ID": instance_id}
        super().__init__(named, log, "featurize", "--out", str(out), *options)


def wait_until(holds, seconds: float = 40, *, every_s: float = 0.02) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "not within the time given"
        time.sleep(every_s)


def featurize_to_end(env: dict[str, str], out: Path, log: Path, *options: str) -> str:
    """One run to the end of the log; what it said."""
    with FeaturizerProcess(env, out, log, "--until-end", *options) as featurizer:
        code = featurizer.process.wait(120)
        assert code == 0, featurizer.said()
        return featurizer.said()
