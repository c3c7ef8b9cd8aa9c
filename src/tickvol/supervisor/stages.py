"""Stages of a demo: commands of `tickvol` as processes of their own, and the table of what each took."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tickvol.core.errors import WorkError


@dataclass
class Stages:
    """Stages of a demo, each a command of `tickvol`; `children` run in parallel and are stopped at the end.

    `report` takes a line that announces a stage.
    """

    config: Path
    report: Callable[[str], None]
    rows: list[tuple[str, float, str]] = field(default_factory=list)
    children: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self, name: str, look: str, *arguments: str) -> None:
        """Run a tickvol command to its end."""
        self.report(f"\n== {name}: tickvol {' '.join(arguments)}")
        started = time.monotonic()
        finished = subprocess.run(self._command(*arguments), check=False)
        if finished.returncode != 0:
            raise WorkError(f"stage {name!r} failed with exit code {finished.returncode}; see its message above")
        self.done(name, started, look)

    def start(self, *arguments: str, **options: object) -> "subprocess.Popen[str]":
        """Start a tickvol command that runs in parallel with the next stage."""
        child = subprocess.Popen(self._command(*arguments), text=True, **options)  # type: ignore[call-overload]
        self.children.append(child)
        return child  # type: ignore[no-any-return]

    def done(self, name: str, started: float, look: str) -> None:
        """Record a stage's duration."""
        self.rows.append((name, time.monotonic() - started, look))

    def end_children(self) -> None:
        """Stop running child processes."""
        for child in self.children:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
                try:
                    child.wait(20)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "tickvol", *arguments, "--config", str(self.config)]

    def table(self) -> str:
        """Table of stages, seconds and output locations."""
        width = max(len(name) for name, _, _ in self.rows)
        lines = [f"{'stage':<{width}}  seconds  output"]
        lines += [f"{name:<{width}}  {seconds:7.1f}  {look}" for name, seconds, look in self.rows]
        lines.append(f"{'total':<{width}}  {sum(row[1] for row in self.rows):7.1f}")
        return "\n".join(lines)
