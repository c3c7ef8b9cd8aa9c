"""Log of the requests that the simulated REST exchange received, and of what it answered."""

import threading
from collections import deque
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tickvol.storage.files import append_line, appending


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request.

    Attributes
    ----------
    time_s : by the exchange's clock. arrived_s : by a monotonic clock, for rates.
    window_s : first and last opening time asked for. status : of the answer, 0 for none.
    rows : candles, levels or trades in the answer. faults : names of the faults that hit it.
    no_cache : whether the client asked to bypass caches.
    """

    time_s: float
    arrived_s: float
    path: str
    query: dict[str, str]
    product_id: str
    window_s: tuple[int, int] | None
    status: int
    rows: int
    faults: tuple[str, ...]
    no_cache: bool


class RequestLog:
    """Requests in order of arrival, in memory and, as one JSON object a line, in a file."""

    def __init__(self, path: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._requests: list[LoggedRequest] = []
        self._open = ExitStack()
        self._file = self._open.enter_context(appending(path)) if path else None

    def close(self) -> None:
        """Close the file."""
        self._open.close()

    def add(self, request: LoggedRequest) -> None:
        """Log a request."""
        with self._lock:
            self._requests.append(request)
            if self._file is not None:
                append_line(self._file, msgspec.json.encode(request) + b"\n")

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """All requests so far."""
        with self._lock:
            return tuple(self._requests)

    def most_in_a_second(self) -> int:
        """The greatest number of requests that arrived within any one second."""
        most, recent = 0, deque[float]()
        for arrived_s in sorted(request.arrived_s for request in self.requests):
            recent.append(arrived_s)
            while recent[0] <= arrived_s - 1.0:
                recent.popleft()
            most = max(most, len(recent))
        return most
