"""Publication progress of an archive: last acknowledged line, the tracker's state there, the partitions' ends."""

import os
from pathlib import Path

import msgspec

from tickvol.core.errors import CorruptFile, WorkError
from tickvol.eventlog.archive_follow import LinePosition
from tickvol.eventlog.archive_upkeep import PROGRESS_NAME
from tickvol.eventlog.tracker_snapshot import TrackerSnapshot
from tickvol.storage.files import lock, replacement

LOCK_NAME = ".published.lock"


class Published(msgspec.Struct, frozen=True):
    """Acknowledged part of an archive: up to line `line` of file `source`, with the topic and its ends.

    `unreadable` names files of which a part could not be read, and which are therefore not deleted.
    """

    source: str
    line: int
    topic: str
    ends: dict[int, int]
    tracker: TrackerSnapshot
    topic_id: str = ""
    unreadable: list[str] = []

    @property
    def place(self) -> LinePosition:
        """The last acknowledged line."""
        return LinePosition(self.source, self.line)


class ProgressFile:
    """The progress file next to the archive's files; the archive's publisher holds its lock."""

    def __init__(self, raw_dir: Path) -> None:
        self._path = raw_dir / PROGRESS_NAME
        self._lock = os.open(raw_dir / LOCK_NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def lock(self) -> bool:
        """Take the lock; False while another process publishes the archive."""
        return lock(self._lock, wait=False)

    def read(self) -> Published | None:
        """Read the last recorded progress; None before anything was published.

        Raises
        ------
        CorruptFile
            If the file cannot be read.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Published)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise CorruptFile(
                f"{self._path}: cannot be read ({error}): how far the archive is published is not known; `tickvol kafka"
                " rebuild` recreates the topics from the archive"
            ) from None

    def write(self, published: Published) -> None:
        """Replace the file; its content is on disk before it takes the name."""
        try:
            # Not `durable`, a second fsync: if a power cut restores the previous file, more is sent again.
            with replacement(self._path, durable=False) as sink:
                sink.write(msgspec.json.encode(published))
                sink.flush()
                os.fsync(sink.fileno())
        except OSError as error:
            raise WorkError(f"{self._path}: cannot be written: {error.strerror or error}; free space") from None

    def forget(self) -> None:
        """Delete the progress: the topics are empty."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Release the archive for the next publisher."""
        os.close(self._lock)
