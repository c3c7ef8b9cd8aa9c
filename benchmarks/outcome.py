"""What a measure gives, and how two things are timed against each other."""

import gc
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One line of the report; `ratio` is value over yardstick_value, `goal` and `met` are None where none is set."""

    name: str
    value: float
    unit: str
    yardstick: str
    yardstick_value: float
    input: str
    goal: str | None = None
    met: bool | None = None

    @property
    def ratio(self) -> float:
        """The value over that of the yardstick."""
        return self.value / self.yardstick_value

    def at_least(self, goal: float) -> "Outcome":
        """The same, judged by a ratio that must be reached."""
        return Outcome(**(asdict(self) | {"goal": f"ratio >= {goal:g}", "met": self.ratio >= goal}))

    def at_most(self, goal: float) -> "Outcome":
        """The same, judged by a ratio that must not be passed."""
        return Outcome(**(asdict(self) | {"goal": f"ratio <= {goal:g}", "met": self.ratio <= goal}))

    def as_json(self, machine: str) -> dict[str, Any]:
        """The line as `reports/bench.json` holds it."""
        keys = ("name", "value", "unit", "yardstick", "yardstick_value", "ratio", "goal", "met", "input")
        return {key: getattr(self, key) for key in keys} | {"machine": machine}


def cpu_seconds(*works: Callable[[], object], repeats: int) -> list[float]:
    """Median CPU seconds of each work, run in turns (A B A B ...) after one round that only warms up."""
    spent: list[list[float]] = [[] for _ in works]
    for turn in range(repeats + 1):
        for work, seconds in zip(works, spent, strict=True):
            gc.collect()
            start = time.process_time()
            work()
            if turn:
                seconds.append(time.process_time() - start)
    return [median(seconds) for seconds in spent]


def on_one_core() -> None:
    """Keep this process on the last core it may use: the first ones serve most interrupts."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def machine() -> str:
    """Processor, cores and Python."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"
