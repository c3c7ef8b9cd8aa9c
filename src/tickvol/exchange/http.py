"""The HTTP client of the project: one deadline for a whole call, retries, `Retry-After`, and pacing.

::

    with HttpClient(HttpRules(deadline_s=30.0, timeout_s=5.0, max_attempts=4, min_interval_s=0.1)) as client:
        response = client.request("GET", "https://api.exchange.coinbase.com/products", params={"limit": 10})

Importing this module loads no network code: httpx is imported with the first request.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from math import inf
from typing import TYPE_CHECKING, Self

from tickvol.core.errors import RequestFailed
from tickvol.exchange.http_rules import RETRY_STATUSES, Failure, HttpResponse, HttpRules, status_text

if TYPE_CHECKING:
    from tickvol.exchange.http_session import Call, Headers, Parameters, Session
    from tickvol.exchange.pacing import TokenBucket

__all__ = ["RETRY_STATUSES", "HttpClient", "HttpResponse", "HttpRules", "status_text"]

logger = logging.getLogger(__name__)


class HttpClient:
    """Send requests by `rules` and keep connections open between them; threads may share a client.

    Proxies named in the environment are not used. TLS trusts the certificates of the system, or of the file that
    `SSL_CERT_FILE` names.

    Parameters
    ----------
    pacing : a bucket that clients may share; each attempt takes a token, and a 429 slows all of them down.
    clock : monotonic seconds. now_s : Unix time, for a `Retry-After` that is a date. sleep : sleeps for given seconds.
    random : uniform on [0, 1), for the jitter.
    """

    def __init__(
        self,
        rules: HttpRules,
        *,
        pacing: "TokenBucket | None" = None,
        clock: Callable[[], float] = time.monotonic,
        now_s: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._rules = rules
        self._pacing = pacing
        self._clock = clock
        self._now_s = now_s
        self._sleep = sleep
        self._random = random
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._next_start_s = -inf

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            self._session.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: "Headers | Callable[[], Headers] | None" = None,
        params: "Parameters | None" = None,
    ) -> HttpResponse:
        """Send a request until it gets a response that need not be retried.

        Parameters
        ----------
        headers : a function is called for each attempt, for signatures that include the time.
        params : added to the query of `url`.

        Raises
        ------
        RequestFailed
            If attempts or time are used up, the server asks for too long a wait, the body is too large, or `url` or
            `headers` are not valid.
        """
        from tickvol.exchange.http_session import Call, parse_url

        return self._send(Call(method, parse_url(url, params), content, headers or {}))

    def _send(self, call: "Call") -> HttpResponse:
        from tickvol.exchange.http_session import place_of

        rules, end_s = self._rules, self._clock() + self._rules.deadline_s
        place = place_of(call.url, with_path=rules.shows_path)
        backoff = rules.backoff(self._random)
        attempts, wait_s, failure = 0, 0.0, Failure("not sent")
        while attempts < rules.max_attempts and self._wait(wait_s, end_s) and self._take_turn(end_s):
            attempts += 1
            outcome = self._opened().attempt(call, end_s)
            if isinstance(outcome, HttpResponse):
                return outcome
            failure = outcome
            if failure.status == HTTPStatus.TOO_MANY_REQUESTS and self._pacing is not None:
                self._pacing.slow_down(failure.retry_after_s)
            logger.info("%s: attempt %d of %d: %s", place, attempts, rules.max_attempts, failure.reason)
            if failure.is_final or failure.retry_after_s > rules.max_retry_after_s:
                break
            wait_s = max(backoff.next_wait_s(), failure.retry_after_s)
        reason = failure.reason + self._why_no_more(attempts, failure)
        raise RequestFailed(
            place,
            attempts,
            reason,
            retry_after_s=failure.retry_after_s,
            status=failure.status,
            body=failure.body,
        )

    def _why_no_more(self, attempts: int, failure: Failure) -> str:
        rules, asked_s = self._rules, failure.retry_after_s
        has_attempts = attempts < rules.max_attempts and not failure.is_final
        if asked_s > rules.max_retry_after_s or (asked_s and has_attempts):
            return f", asks for {asked_s:g} s"
        return f"; no time for {'another' if attempts else 'it'} within {rules.deadline_s:g} s" if has_attempts else ""

    def _wait(self, wait_s: float, end_s: float) -> bool:
        """Sleep and return True; False if no time would be left."""
        if self._clock() + wait_s >= end_s:
            return False
        if wait_s > 0:
            self._sleep(wait_s)
        return True

    def _take_turn(self, end_s: float) -> bool:
        """Sleep until the pacing allows an attempt and return True; False if no time would be left."""
        with self._lock:
            now_s = self._clock()
            start_s = max(now_s, self._next_start_s)
            if start_s >= end_s:
                return False
            wait_s = 0.0 if self._pacing is None else self._pacing.take(end_s - start_s, ahead_s=start_s - now_s)
            if wait_s is None:
                return False
            self._next_start_s = start_s + wait_s + self._rules.min_interval_s
        return self._wait(start_s + wait_s - now_s, end_s)

    def _opened(self) -> "Session":
        from tickvol.exchange.http_session import Session

        with self._lock:
            if self._session is None:
                self._session = Session(self._rules, self._clock, self._now_s)
            return self._session
