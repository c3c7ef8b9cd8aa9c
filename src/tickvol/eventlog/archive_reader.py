"""Archives and recordings as one log: files of any layout, plain, `.gz` or `.zst`, merged in order of receive time."""

import gzip
import heapq
import logging
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import numpy as np
import zstandard
from numpy.typing import NDArray

from tickvol.core.errors import InputError
from tickvol.core.records import GapReason
from tickvol.eventlog.frame_columns import FrameColumns, Kind, Reject, control_row
from tickvol.eventlog.frames import FrameDecoder, Layout, detect_layout

SUFFIXES = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz", ".ndjson.zst", ".jsonl.zst")
_CHUNK = 1 << 20
_PACKED_CHUNK = 1 << 11
"""Packed bytes unpacked at once; zstandard expands up to 32,000-fold, so this bounds the memory for a hostile file."""
_PEEK_LINES = 64
_BROKEN = (EOFError, OSError, zlib.error, zstandard.ZstdError)

logger = logging.getLogger(__name__)


def source_name(path: Path) -> str:
    """A file's name without its compression suffix, as used in dead-letter records and progress."""
    return path.name.removesuffix(".gz").removesuffix(".zst")


def source_names(files: Sequence[Path]) -> list[str]:
    """A unique name for each file; files of one name from several directories are numbered (`a`, `a~2`)."""
    seen: Counter[str] = Counter()
    names = []
    for path in files:
        name = source_name(path)
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}~{seen[name]}")
    return names


def frame_files(directory: Path) -> list[Path]:
    """Frame files of a directory, sorted by name; if a plain one and its packed copy both exist, the packed one."""
    found = {source_name(path): path for path in sorted(directory.iterdir()) if path.name.endswith(SUFFIXES)}
    return [found[name] for name in sorted(found)]


def archive_files(paths: Sequence[Path]) -> list[Path]:
    """The given files, and the frame files in the given directories, sorted by name.

    Raises
    ------
    InputError
        If a path does not exist, cannot be read, or a directory holds no frame file.
    """
    files: list[Path] = []
    for path in paths:
        try:
            if path.is_dir():
                inside = frame_files(path)
                if not inside:
                    raise InputError(
                        f"--data-file: {path}: holds no file ending in {', '.join(SUFFIXES[:2])} (.gz, .zst)"
                    )
                files += inside
            else:
                path.open("rb").close()
                files.append(path)
        except FileNotFoundError:
            raise InputError(f"--data-file: {path}: no such file or directory") from None
        except PermissionError:
            raise InputError(f"--data-file: {path}: no permission to read it") from None
    return files


def newest_capture(raw_dir: Path) -> list[Path]:
    """All files of the latest capture; their names start with its id and an underscore."""
    if not raw_dir.is_dir():
        raise InputError(
            f"ingestion.raw_dir: {raw_dir}: no such directory; capture something by `tickvol ws-ingest` first"
        )
    files = archive_files([raw_dir])
    newest = max(path.name.partition("_")[0] for path in files)
    return [path for path in files if path.name.partition("_")[0] == newest]


def open_frames(path: Path) -> "ByteStream":
    """The uncompressed bytes of a file."""
    if path.name.endswith(".gz"):
        return gzip.open(path, "rb")
    if path.name.endswith(".zst"):
        return _ZstdStream(path)
    return path.open("rb")


def why_unreadable(path: Path) -> str | None:
    """Error that prevents reading a file to its end; None if there is none."""
    try:
        with closing(open_frames(path)) as stream:
            while stream.read1(_CHUNK):
                pass
    except _BROKEN as error:
        return str(error) or type(error).__name__
    return None


class ByteStream(Protocol):
    """A byte stream, as returned by `open_frames`."""

    def read1(self, size: int, /) -> bytes:
        """Read about `size` bytes, as many as one read of the source gives; none at the end."""

    def close(self) -> None:
        """Close the file."""


