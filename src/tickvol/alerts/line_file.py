"""The file sink: a JSON line a notice, on disk before it counts as delivered."""

import fcntl
import os
from pathlib import Path

from tickvol.alerts.notifications import Notice, encode_notice


class LineFile:
    """Appends to `path`; each line is ``{"idempotency_key":"...","notice":{...}}``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def deliver(self, notice: Notice, key: str) -> None:
        """Append and fsync; of a line that could not be written whole nothing is left.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        text = b'{"idempotency_key":"%b","notice":%b}\n' % (key.encode(), encode_notice(notice))
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                text = b"\n" + text  # a killed writer's unfinished line stays a line of its own
            try:
                if os.write(descriptor, text) < len(text):
                    raise OSError(f"{self._path}: no room for a whole line")
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
