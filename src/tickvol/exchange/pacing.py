"""Pacing of requests by a token bucket that all clients of a host share."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable

SLOW_S = 60.0
"""Duration of the slower pace after a 429, and the longest pause that `Retry-After` imposes on all clients."""
SLOW_FACTOR = 0.5


class TokenBucket:
    """A bucket of `burst` tokens that fills at `rate_per_s`; each request takes one, waiting until there is one.

    A full bucket alone would let `burst + rate_per_s` requests start within the first second. Here no second, wherever
    it begins, holds more than the greater of the two. Threads and clients may share a bucket.

    Parameters
    ----------
    clock : monotonic, in seconds.
    """

    def __init__(self, rate_per_s: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens = float(burst)
        self._filled_s = clock()
        self._slow_until_s = self._closed_until_s = -math.inf
        self._starts_s: deque[float] = deque(maxlen=max(burst, math.ceil(rate_per_s)))

    def take(self, within_s: float, *, ahead_s: float = 0.0) -> float | None:
        """Take a token and return the wait in seconds until the request may start.

        None, and no token is taken, if the wait would not be shorter than `within_s`. A request that cannot start
        before `ahead_s` from now waits from there on.
        """
        with self._lock:
            now_s = self._clock()
            self._fill(now_s)
            start_s = max(self._next_start_s(now_s), now_s + ahead_s)
            wait_s = start_s - now_s - ahead_s
            if wait_s >= within_s:
                return None
            self._tokens -= 1
            self._starts_s.append(start_s)
            return wait_s

    def slow_down(self, pause_s: float = 0.0) -> None:
        """Empty the bucket and fill it at half the rate for 60 s; nothing starts for `pause_s`, at most 60 s."""
        with self._lock:
            now_s = self._clock()
            self._fill(now_s)
            self._tokens = min(self._tokens, 0.0)
            self._slow_until_s = now_s + SLOW_S
            self._closed_until_s = max(self._closed_until_s, now_s + min(pause_s, SLOW_S))

    def _next_start_s(self, now_s: float) -> float:
        start_s = max(now_s + self._time_for(1 - self._tokens, now_s), self._closed_until_s)
        if len(self._starts_s) == self._starts_s.maxlen:
            start_s = max(start_s, self._starts_s[0] + 1.0)
        return max(start_s, self._starts_s[-1]) if self._starts_s else start_s

    def _time_for(self, tokens: float, now_s: float) -> float:
        """Seconds from `now_s` in which that many tokens flow in."""
        if tokens <= 0:
            return 0.0
        slow_per_s = self._rate_per_s * SLOW_FACTOR
        slow_s = max(self._slow_until_s - now_s, 0.0)
        if tokens <= slow_s * slow_per_s:
            return tokens / slow_per_s
        return slow_s + (tokens - slow_s * slow_per_s) / self._rate_per_s

    def _fill(self, now_s: float) -> None:
        slow_s = max(min(now_s, self._slow_until_s) - self._filled_s, 0.0)
        flowed = (slow_s * SLOW_FACTOR + (now_s - self._filled_s - slow_s)) * self._rate_per_s
        self._tokens = min(self._tokens + flowed, float(self._burst))
        self._filled_s = now_s
