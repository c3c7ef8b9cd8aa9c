"""The raw archive: each received frame and each connection event as one line, written before anything else is done.

A capture writes `<capture>_<hour>.ndjson` and starts the next file with the first line of the next hour. Closed files
are packed to `.ndjson.gz` by a thread, so that capture never waits, and deleted when they are too old. The writer of a
plain file holds a lock on it; a plain file without a lock was left by a killed capture and is packed as it is.
"""

import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from tickvol.core.errors import DiskFull, WorkError
from tickvol.core.records import GapReason
from tickvol.core.times import NS_PER_HOUR, NS_PER_S
from tickvol.eventlog.archive_lines import Control, control_line, frame_line
from tickvol.eventlog.archive_upkeep import delete_old, pack, pack_leftovers
from tickvol.storage.files import is_disk_full, lock

log = logging.getLogger(__name__)

LOCK_NAME = ".capture.lock"
CAPTURE_ID = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class ArchiveSpec:
    """Location and retention of the archive."""

    raw_dir: Path
    raw_keep_days: int
    min_free_disk_mb: int
    spool: bool = False
    """True if unpublished files must be kept."""


@dataclass
class ArchiveCounts:
    """Counts of what one capture wrote; `lines` is the sum of `frames` and `control_lines`.

    `lines_before` : by file name, the number of lines in this capture's earlier files.
    """

    frames: int = 0
    control_lines: int = 0
    bytes: int = 0
    files: int = 0
    lines_before: dict[str, int] = field(default_factory=dict)

    @property
    def lines(self) -> int:
        """Lines of both kinds."""
        return self.frames + self.control_lines


