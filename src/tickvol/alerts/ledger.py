"""The ledger of alerts: an append-only file of JSON lines, written before anything is sent.

Several processes may use it. A writer holds an exclusive lock and has read all earlier lines; a line is on disk (fsync)
before the lock is released. The unfinished text of a killed writer becomes an unreadable line of its own, which is
counted, logged and otherwise skipped, since its writer had not sent anything yet.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import msgspec

from tickvol.alerts.book import Book, Line
from tickvol.core.errors import DiskFull
from tickvol.storage.files import append_line, appending, is_disk_full

logger = logging.getLogger(__name__)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


class AlertLedger:
    """The file at `path`, created at the first write; `book` is the state folded from its lines so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.book = Book()
        self.unreadable = 0
        self._read_bytes = 0

    def refresh(self) -> Book:
        """Read the lines added since the last call; an unfinished last line is left until it is complete."""
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as source:
            self._read(source.fileno())
        return self.book

    @contextlib.contextmanager
    def writing(self) -> "Iterator[Writer]":
        """Lock the ledger and update its book; other writers wait meanwhile.

        Raises
        ------
        DiskFull
            If there is no disk space for a line; no part of the line is left behind.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with appending(self.path, mode=0o600) as file:
            self._read(file.fileno())
            yield Writer(self, file)

    def _read(self, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        content = os.pread(descriptor, size - self._read_bytes, self._read_bytes) if size > self._read_bytes else b""
        whole, newline, _ = content.rpartition(b"\n")
        self._read_bytes += len(whole) + len(newline)
        for text in whole.split(b"\n") if newline else ():
            try:
                self.book.add(_decode(text))
            except (msgspec.DecodeError, ValueError, RecursionError) as error:
                self.unreadable += 1
                logger.warning("%s: a line cannot be read and is passed over: %s: %.120r", self.path, error, text)


class Writer:
    """Adds lines while `AlertLedger.writing` holds the lock."""

    def __init__(self, ledger: AlertLedger, file: FileIO) -> None:
        self._ledger = ledger
        self._file = file

    def add(self, line: Line) -> None:
        """Append one line; it is on disk when this returns."""
        try:
            append_line(self._file, _encode(line) + b"\n")
        except OSError as error:
            if not is_disk_full(error):
                raise
            raise DiskFull(f"{self._ledger.path}: no room; free disk space, then run `tickvol alerts flush`") from error
        self._ledger._read(self._file.fileno())
