"""The raw archive as a growing log: whole files, then the file that the ingestor is writing, line by line."""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tickvol.core.errors import InputError
from tickvol.eventlog.archive_reader import (
    LineReader,
    LogBatch,
    bare_connection,
    decode_lines,
    frame_files,
    open_frames,
    source_name,
)
from tickvol.eventlog.archive_upkeep import is_written
from tickvol.eventlog.frame_columns import Kind, Reject, control_row
from tickvol.eventlog.frames import FrameDecoder, Layout, detect_layout

logger = logging.getLogger(__name__)

LOOK_S = 0.2
"""Interval of searches of the directory for the next file; the open file itself is read at every call."""


@dataclass(frozen=True, slots=True)
class LinePosition:
    """Position in the archive: a line, numbered from 1; lines up to it are done."""

    source: str
    line: int


@dataclass(slots=True)
class _OpenFile:
    """A file being read; `line` is the number of its next line, `latest_ns` the latest receive time so far."""

    path: Path
    name: str
    source: int
    reader: LineReader
    line: int = 1
    checked: bool = False
    latest_ns: int = 0


class FollowedArchive:
    """Batches of the archive's files in order of their names, which is the order of capture.

    Parameters
    ----------
    sources : filled with the names of the files; `FrameColumns.source` indexes it.
    batch_size : maximum number of lines in a batch.
    """

    def __init__(self, raw_dir: Path, decoder: FrameDecoder, sources: list[str], *, batch_size: int) -> None:
        self.raw_dir = raw_dir
        self.sources = sources
        self._decoder = decoder
        self.unreadable: set[str] = set()
        """Files that could not be read to their end."""
        self._batch_size = batch_size
        self._looked = 0.0

    def files(self) -> dict[str, Path]:
        """Files by name without the compression suffix, sorted."""
        return {source_name(path): path for path in frame_files(self.raw_dir)}

    def start_for(self, time_ns: int) -> str | None:
        """The newest file that begins at or before an event time, else the oldest."""
        names = list(self.files().items())
        for name, path in reversed(names):
            first = self._first_event_time(path)
            if first is not None and first <= time_ns:
                return name
        return names[0][0] if names else None

    def _first_event_time(self, path: Path) -> int | None:
        reader = LineReader(open_frames(path), self._decoder.max_line_bytes)
        lines = reader.read(64)
        reader.close()
        times = FrameDecoder((), self._decoder.max_line_bytes).decode(lines, Layout.WRAPPED).event_time_ns
        known = times[times > 0]
        return int(known[0]) if len(known) else None

    def batches(
        self,
        first: str | None,
        *,
        follow: Callable[[], bool],
        stopped: Callable[[], bool],
        after: LinePosition | None = None,
    ) -> Iterator[tuple[LinePosition, LogBatch] | None]:
        """Batches from the file `first` on (None: the oldest), each with the position of its last line.

        Yields None while there is nothing new. Ends when `stopped` returns True, or at the last line of the last file
        once `follow` returns False. `after` replaces `first`: its file is the first, and lines up to it are skipped.
        """
        done = None if after is None else after.source
        name = first if after is None else after.source
        while not stopped():
            following = follow()  # asked before looking: what has come until then is still found
            names = list(self.files())
            if name is None or name not in names:
                name = next((other for other in names if done is None or other > done), None)
            if name is not None:
                skip = after.line if after is not None and after.source == name else 0
                yield from self._file(name, skip, follow=follow, stopped=stopped)
                done, name = name, None
            elif following:
                yield None
            else:
                return

    def _file(
        self, name: str, skip: int, *, follow: Callable[[], bool], stopped: Callable[[], bool]
    ) -> Iterator[tuple[LinePosition, LogBatch] | None]:
        newest = next(reversed(self.files()))
        file = self._open(name)
        growing, over, idle = file.path.name == name == newest and follow(), False, False
        try:
            while not stopped():
                if growing and idle and not over:  # asked before the last read: what was written until then is found
                    over = not follow() or self._is_over(name)
                reader = file.reader
                lines = reader.poll(self._batch_size) if growing else reader.read(self._batch_size)
                idle = not lines
                if over and idle and growing:
                    growing = False
                    continue
                if lines:
                    yield from self._decode(file, lines, skip)
                elif growing:
                    yield None
                else:
                    yield from self._unreadable_rest(file, skip)
                    return
        finally:
            file.reader.close()

    def _decode(self, file: "_OpenFile", lines: list[bytes], skip: int) -> Iterator[tuple[LinePosition, LogBatch]]:
        """Decode the next lines of a file, except those up to line `skip`."""
        if not file.checked and detect_layout(lines) is not Layout.WRAPPED:
            raise InputError(f"{file.path}: not written by ws-ingest; turn it into features by `tickvol replay`")
        file.checked = True
        torn = file.reader.cut_short
        if torn and is_written(file.path):  # the rest of this line is being written; it is for the next reader
            lines, torn = lines[:-1], False
        begin, file.line = file.line, file.line + len(lines)
        fresh = lines[max(skip - begin + 1, 0) :]
        if fresh:
            begin = file.line - len(fresh)
            frames = decode_lines(self._decoder, fresh, Layout.WRAPPED, file.name, file.source, begin, torn=torn)
            file.latest_ns = max(file.latest_ns, int(frames.receive_time_ns.max()))
            yield LinePosition(file.name, file.line - 1), LogBatch(frames, bare=False)

    def _unreadable_rest(self, file: "_OpenFile", skip: int) -> Iterator[tuple[LinePosition, LogBatch]]:
        """One rejected line in place of the rest of a damaged file, as in `MergedLog`."""
        if file.reader.broken is None:
            return
        self.unreadable.add(file.name)
        if skip < file.line:
            logger.error("%s: the rest cannot be read (%s), a dead letter says so", file.path, file.reader.broken)
            connection = self._decoder.connection(bare_connection(file.name))
            reason = int(Reject.UNREADABLE)
            frames = control_row(Kind.REJECTED, reason, connection, file.source, file.line, file.latest_ns)
            yield LinePosition(file.name, file.line), LogBatch(frames, bare=False)

    def _open(self, name: str) -> "_OpenFile":
        if name not in self.sources:
            self.sources.append(name)
        while True:
            path = self.files()[name]
            with contextlib.suppress(FileNotFoundError):  # packed meanwhile: it exists under its other name
                reader = LineReader(open_frames(path), self._decoder.max_line_bytes)
                return _OpenFile(path, name, self.sources.index(name), reader)

    def _is_over(self, name: str) -> bool:
        """True if the file is complete: a later one exists, or its packed form; checked every `LOOK_S`."""
        if time.monotonic() - self._looked < LOOK_S:
            return False
        self._looked = time.monotonic()
        files = self.files()
        return next(reversed(files)) > name or files.get(name, Path(name)).name != name
