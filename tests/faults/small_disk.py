"""A disk that a test fills up: a small tmpfs, or a limit on the size of files where mounting is not allowed."""

import contextlib
import resource
import subprocess

ROOM_FOR_THE_LOG = 2000


class SmallDisk:
    """A directory on a disk of its own, if the system lets us mount one.

    Attributes
    ----------
    real : whether it is a disk; else `fill` limits the files of the processes that it is told.
    """

    def __init__(self, path, megabytes):
        self.path = path
        self.path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)]
        self.real = subprocess.run(command, capture_output=True, check=False).returncode == 0
        self._filler = path / "filler"
        self._limited = []

    def fill(self, *processes):
        """Leave no room. `processes` have a `log`, which may still grow a little."""
        if self.real:
            with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as filler:
                while True:
                    filler.write(bytes(4096))
            return
        for process in processes:
            limit = process.log.stat().st_size + ROOM_FOR_THE_LOG if hasattr(process, "log") else 0
            self._limit(process.pid, limit)
            self._limited.append(process.pid)

    def free(self):
        """Make room again."""
        self._filler.unlink(missing_ok=True)
        for pid in self._limited:
            with contextlib.suppress(ProcessLookupError):
                self._limit(pid, resource.RLIM_INFINITY)
        self._limited.clear()

    def close(self):
        """Unmount."""
        if self.real:
            subprocess.run(["umount", "-l", str(self.path)], check=True)

    def _limit(self, pid, size):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
