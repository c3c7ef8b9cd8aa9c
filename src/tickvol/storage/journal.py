"""A ledger: append-only JSON lines, each with the SHA-256 of the previous one, and a head file.

    {"content":{...},"kind":"promoted","number":2,"previous":"9f2c...","sha256":"41aa..."}

`sha256` is the hash of the line without this field, `previous` the hash of the previous line (64 zeros in the first).
An edited line no longer matches its own hash; a deleted, inserted or moved one breaks the chain and the count. No
further line would show that the last ones are missing: so the head, a file next to the ledger, holds the number of
lines and the last hash.

A line is written in three steps, each of them on disk before the next: the head records the whole line as pending, the
line is appended, the head counts it. After a kill at any point, the next writer completes the pending line by
appending.

What cannot be detected: a process that may write both ledger and head can compute a whole new chain, or delete both.
Only a copy of a hash out of its reach would show that; the applications put some into MLflow's tags.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tickvol.core.errors import LedgerBroken
from tickvol.storage.files import append, appending, exclusive, write_atomically

_START = "0" * 64
_NEXT = "nothing is appended to it; keep it as evidence and move it away with its head to begin a new one"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a ledger.

    Attributes
    ----------
    number : of the line, from 1.
    kind : the event, e.g. `promoted`.
    content : plain JSON values.
    previous, sha256 : hashes of the previous line and of this one.
    """

    number: int
    kind: str
    content: Mapping[str, Any]
    previous: str
    sha256: str


@dataclass(frozen=True, slots=True)
class _Head:
    """Length and last hash of the ledger, and the line that is about to be appended."""

    lines: int = 0
    size_bytes: int = 0
    sha256: str = _START
    pending: str = ""


@dataclass(frozen=True, slots=True)
class JournalContent:
    """Entries up to the first invalid line, and the problem there; None if all lines are valid."""

    entries: tuple[Entry, ...] = ()
    problem: str | None = None


