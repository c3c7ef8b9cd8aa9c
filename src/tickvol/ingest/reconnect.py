"""When to connect again: jittered exponential back-off, and a sliding window that bounds the connects of any second."""

from collections import deque
from collections.abc import Callable


class Backoff:
    """Wait n of a run of failures: ``min(initial * multiplier**n, maximum)``, times a draw from [1 - jitter, 1].

    Parameters
    ----------
    initial_s, maximum_s : first wait and cap before the jitter.
    random : uniform on [0, 1).
    """

    def __init__(
        self, *, initial_s: float, maximum_s: float, multiplier: float, jitter: float, random: Callable[[], float]
    ) -> None:
        self._initial_s = initial_s
        self._maximum_s = maximum_s
        self._multiplier = multiplier
        self._jitter = jitter
        self._random = random
        self.reset()

    def reset(self) -> None:
        """Start over: a connection has delivered data."""
        self._next_s = min(self._initial_s, self._maximum_s)

    def next_wait_s(self) -> float:
        """How long to wait before the next attempt."""
        wait_s = self._next_s * (1.0 - self._jitter * self._random())
        self._next_s = min(self._next_s * self._multiplier, self._maximum_s)
        return wait_s


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
        """How long a connect must still wait; 0 when it may go on."""
        if len(self._recent) < (self._recent.maxlen or 0):
            return 0.0
        return max(0.0, self._recent[0] + 1.0 - self._clock())

    def note(self) -> None:
        """A connect is made now."""
        self._recent.append(self._clock())
