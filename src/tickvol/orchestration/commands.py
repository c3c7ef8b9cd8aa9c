"""Commands of `tickvol` as processes of their own: output is passed on by line; they end with their caller."""

import subprocess
import sys
from collections.abc import Callable, Sequence

_TIMEOUT_S = 20.0

Run = Callable[[Sequence[str], Callable[[str], None]], int]
"""Runs a command by its words, passes on each line of its output, returns its exit code."""


def run_command(words: Sequence[str], tell: Callable[[str], None]) -> int:
    """Run `tickvol WORDS`; if the wait for it is interrupted, the process is ended too."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tickvol", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    try:
        with process.stdout:
            for line in process.stdout:
                if line.strip():
                    tell(line.rstrip())
        return process.wait()
    finally:
        _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