class _ZstdStream:
    """Zstandard reader that, unlike the library's, reports a file ending inside a frame and unpacks little at once."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._packed = b""
        self._whole = True

    def read1(self, size: int, /) -> bytes:
        while packed := self._packed or self._file.read(_PACKED_CHUNK):
            plain = self._frame.decompress(packed)
            self._whole, self._packed = self._frame.eof, self._frame.unused_data
            if self._whole:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            if plain:
                return plain
        if not self._whole:
            raise EOFError("the file ends inside a zstandard frame")
        return b""

    def close(self) -> None:
        self._file.close()


class LineReader:
    """Lines of a stream, many at a time; a line beyond the limit is truncated, so memory stays bounded.

    `torn` is True if the last line has no line feed; `broken` is the error that ended the stream early.
    """

    def __init__(self, stream: ByteStream, max_line_bytes: int) -> None:
        self._stream = stream
        self._limit = max_line_bytes + 1
        self._rest = b""
        self._lines: list[bytes] = []
        self.torn = False
        self.broken: str | None = None
        self.ended = False

    def read(self, count: int) -> list[bytes]:
        """Read at most `count` lines without their line feeds; fewer only at the end of the stream."""
        while len(self._lines) < count and not self.ended:
            try:
                chunk = self._stream.read1(_CHUNK)
            except _BROKEN as error:
                self.broken, chunk = str(error) or type(error).__name__, b""
            if not chunk:
                self.ended = True
                if self._rest:
                    self._lines.append(self._rest)
                    self.torn = True
                self._rest = b""
                break
            self._take(chunk)
        given, self._lines = self._lines[:count], self._lines[count:]
        return given

    def poll(self, count: int) -> list[bytes]:
        """Read at most `count` whole lines of a file that may still grow."""
        if not self._lines:
            if chunk := self._stream.read1(_CHUNK):
                self._take(chunk)
            elif self._rest:
                self._forget_what_was_cut_off()
        given, self._lines = self._lines[:count], self._lines[count:]
        return given

    def _forget_what_was_cut_off(self) -> None:
        """Drop a partial line that the file no longer holds: a capture cuts it off again if the disk is full."""
        file = cast("BinaryIO", self._stream)
        size = os.fstat(file.fileno()).st_size
        if size < file.tell():
            self._rest = b""
            file.seek(size)

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    @property
    def cut_short(self) -> bool:
        """True if the line returned last is the final one of a stream that ends without a line feed."""
        return self.ended and self.torn and not self._lines

    def _take(self, chunk: bytes) -> None:
        lines = (self._rest + chunk if self._rest else chunk).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > self._limit:
            self._rest = self._rest[: self._limit]
        self._lines += lines


@dataclass(slots=True)
class LogBatch:
    """Rows of one file that come next in the log."""

    frames: FrameColumns
    bare: bool


@dataclass
class _Cursor:
    """Position of the merge in one file."""

    path: Path
    name: str
    source: int
    layout: Layout
    head_time: int
    reader: LineReader | None = None
    frames: FrameColumns | None = None
    times: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    position: int = 0
    line_number: int = 1
    latest: int = 0


class MergedLog:
    """Several files as one log, in order of receive time (exchange time if there is none).

    Each file keeps its own order. A bare file begins with the opening of its connection and ends with its closing, as
    its recorder was down between files.
    """

    def __init__(self, files: Sequence[Path], decoder: FrameDecoder, *, batch_size: int) -> None:
        self.files = list(files)
        self.unreadable: list[str] = []
        self._decoder = decoder
        self._batch_size = batch_size

    def __iter__(self) -> Iterator[LogBatch]:
        heap: list[tuple[int, int, _Cursor]] = []
        for source, (path, name) in enumerate(zip(self.files, source_names(self.files), strict=True)):
            layout, head_time = self._peek(path)
            heapq.heappush(heap, (head_time, source, _Cursor(path, name, source, layout, head_time)))
        while heap:
            _, source, cursor = heapq.heappop(heap)
            limit, other = (heap[0][0], heap[0][1]) if heap else (np.iinfo(np.int64).max, len(self.files))
            yield from self._advance(cursor, limit, inclusive=source < other)
            if cursor.frames is not None:
                heapq.heappush(heap, (cursor.head_time, source, cursor))

    def _peek(self, path: Path) -> tuple[Layout, int]:
        with closing(open_frames(path)) as stream:
            reader = LineReader(stream, self._decoder.max_line_bytes)
            lines = reader.read(_PEEK_LINES)
        layout = detect_layout(lines)
        frames = FrameDecoder((), self._decoder.max_line_bytes).decode(lines, layout)
        known = frames.receive_time_ns[frames.receive_time_ns > 0]
        return layout, int(known[0]) if len(known) else 0

    def _advance(self, cursor: _Cursor, limit: int, *, inclusive: bool) -> Iterator[LogBatch]:
        bare = cursor.layout is not Layout.WRAPPED
        if cursor.reader is None:
            cursor.reader = LineReader(open_frames(cursor.path), self._decoder.max_line_bytes)
            cursor.latest = cursor.head_time
            if bare:
                yield LogBatch(self._control(cursor, Kind.OPENED), bare)
            self._fill(cursor)
        while cursor.frames is not None:
            end = int(np.searchsorted(cursor.times, limit, side="right" if inclusive else "left"))
            if end <= cursor.position:
                cursor.head_time = int(cursor.times[cursor.position])
                return
            yield LogBatch(cursor.frames.rows(cursor.position, end), bare)
            cursor.position = end
            if end == len(cursor.frames):
                self._fill(cursor)
        if bare:
            yield LogBatch(self._control(cursor, Kind.CLOSED), bare)

    def _fill(self, cursor: _Cursor) -> None:
        assert cursor.reader is not None
        lines = cursor.reader.read(self._batch_size)
        if cursor.reader.broken is not None and not lines:
            self.unreadable.append(f"{cursor.path}: {cursor.reader.broken}")
            logger.warning("unreadable rest file=%s error=%s", cursor.path, cursor.reader.broken)
            cursor.reader.broken = None
            lines = [b""]
            frames = self._control(cursor, Kind.REJECTED, Reject.UNREADABLE)
        elif lines:
            frames = decode_lines(
                self._decoder,
                lines,
                cursor.layout,
                cursor.name,
                cursor.source,
                cursor.line_number,
                torn=cursor.reader.cut_short,
            )
        else:
            cursor.reader.close()
            cursor.frames = None
            return
        times = np.maximum.accumulate(np.maximum(frames.receive_time_ns, cursor.latest))
        cursor.frames, cursor.times, cursor.position = frames, times, 0
        cursor.latest = int(times[-1])
        cursor.line_number += len(lines)

    def _control(self, cursor: _Cursor, kind: Kind, reason: int = int(GapReason.CAPTURE_DOWN)) -> FrameColumns:
        connection = self._decoder.connection(bare_connection(cursor.name))
        return control_row(kind, reason, connection, cursor.source, cursor.line_number, cursor.latest)


def bare_connection(name: str) -> str:
    """Connection id of a bare file; `name` as returned by `source_names`."""
    return f"file:{name}"


def decode_lines(
    decoder: FrameDecoder, lines: list[bytes], layout: Layout, name: str, source: int, first_line: int, *, torn: bool
) -> FrameColumns:
    """Decode lines of a file; an unreadable last line without a line feed is rejected as torn, not as invalid."""
    frames = decoder.decode(lines, layout, source=source, first_line=first_line, bare_connection=bare_connection(name))
    unreadable = (Reject.NOT_JSON, Reject.NOT_UTF8, Reject.BAD_FIELD)
    if torn and frames.kind[-1] == Kind.REJECTED and frames.reason[-1] in unreadable:
        frames.reason[-1] = Reject.TORN_LINE
    return frames
