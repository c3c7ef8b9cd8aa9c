"""Dead letters: input that gave no record or came too late, one JSON line each, in one file per file of the log.

    {"source":"a.ndjson","line":17,"reason":"crossed_quotes","bytes":312,"text":"{\\"channel\\":..."}

A file is a pure function of its source, so a run that was interrupted and restarted ends with the same bytes.
"""

import base64
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tickvol.storage.files import write_atomically

MAX_TEXT_BYTES = 4096

logger = logging.getLogger(__name__)


class DeadLetter(NamedTuple):
    """A dead-letter record of one line of the log; `text` is cut at MAX_TEXT_BYTES, the archive has the whole."""

    source: str
    line: int
    reason: str
    text: bytes


def _encode(letter: DeadLetter) -> str:
    about: dict[str, object] = {"source": letter.source, "line": letter.line, "reason": letter.reason}
    about["bytes"] = len(letter.text)
    text = letter.text[:MAX_TEXT_BYTES]
    try:
        about["text"] = text.decode()
    except UnicodeDecodeError:
        about["text_base64"] = base64.b64encode(text).decode()
    return json.dumps(about, separators=(",", ":"))


class DeadLetterWriter:
    """Collects dead-letter records and replaces the files of their sources."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._letters: dict[str, set[tuple[int, str, str]]] = {}
        self._dirty: set[str] = set()

    def add(self, letters: Iterable[DeadLetter]) -> None:
        """Add records in any order, known ones included."""
        for letter in letters:
            if letter.source not in self._letters:
                self._letters[letter.source] = self._read(letter.source)
            self._letters[letter.source].add((letter.line, letter.reason, _encode(letter)))
            self._dirty.add(letter.source)

    def flush(self) -> None:
        """Replace the changed files, each sorted by line and reason."""
        for source in sorted(self._dirty):
            self.root.mkdir(parents=True, exist_ok=True)
            lines = [text for _, _, text in sorted(self._letters[source])]
            write_atomically(self.root / source, "\n".join(lines) + "\n", durable=False)
        self._dirty.clear()
        while len(self._letters) > 2:  # a log still adds only to the newest two
            del self._letters[next(iter(self._letters))]

    def _read(self, source: str) -> set[tuple[int, str, str]]:
        path = self.root / source
        if not path.exists():
            return set()
        known = set()
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            try:
                text = line.decode()
                about = json.loads(text) if text else None
                if about is not None:
                    known.add((int(about["line"]), str(about["reason"]), text))
            except (ValueError, KeyError, TypeError):
                logger.warning("damaged dead-letter record dropped file=%s line=%d", path, number)
        return known
