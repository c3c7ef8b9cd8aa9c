"""The file sink: one JSON line per notification, on disk before it counts as delivered."""

from pathlib import Path

from tickvol.alerts.notifications import Notice, encode_notice
from tickvol.storage.files import append_line, appending


class LineFile:
    """Appends to `path`; each line is ``{"idempotency_key":"...","notice":{...}}``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def deliver(self, notice: Notice, key: str) -> None:
        """Append and fsync; a line that cannot be written whole leaves nothing behind.

        Raises
        ------
        OSError
            If the line cannot be written.
        """
        text = b'{"idempotency_key":"%b","notice":%b}\n' % (key.encode(), encode_notice(notice))
        with appending(self._path, mode=0o600) as file:
            append_line(file, text)
