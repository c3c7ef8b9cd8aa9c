"""Lock of one writer: of all processes, one writes the tables of a directory at a time."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tickvol.core.errors import TablesBusy
from tickvol.storage.files import lock


class WriterLock:
    """An exclusive lock on a file that holds the process id of its holder.

    It is re-entrant in a thread; another thread that shares the object waits. The lock ends with the process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.RLock()
        self._depth = 0
        self._descriptor = -1

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock during the block.

        Raises
        ------
        TablesBusy
            At once, if another process, or another object of this process, holds the lock.
        """
        with self._turn:
            if self._depth == 0:
                self._descriptor = self._acquire()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    os.ftruncate(self._descriptor, 0)
                    os.close(self._descriptor)

    def _acquire(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if lock(descriptor, wait=False):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            return descriptor
        holder = os.pread(descriptor, 32, 0).decode() or "unknown"
        os.close(descriptor)
        raise TablesBusy(f"{self._path.parent}: process {holder} is writing these tables; wait until it ends")