class RawArchive:
    """Writer of one capture; every line is with the operating system when its method returns.

    Parameters
    ----------
    on_line : called with each line after it was written.
    """

    def __init__(self, spec: ArchiveSpec, on_line: Callable[[bytes], None] | None = None) -> None:
        self.counts = ArchiveCounts()
        self.capture_id = ""
        self._spec = spec
        self._on_line = on_line
        self._descriptor = -1
        self._entrance = -1
        self._path = Path()
        self._hour = -1
        self._size = 0
        self._open_connections: dict[str, tuple[list[str], str]] = {}
        self._packer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="archive-packer")

    def start(self, now_ns: int, products: list[str], *, alone: bool = False) -> None:
        """Take a free capture id, open its first file and pack files that killed captures left.

        Captures of one directory may run at the same time unless one needs it `alone`, as publishing does.

        Raises
        ------
        WorkError
            If the directory cannot be created or written.
        """
        try:
            self._spec.raw_dir.mkdir(parents=True, exist_ok=True)
            self._enter(alone=alone)
            self._take_capture_id(now_ns)
        except OSError as error:
            raise self._unwritable(self._spec.raw_dir, error) from None
        self._packer.submit(pack_leftovers, self._spec.raw_dir)
        self._delete_old(now_ns)
        self._control(control_line(now_ns, Control.CAPTURE_STARTED, products=products))

    def _enter(self, *, alone: bool) -> None:
        self._entrance = os.open(self._spec.raw_dir / LOCK_NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if not lock(self._entrance, shared=not alone, wait=False):
            raise WorkError(
                f"raw_dir: {self._spec.raw_dir}: another capture writes it, and one of the two publishes it to Kafka;"
                " name another directory by --raw-dir or stop the other one"
            )

    def write_frame(self, receive_time_ns: int, connection_id: str, frame: str | bytes) -> None:
        """Write one frame as received."""
        self._rotate_if_due(receive_time_ns)
        self._append(frame_line(receive_time_ns, connection_id, frame))
        self.counts.frames += 1

    def connection_opened(self, now_ns: int, connection_id: str, products: list[str], url: str) -> None:
        """Record that a connection was opened, before its first frame."""
        self._rotate_if_due(now_ns)
        self._open_connections[connection_id] = (products, url)
        line = control_line(now_ns, Control.CONNECTION_OPENED, connection_id=connection_id, products=products, url=url)
        self._control(line)

    def connection_closed(self, now_ns: int, connection_id: str, reason: GapReason) -> None:
        """Record that a connection has ended."""
        self._rotate_if_due(now_ns)
        self._open_connections.pop(connection_id, None)
        self._control(control_line(now_ns, Control.CONNECTION_CLOSED, connection_id=connection_id, reason=reason))

    def stop(self, now_ns: int) -> None:
        """Write the last line, close and pack; returns when all files are packed."""
        try:
            if self._descriptor >= 0:
                self._rotate_if_due(now_ns)
                self._control(control_line(now_ns, Control.CAPTURE_STOPPED))
        finally:
            self._close_file()
            self._packer.shutdown(wait=True)
            if self._entrance >= 0:
                os.close(self._entrance)

    def free_disk_mb(self) -> float:
        """Free disk space at the archive, MB."""
        return shutil.disk_usage(self._spec.raw_dir).free / 1e6

    def warn_if_short(self) -> bool:
        """Log a warning and return True if less than `min_free_disk_mb` is free."""
        free_mb = self.free_disk_mb()
        short = free_mb < self._spec.min_free_disk_mb
        if short:
            log.warning(
                "raw_dir %s: %.0f MB free, below ingestion.min_free_disk_mb (%d): free space or capture will end",
                self._spec.raw_dir,
                free_mb,
                self._spec.min_free_disk_mb,
            )
        return short

    def _take_capture_id(self, now_ns: int) -> None:
        """Use the second of the start, or the first one after all captures in the directory.

        So names sort in order of capture even if the clock was set back.
        """
        second = now_ns // NS_PER_S
        taken = {path.name.partition("_")[0] for path in self._spec.raw_dir.glob("*Z_*")}
        while True:
            self.capture_id = datetime.fromtimestamp(second, UTC).strftime(CAPTURE_ID)
            second += 1
            if taken and self.capture_id <= max(taken):
                second = max(second, _second_of(max(taken)) + 1)
                continue
            try:
                self._open_file(now_ns // NS_PER_HOUR)
            except FileExistsError:
                continue
            return

    def _open_file(self, hour: int) -> None:
        path = self._spec.raw_dir / f"{self.capture_id}_{_hour_text(hour)}Z.ndjson"
        while True:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
            lock(descriptor)
            if os.fstat(descriptor).st_nlink:
                break
            os.close(descriptor)  # another capture's packer was faster than our lock
        self._descriptor, self._path, self._hour, self._size = descriptor, path, hour, 0
        self.counts.files += 1
        self.counts.lines_before[path.name] = self.counts.lines

    def _close_file(self) -> None:
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        self._packer.submit(pack, self._path)

    def _rotate_if_due(self, now_ns: int) -> None:
        hour = now_ns // NS_PER_HOUR
        if hour <= self._hour and self._descriptor >= 0:  # after the clock was set back, the open file goes on
            return
        self._close_file()
        try:
            self._open_file(max(hour, self._hour))
        except OSError as error:
            raise self._unwritable(self._spec.raw_dir, error) from None
        self._delete_old(now_ns)
        for connection_id, (products, url) in self._open_connections.items():
            self._control(
                control_line(
                    now_ns, Control.CONNECTION_CONTINUED, connection_id=connection_id, products=products, url=url
                )
            )

    def _delete_old(self, now_ns: int) -> None:
        spec = self._spec
        self._packer.submit(delete_old, spec.raw_dir, spec.raw_keep_days, now_ns, spool=spec.spool)

    def _control(self, line: bytes) -> None:
        self._append(line)
        self.counts.control_lines += 1

    def _append(self, line: bytes) -> None:
        # Not `storage.files.append`, which would fsync every frame.
        try:
            written = os.write(self._descriptor, line)
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        except OSError as error:
            self._fail(error)
        self._size += len(line)
        self.counts.bytes += len(line)
        if self._on_line is not None:
            self._on_line(line)

    def _fail(self, error: OSError) -> NoReturn:
        """Cut the torn line off, so that the file stays whole; after a full disk, capture may go on."""
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            log.warning("%s: the last line is torn", self._path)
            self._close_file()
        if not is_disk_full(error):
            self._close_file()
        raise self._unwritable(self._path, error) from None

    def _unwritable(self, path: Path, error: OSError) -> WorkError:
        kind = DiskFull if is_disk_full(error) else WorkError
        return kind(
            f"raw_dir: {path}: cannot be written: {error.strerror or error}; free space or name another directory by "
            "--raw-dir: what was captured so far is kept"
        )


def _second_of(capture_id: str) -> int:
    try:
        return int(datetime.strptime(capture_id, CAPTURE_ID).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return 0


def _hour_text(hour: int) -> str:
    return datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y%m%dT%H")
