"""The webhook sink: a signed HTTP POST of JSON, retried with jittered back-off.

Headers of a POST::

    Content-Type: application/json
    Idempotency-Key: 3f0c...                  the same whenever this notification is sent again
    Tickvol-Timestamp: 1775427400             Unix seconds of this attempt
    Tickvol-Signature: v1=9c1e...             HMAC-SHA256, by the shared secret, over "<timestamp>." and the body

2xx is delivered. 429, 5xx, timeouts and failed connections are retried, up to `max_attempts` in one delivery.
Any other status is a refusal: the same request would be refused again. Redirects are not followed.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tickvol.alerts.notifications import Notice, encode_notice
from tickvol.core.errors import DeliveryRefused, NotDelivered, RequestFailed
from tickvol.exchange.http import HttpClient, HttpRules, status_text

_RETRY_STATUSES = frozenset({429, *range(500, 1000)})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Retry policy: timeout of an attempt, number of attempts and the waits between them."""

    timeout_s: float
    max_attempts: int
    initial_backoff_s: float
    max_backoff_s: float
    multiplier: float
    jitter: float

    def rules(self) -> HttpRules:
        """HTTP rules of a delivery; its deadline is no shorter than all attempts and waits together."""
        return HttpRules(
            deadline_s=self.max_attempts * (self.timeout_s + self.max_backoff_s),
            timeout_s=self.timeout_s,
            max_attempts=self.max_attempts,
            retry_statuses=_RETRY_STATUSES,
            initial_backoff_s=self.initial_backoff_s,
            max_backoff_s=self.max_backoff_s,
            multiplier=self.multiplier,
            jitter=self.jitter,
            max_retry_after_s=self.max_backoff_s,
            reads_body=False,
        )


class Webhook:
    """Sink that posts notifications to `url`.

    Parameters
    ----------
    secret : shared with the receiver.
    now_s : Unix time. sleep : sleeps for the given seconds. random : uniform on [0, 1).
    """

    def __init__(
        self,
        url: str,
        secret: bytes,
        patience: RetryPolicy,
        *,
        now_s: Callable[[], float],
        sleep: Callable[[float], None],
        random: Callable[[], float],
    ) -> None:
        self._url = url
        self._secret = secret
        self._rules = patience.rules()
        self._now_s = now_s
        self._sleep = sleep
        self._random = random

    def deliver(self, notice: Notice, key: str) -> None:
        """Post until accepted, refused, or tried `max_attempts` times.

        Raises
        ------
        DeliveryRefused, NotDelivered
        """
        body = encode_notice(notice)
        with HttpClient(self._rules, now_s=self._now_s, sleep=self._sleep, random=self._random) as client:
            try:
                response = client.request("POST", self._url, content=body, headers=lambda: self._headers(body, key))
            except RequestFailed as error:
                if error.retry_after_s > self._rules.max_retry_after_s:
                    raise NotDelivered(f"{self.place}: {error.reason}; tried later") from None
                raise NotDelivered(f"{self.place}: {error.attempts} attempts, the last: {error.reason}") from None
        if not 200 <= response.status < 300:
            raise DeliveryRefused(f"{self.place}: answered {status_text(response.status)}; not tried again")

    @property
    def place(self) -> str:
        """Scheme and host; the rest of a webhook's URL is often a secret."""
        url = urlsplit(self._url)
        return f"{url.scheme}://{url.netloc}"

    def _headers(self, body: bytes, key: str) -> Mapping[str, str]:
        stamp = str(int(self._now_s()))
        signature = hmac.new(self._secret, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/json",
            "Connection": "close",
            "Idempotency-Key": key,
            "Tickvol-Timestamp": stamp,
            "Tickvol-Signature": f"v1={signature}",
        }
