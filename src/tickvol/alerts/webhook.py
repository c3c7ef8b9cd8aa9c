"""The webhook sink: a signed HTTP POST of JSON, tried again with jittered back-off.

Headers of a POST::

    Content-Type: application/json
    Idempotency-Key: 3f0c...                  the same whenever this notice is sent again
    Tickvol-Timestamp: 1775427400             Unix seconds of this attempt
    Tickvol-Signature: v1=9c1e...             HMAC-SHA256, by the shared secret, over "<timestamp>." and the body

2xx is delivered. 429, 5xx, no answer in time and no connection are tried again, up to `max_attempts` in one delivery.
Any other status is a refusal: the same request would be refused again. Redirects are not followed.
"""

import contextlib
import hashlib
import hmac
import http.client
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tickvol.alerts.notifications import Notice, encode_notice
from tickvol.core.backoff import Backoff
from tickvol.core.errors import DeliveryRefused, NotDelivered

logger = logging.getLogger(__name__)

_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an attempt may take and how often it is made again."""

    timeout_s: float
    max_attempts: int
    initial_backoff_s: float
    max_backoff_s: float
    multiplier: float
    jitter: float


@dataclass(frozen=True, slots=True)
class _Answer:
    """Status, or why there is none; `retry_after_s` where the receiver asked for time."""

    status: int | None
    detail: str
    retry_after_s: float = 0.0


class Webhook:
    """Posts to `url`.

    Parameters
    ----------
    secret : shared with the receiver.
    now_s : Unix time. sleep : waits so many seconds. random : uniform on [0, 1).
    """

    def __init__(
        self,
        url: str,
        secret: bytes,
        patience: Patience,
        *,
        now_s: Callable[[], float],
        sleep: Callable[[float], None],
        random: Callable[[], float],
    ) -> None:
        self._url = urlsplit(url)
        self._secret = secret
        self._patience = patience
        self._now_s = now_s
        self._sleep = sleep
        self._random = random

    def deliver(self, notice: Notice, key: str) -> None:
        """Post until it is taken, refused, or has been tried `max_attempts` times.

        Raises
        ------
        DeliveryRefused, NotDelivered
        """
        patience = self._patience
        backoff = Backoff(
            initial_s=patience.initial_backoff_s,
            maximum_s=patience.max_backoff_s,
            multiplier=patience.multiplier,
            jitter=patience.jitter,
            random=self._random,
        )
        body = encode_notice(notice)
        for attempt in range(1, patience.max_attempts + 1):
            answer = self._post(body, key)
            status = answer.status
            if status is not None and 200 <= status < 300:
                return
            if status is not None and status != _TOO_MANY and status < 500:
                raise DeliveryRefused(f"{self.place}: answered {answer.detail}; not tried again")
            logger.info("%s: attempt %d of %d: %s", self.place, attempt, patience.max_attempts, answer.detail)
            if answer.retry_after_s > patience.max_backoff_s:
                raise NotDelivered(f"{self.place}: {answer.detail}, asks for {answer.retry_after_s:g} s; tried later")
            if attempt < patience.max_attempts:
                self._sleep(max(backoff.next_wait_s(), answer.retry_after_s))
        raise NotDelivered(f"{self.place}: {patience.max_attempts} attempts, the last: {answer.detail}")

    @property
    def place(self) -> str:
        """Scheme and host; the rest of a webhook's address is often a secret."""
        return f"{self._url.scheme}://{self._url.netloc}"

    def _headers(self, body: bytes, key: str) -> Mapping[str, str]:
        stamp = str(int(self._now_s()))
        signature = hmac.new(self._secret, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/json",
            "User-Agent": "tickvol",
            "Connection": "close",
            "Idempotency-Key": key,
            "Tickvol-Timestamp": stamp,
            "Tickvol-Signature": f"v1={signature}",
        }

    def _post(self, body: bytes, key: str) -> _Answer:
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        until_s = time.monotonic() + self._patience.timeout_s
        connection = kind(self._url.hostname or "", self._url.port)
        late, deadline = threading.Event(), None
        try:
            connection.sock = _connect(connection.host, connection.port, until_s, secure=secure)
            # A socket's time-out is for each read: an answer that drips byte by byte would never end.
            deadline = threading.Timer(until_s - time.monotonic(), _hang_up, (connection.sock, late))
            deadline.daemon = True
            deadline.start()
            target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
            connection.request("POST", target, body, dict(self._headers(body, key)))
            answer = connection.getresponse()
            if late.is_set():  # headers that were cut off look like headers that have ended
                raise TimeoutError
            return _Answer(answer.status, _shown(f"{answer.status} {answer.reason}"), _seconds(answer))
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            if late.is_set() or isinstance(error, TimeoutError):
                return _Answer(None, f"no answer within {self._patience.timeout_s:g} s")
            return _Answer(None, _shown(f"{type(error).__name__}: {error}").rstrip(": "))
        finally:
            if deadline is not None:
                deadline.cancel()
            connection.close()


def _connect(host: str, port: int, until_s: float, *, secure: bool) -> socket.socket:
    """Try each address of a host for an equal share of the time that is left, by the monotonic clock."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for place, (family, kind, protocol, _, address) in enumerate(addresses, 1):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(max((until_s - time.monotonic()) / (len(addresses) - place + 1), 0.001))
            sock.connect(address)
            if secure:
                sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
            sock.settimeout(max(until_s - time.monotonic(), 0.001))
        except OSError:
            sock.close()
            if place == len(addresses):
                raise
        else:
            return sock
    raise OSError(f"{host}: has no address")


def _hang_up(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _seconds(answer: http.client.HTTPResponse) -> float:
    """What `Retry-After` asks for where it is a number of seconds, else 0."""
    text = (answer.getheader("Retry-After") or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0


def _shown(text: str) -> str:
    """What a stranger sent, fit for a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:100]).strip()
