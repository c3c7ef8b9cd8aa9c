"""Memory and file handles of running processes, sampled by a thread, and how fast they grow."""

import contextlib
import os
import threading
import time

import numpy as np
import psutil

MB = 1e6


class Resources:
    """Samples a process and those it started, every `every_s`.

    Attributes
    ----------
    samples : [(seconds since the start, bytes of its own, file handles)] by role. Pages of files (libraries, the data
        of others) do not count: the system drops and reloads them as it likes.
    """

    def __init__(self, *, every_s=0.5, **roles):
        self.samples = {role: [] for role in roles}
        self._every_s = every_s
        self._processes = {role: psutil.Process(pid) for role, pid in roles.items()}
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(10)

    def _sample(self):
        while not self._over.wait(self._every_s):
            at = time.monotonic() - self._began
            for role, process in self._processes.items():
                with contextlib.suppress(psutil.NoSuchProcess):
                    self.samples[role].append((at, own_bytes(process), process.num_fds()))

    def handles_now(self):
        """File handles by role."""
        return {role: process.num_fds() for role, process in self._processes.items()}

    def growth_mb(self):
        """Highest sum of all roles minus the first."""
        columns = [np.array([row[1] for row in rows]) for rows in self.samples.values()]
        length = min(map(len, columns))
        total = sum(column[:length] for column in columns)
        return float(total.max() - total[0]) / MB

    def growths_mb(self):
        """Highest minus first, by role."""
        return {role: (max(row[1] for row in rows) - rows[0][1]) / MB for role, rows in self.samples.items()}

    def slope_mb_a_minute(self, role, share=2 / 3):
        """Regression of a role's memory on time over the last `share` of the samples."""
        at, held, _ = np.array(self.samples[role][-round(share * len(self.samples[role])) :], float).T
        return float(np.polyfit(at / 60, held / MB, 1)[0])

    def handles(self, role, share=2 / 3):
        """(median of the first fifth, median of the last fifth) of the file handles over the last `share`."""
        held = [row[2] for row in self.samples[role]][-round(share * len(self.samples[role])) :]
        fifth = max(1, len(held) // 5)
        return float(np.median(held[:fifth])), float(np.median(held[-fifth:]))


def own_bytes(process):
    """Bytes resident that no file backs."""
    memory = process.memory_info()
    return memory.rss - getattr(memory, "shared", 0)


def settled(pids, *, within_mb=1.0, for_s=1.0):
    """Whether no process grew by more than `within_mb` in `for_s` seconds: all libraries are loaded."""
    processes = [psutil.Process(pid) for pid in pids]
    before = [own_bytes(process) for process in processes]
    time.sleep(for_s)
    return all(own_bytes(process) - was <= within_mb * MB for process, was in zip(processes, before, strict=True))


def crowding():
    """How many times more processes want to run than there are processors, at least 1: others slow a start down."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def publisher_of(ingestor):
    """The pid of the publisher that an ingestor has started; None while it has none."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(ingestor.pid).children():
            if "publish" in child.cmdline():
                return child.pid
    return None
