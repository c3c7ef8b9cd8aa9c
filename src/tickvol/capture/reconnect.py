"""Rate limit of connects: a sliding window that bounds the connects of any second."""

from collections import deque
from collections.abc import Callable


class ConnectLimiter:
    """At most `max_per_s` connects in any window of one second.

    Parameters
    ----------
    clock : monotonic seconds.
    """

    def __init__(self, max_per_s: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=max_per_s)

    def wait_s(self) -> float:
        """Seconds that a connect must still wait; 0 if it may go on."""
        if len(self._recent) < (self._recent.maxlen or 0):
            return 0.0
        return max(0.0, self._recent[0] + 1.0 - self._clock())

    def note(self) -> None:
        """Record a connect made now."""
        self._recent.append(self._clock())