class Ledger:
    """An append-only ledger in one file; several processes may append, one at a time.

    Parameters
    ----------
    path : the file, by custom `NAME.jsonl`; directory and file are created by the first entry.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head_path = path.with_name(f"{path.name}.head")
        self._lock_path = path.with_name(f"{path.name}.lock")

    def append(self, kind: str, content: Mapping[str, Any]) -> Entry:
        """Add a line; it is on disk when this returns.

        Parameters
        ----------
        content : plain JSON values, numbers finite; include the time, as no clock is read here.

        Raises
        ------
        LedgerBroken
            If the end of the file does not match the head; `verify` checks all of it.
        """
        with exclusive(self._lock_path):
            head = self._finish_pending(self._read_head())
            entry = _entry(head.lines + 1, kind, content, head.sha256)
            line = _encode(entry)
            announced = replace(head, pending=line.decode())
            self._write_head(announced)
            self._extend(line)
            self._write_head(_after(announced))
        return entry

    def entries(self) -> tuple[Entry, ...]:
        """All lines.

        Raises
        ------
        LedgerBroken
            As `verify`.
        """
        reading = self.read()
        if reading.problem is not None:
            raise LedgerBroken(f"{reading.problem}; {_NEXT}")
        return reading.entries

    def verify(self) -> int:
        """Check all lines and return their number.

        Raises
        ------
        LedgerBroken
            Names the first invalid line.
        """
        return len(self.entries())

    def read(self) -> JournalContent:
        """Read the valid entries and the first problem: for reports that must show a broken ledger too."""
        if not self.path.parent.is_dir():
            return JournalContent()
        with exclusive(self._lock_path):
            try:
                head = self._read_head()
                content = self.path.read_bytes() if self.path.exists() else b""
            except LedgerBroken as error:
                return JournalContent(problem=str(error))
        pending = head.pending.encode()
        behind = content[head.size_bytes :]
        if pending and pending.startswith(behind):  # a writer was killed; a partial line does not count
            content, head = (content, _after(head)) if behind == pending else (content[: head.size_bytes], head)
        return self._check(content, head)

    def _check(self, content: bytes, head: _Head) -> JournalContent:
        entries: list[Entry] = []
        last = _START
        for number, line in enumerate(content.removesuffix(b"\n").split(b"\n") if content else [], 1):
            found = _decode(line, number, last)
            if isinstance(found, str):
                return JournalContent(tuple(entries), f"{self.path}: line {number}: {found}")
            entries.append(found)
            last = found.sha256
        return JournalContent(tuple(entries), self._against_head(len(entries), len(content), last, head))

    def _against_head(self, lines: int, size_bytes: int, last: str, head: _Head) -> str | None:
        if lines < head.lines:
            return f"{self.path}: line {lines + 1}: is gone, the head counts {head.lines} lines"
        if lines > head.lines:
            return f"{self.path}: line {head.lines + 1}: was not counted, the head ends before it"
        if last != head.sha256 or size_bytes != head.size_bytes:
            return f"{self.path}: line {lines}: is not the one that the head names ({head.sha256[:12]}...)"
        return None

    def _read_head(self) -> _Head:
        if not self.head_path.exists():
            if self.path.exists() and self.path.stat().st_size:
                raise LedgerBroken(f"{self.path}: its head {self.head_path.name} is gone, so lines may be too; {_NEXT}")
            return _Head()
        try:
            return _Head(**json.loads(self.head_path.read_bytes()))
        except (ValueError, TypeError):
            raise LedgerBroken(f"{self.head_path}: is no head of a ledger; {_NEXT}") from None

    def _finish_pending(self, head: _Head) -> _Head:
        """Complete the line that a killed writer had begun; check that the file ends where the head says."""
        found = self._tail(head.size_bytes)
        pending = head.pending.encode()
        if found is None or not pending.startswith(found):
            raise LedgerBroken(f"{self.path}: does not end with line {head.lines}, as its head says; {_NEXT}")
        if not pending:
            return head
        self._extend(pending[len(found) :])
        self._write_head(_after(head))
        return _after(head)

    def _tail(self, size_bytes: int) -> bytes | None:
        """Bytes after the counted lines; None if the file is shorter."""
        if not self.path.exists():
            return b"" if size_bytes == 0 else None
        with self.path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < size_bytes:
                return None
            file.seek(size_bytes)
            return file.read()

    def _extend(self, line: bytes) -> None:
        with appending(self.path) as file:
            append(file, line)

    def _write_head(self, head: _Head) -> None:
        fields = {name: getattr(head, name) for name in _Head.__slots__}
        write_atomically(self.head_path, json.dumps(fields) + "\n")


def _after(head: _Head) -> _Head:
    """The head once its pending line is appended."""
    entry = json.loads(head.pending)
    return _Head(entry["number"], head.size_bytes + len(head.pending.encode()), entry["sha256"])


def _json(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _entry(number: int, kind: str, content: Mapping[str, Any], previous: str) -> Entry:
    values = {"number": number, "kind": kind, "content": dict(content), "previous": previous}
    return Entry(number, kind, json.loads(_json(content)), previous, hashlib.sha256(_json(values)).hexdigest())


def _encode(entry: Entry) -> bytes:
    return _json({name: getattr(entry, name) for name in Entry.__slots__}) + b"\n"


def _decode(line: bytes, number: int, previous: str) -> Entry | str:
    """The entry, or the reason why the line is none."""
    try:
        values = json.loads(line)
        found = Entry(**values)
        again = _entry(found.number, found.kind, found.content, found.previous)
    except (ValueError, TypeError):
        return "is no entry"
    if _encode(again) != line + b"\n":
        return "does not fit its own SHA-256: it was edited"
    if found.number != number:
        return f"is number {found.number}: a line was deleted, inserted or moved"
    if found.previous != previous:
        return f"does not follow line {number - 1}: that one was edited, or one between them is gone"
    return found
