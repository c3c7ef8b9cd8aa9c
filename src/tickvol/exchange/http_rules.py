"""Limits of an HTTP call and the result of its attempts: a response, or the reason why there is none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from math import inf
from typing import Self

from tickvol.core.backoff import Backoff

RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses of a server that may answer differently a moment later."""


@dataclass(frozen=True, slots=True)
class HttpRules:
    """Limits of a call and of each of its attempts, and the pacing of all attempts.

    Parameters
    ----------
    deadline_s : for a call with all its attempts and waits; only name resolution can exceed it.
    timeout_s : for an attempt, from the connect to the last byte of the body.
    max_attempts : of a call; a server may have acted on an attempt whose response did not arrive.
    retry_statuses : retried; a response of any other status is returned.
    initial_backoff_s, max_backoff_s, multiplier, jitter : as in `tickvol.core.backoff.Backoff`.
    max_retry_after_s : a server that asks for a longer wait by `Retry-After` ends the call.
    max_body_bytes : of a body, decompressed.
    min_interval_s : between the starts of two attempts of a client, across calls and threads.
    reads_body : False returns as soon as the headers are complete, with an empty body.
    keeps_failed_body : True reads the body of a retried status too, as far as it arrives, for `RequestFailed.body`.
    follow_redirects : up to 20 in an attempt.
    shows_path : True if errors and logs may name the path. Query and password are never shown.
    """

    deadline_s: float
    timeout_s: float
    max_attempts: int
    retry_statuses: frozenset[int] = RETRY_STATUSES
    initial_backoff_s: float = 0.5
    max_backoff_s: float = 30.0
    multiplier: float = 2.0
    jitter: float = 0.5
    max_retry_after_s: float = inf
    max_body_bytes: int = 64_000_000
    min_interval_s: float = 0.0
    reads_body: bool = True
    keeps_failed_body: bool = False
    follow_redirects: bool = False
    shows_path: bool = False

    @classmethod
    def one_attempt(cls, timeout_s: float) -> Self:
        """Rules of a call with one attempt, whose response is returned whatever its status."""
        return cls(deadline_s=timeout_s, timeout_s=timeout_s, max_attempts=1, retry_statuses=frozenset())

    def backoff(self, random: Callable[[], float]) -> Backoff:
        """Waits of one call; `random` is uniform on [0, 1)."""
        return Backoff(
            initial_s=self.initial_backoff_s,
            maximum_s=self.max_backoff_s,
            multiplier=self.multiplier,
            jitter=self.jitter,
            random=random,
        )


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Status, headers (looked up without regard to case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt without a usable response.

    Parameters
    ----------
    reason : safe to show: without URL, headers or text from the server.
    retry_after_s : the wait that the server asks for, 0 if it does not.
    is_final : True if another attempt would fail in the same way.
    status : of the response, 0 if none arrived. body : kept if the rules say so.
    """

    reason: str
    retry_after_s: float = 0.0
    is_final: bool = False
    status: int = 0
    body: bytes = b""


def status_text(status: int) -> str:
    """A status with its standard phrase; the phrase sent by a server may quote the URL.

    >>> status_text(503), status_text(599)
    ('503 Service Unavailable', '599')
    """
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
