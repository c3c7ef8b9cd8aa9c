"""How far an archive is published: the last acknowledged line, the tracker's state there, the partitions' ends."""

import os
from pathlib import Path

import msgspec

from tickvol.core.errors import CorruptFile, WorkError
from tickvol.eventlog.archive_follow import Place
from tickvol.eventlog.archive_upkeep import PROGRESS_NAME
from tickvol.eventlog.tracker_snapshot import TrackerSnapshot
from tickvol.storage.files import lock, replacement

LOCK_NAME = ".published.lock"


class Published(msgspec.Struct, frozen=True):
    """Everything up to the line `line` of the file `source` is acknowledged, by which topic and how far there.

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
    def place(self) -> Place:
        """The line."""
        return Place(self.source, self.line)


class ProgressFile:
    """The note beside the archive's files; whoever publishes an archive holds its lock."""

    def __init__(self, raw_dir: Path) -> None:
        self._path = raw_dir / PROGRESS_NAME
        self._lock = os.open(raw_dir / LOCK_NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def lock(self) -> bool:
        """Whether this process may publish the archive; False while another one does."""
        return lock(self._lock, wait=False)

    def read(self) -> Published | None:
        """What was noted last; None before anything was published.

        Raises
        ------
        CorruptFile
            When the note cannot be read.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Published)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise CorruptFile(
                f"{self._path}: cannot be read ({error}): how far the archive is published is not known; `tickvol kafka"
                " rebuild` makes the topics anew from the archive"
            ) from None

    def write(self, published: Published) -> None:
        """Replace the note; its content is on disk before it takes the name."""
        try:
            # Not `durable`, a second fsync: if a power cut brings the previous note back, more is sent again.
            with replacement(self._path, durable=False) as sink:
                sink.write(msgspec.json.encode(published))
                sink.flush()
                os.fsync(sink.fileno())
        except OSError as error:
            raise WorkError(f"{self._path}: cannot be written: {error.strerror or error}; free space") from None

    def forget(self) -> None:
        """Begin anew: the topics are empty."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let the next publisher have the archive."""
        os.close(self._lock)
