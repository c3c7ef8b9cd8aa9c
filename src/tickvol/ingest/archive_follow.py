"""The raw archive as a log that grows: whole files, then the file that the ingestor is writing, line by line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tickvol.core.errors import InputError
from tickvol.ingest.archive_reader import LineReader, LogBatch, decode_lines, frame_files, open_frames, source_name
from tickvol.ingest.frames import FrameDecoder, Layout, detect_layout


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the archive, numbered from 1; lines up to it are done."""

    source: str
    line: int


class FollowedArchive:
    """Batches of the archive's files in order of their names, which is the order of capture.

    Parameters
    ----------
    sources : filled with the names of the files, which `FrameColumns.source` counts.
    batch_size : lines a batch at most.
    """

    def __init__(self, raw_dir: Path, decoder: FrameDecoder, sources: list[str], *, batch_size: int) -> None:
        self.raw_dir = raw_dir
        self.sources = sources
        self._decoder = decoder
        self._batch_size = batch_size

    def files(self) -> dict[str, Path]:
        """Files by name without compression, sorted."""
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
        self, first: str | None, *, follow: bool, stopped: Callable[[], bool]
    ) -> Iterator[tuple[Place, LogBatch] | None]:
        """Batches from the file `first` on, each with the place of its last line; None when there is nothing new.

        Without `follow` it ends with the last file, else when `stopped` says so.
        """
        done: str | None = None
        name = first
        while not stopped():
            names = list(self.files())
            if name is None or name not in names:
                name = next((other for other in names if done is None or other > done), None)
            if name is not None:
                yield from self._file(name, follow=follow, stopped=stopped)
                done, name = name, None
            elif follow:
                yield None
            else:
                return

    def _file(self, name: str, *, follow: bool, stopped: Callable[[], bool]) -> Iterator[tuple[Place, LogBatch] | None]:
        path = self.files()[name]
        reader = LineReader(open_frames(path), self._decoder.max_line_bytes)
        self.sources.append(name)
        source, line, checked = len(self.sources) - 1, 1, False
        growing = follow and path.name == name
        try:
            while not stopped():
                over = not growing or self._is_over(name)
                lines = reader.poll(self._batch_size) if growing else reader.read(self._batch_size)
                if growing and over and not lines:
                    growing = False
                    continue
                if lines:
                    if not checked and detect_layout(lines) is not Layout.WRAPPED:
                        raise InputError(f"{path}: not written by ws-ingest; turn it into features by `tickvol replay`")
                    checked = True
                    torn = reader.cut_short
                    frames = decode_lines(self._decoder, lines, Layout.WRAPPED, name, source, line, torn=torn)
                    line += len(lines)
                    yield Place(name, line - 1), LogBatch(frames, bare=False)
                elif growing:
                    yield None
                else:
                    return
        finally:
            reader.close()

    def _is_over(self, name: str) -> bool:
        """A file ends when a later one exists or its packed form does."""
        files = self.files()
        return next(reversed(files)) > name or files.get(name, Path(name)).name != name
