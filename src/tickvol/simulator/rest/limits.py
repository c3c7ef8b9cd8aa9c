"""The rate limit of the simulated REST exchange: a bucket of tokens, as Exchange documents it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

LIMITED = "Public rate limit exceeded"


@dataclass
class RateLimit:
    """10 requests per second with bursts of 15, by a lazily filled bucket; the answer beyond it is 429."""

    rate_per_s: float = 10.0
    burst: int = 15
    clock: Callable[[], float] = time.monotonic
    _tokens: float = field(init=False, default=0.0)
    _filled_s: float = field(init=False, default=0.0)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._tokens, self._filled_s = float(self.burst), self.clock()

    def admits(self) -> bool:
        """Take a token; False if there is none."""
        with self._lock:
            now_s = self.clock()
            self._tokens = min(self._tokens + (now_s - self._filled_s) * self.rate_per_s, float(self.burst))
            self._filled_s = now_s
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
