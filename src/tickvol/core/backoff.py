"""Jittered exponential back-off."""

from collections.abc import Callable


class Backoff:
    """Waits after consecutive failures: ``min(initial * multiplier**n, maximum)``, times a draw from [1 - jitter, 1].

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
        """Start over after a success."""
        self._next_s = min(self._initial_s, self._maximum_s)

    def next_wait_s(self) -> float:
        """Seconds to wait before the next attempt."""
        wait_s = self._next_s * (1.0 - self._jitter * self._random())
        self._next_s = min(self._next_s * self._multiplier, self._maximum_s)
        return wait_s
