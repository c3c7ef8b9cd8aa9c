"""The clock of receive times: the host's, but never behind the latest time in the archive.

Files are read in order of capture and merged by receive time; if a host clock that is set back were followed blindly,
the two orders would differ. While it is behind, receive times stand still. No feature depends on them.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tickvol.eventlog.archive_lines import ArchiveLine
from tickvol.eventlog.archive_reader import LineReader, frame_files, open_frames

logger = logging.getLogger(__name__)

NOTICE_NS = 1_000_000_000
_LINES = 4096
_MAX_LINE_BYTES = 1 << 23
_decode = msgspec.json.Decoder(ArchiveLine).decode


class ReceiveClock:
    """Nanoseconds since the epoch that never decrease.

    Parameters
    ----------
    floor_ns : lower bound of the first time.
    """

    def __init__(self, floor_ns: int = 0, wall: Callable[[], int] = time.time_ns) -> None:
        self._wall = wall
        self._last_ns = floor_ns
        self._behind = False

    def now_ns(self) -> int:
        """The current time, never before an earlier result."""
        now = self._wall()
        if now >= self._last_ns:
            self._last_ns, self._behind = now, False
        elif not self._behind and now < self._last_ns - NOTICE_NS:
            self._behind = True
            seconds = (self._last_ns - now) / 1e9
            logger.warning(
                "the clock was set back by %.1f s: receive times stand still until it has caught up", seconds
            )
        return self._last_ns


def last_receive_time_ns(raw_dir: Path) -> int:
    """The latest receive time in the newest file of an archive that holds one; 0 if there is none."""
    for path in reversed(frame_files(raw_dir) if raw_dir.is_dir() else []):
        if latest := _latest(path):  # a capture without disk space leaves an empty file
            return latest
    return 0


def _latest(path: Path) -> int:
    latest = 0
    reader = LineReader(open_frames(path), _MAX_LINE_BYTES)
    try:
        while lines := reader.read(_LINES):
            latest = max([latest, *(_receive_time_ns(line) for line in lines[-2:])])
    finally:
        reader.close()
    return latest


def _receive_time_ns(line: bytes) -> int:
    try:
        return _decode(line).receive_time_ns
    except (msgspec.DecodeError, ValueError):
        return 0  # torn by a kill
