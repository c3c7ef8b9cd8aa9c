"""Candles from the public REST APIs of Coinbase: Advanced Trade and Exchange, neither of which needs a key.

::

    bucket = TokenBucket(rate_per_s=5, burst=8)
    with CoinbaseRest("advanced_trade", rules=rules, pacing=bucket) as coinbase:
        answer = coinbase.candles("BTC-USD", 86_400, start_s, start_s + 249 * 86_400)

Both ends of a window are inclusive on either API. Without both, Exchange answers from a cache that is five minutes old,
and neither API sends headers about its rate limit: a client learns of it by status 429, so it must pace itself.

Sources: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/get-public-product-candles and
https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-candles
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, Self
from urllib.parse import quote

import msgspec

from tickvol.core.errors import RequestFailed, UsageError
from tickvol.exchange.coinbase_candles import ParsedCandles, Source, error_message, parse_candles
from tickvol.exchange.http import RETRY_STATUSES, HttpClient, HttpResponse, HttpRules, status_text
from tickvol.exchange.pacing import TokenBucket

Outcome = Literal["ok", "empty", "failed", "refused"]

BASE_URLS: Mapping[Source, str] = {
    "advanced_trade": "https://api.coinbase.com",
    "exchange": "https://api.exchange.coinbase.com",
}
ADVANCED_TRADE_PATH = "/api/v3/brokerage/market"
_PATHS: Mapping[Source, str] = {"advanced_trade": ADVANCED_TRADE_PATH, "exchange": ""}

GRANULARITIES: Mapping[Source, Mapping[int, str]] = {
    "advanced_trade": {
        60: "ONE_MINUTE",
        300: "FIVE_MINUTE",
        900: "FIFTEEN_MINUTE",
        1_800: "THIRTY_MINUTE",
        3_600: "ONE_HOUR",
        7_200: "TWO_HOUR",
        14_400: "FOUR_HOUR",
        21_600: "SIX_HOUR",
        86_400: "ONE_DAY",
    },
    "exchange": {seconds: str(seconds) for seconds in (60, 300, 900, 3_600, 21_600, 86_400)},
}
"""Value of the parameter `granularity` by the length of a candle in seconds."""
MAX_CANDLES: Mapping[Source, int] = {"advanced_trade": 349, "exchange": 300}
"""Candles in a window. Advanced Trade says "less than 350" and has refused 350; Exchange allows 300 intervals."""

_RETRIED = RETRY_STATUSES | frozenset(range(500, 600))


@dataclass(frozen=True, slots=True)
class CandleAnswer:
    """One window that ended, well or badly.

    Attributes
    ----------
    window_start_s, window_end_s : first and last opening time asked for, both inclusive.
    requested_at_us, received_at_us : start and end of the last attempt, us since the epoch.
    http_status : of the last response, 0 without one.
    outcome : ok; empty (a list without candles); refused (a status 4xx, not retried); failed (all else).
    error : reason of refused and failed. body : exactly as received, decompressed.
    candles : None if refused or failed.
    """

    product_id: str
    granularity_s: int
    window_start_s: int
    window_end_s: int
    requested_at_us: int
    received_at_us: int
    http_status: int
    attempts: int
    outcome: Outcome
    error: str | None
    body: bytes
    candles: ParsedCandles | None


class CoinbaseRest:
    """Client of one of the two APIs; threads may share it.

    Parameters
    ----------
    base_url : scheme and host, without a path; empty for the API's own address.
    rules : redirects are never followed, and all statuses 5xx are retried, whatever they say.
    pacing : share one bucket among all clients of a process.
    clock, now_s, sleep, random : as in `HttpClient`.

    Raises
    ------
    UsageError
        If `base_url` is not an HTTP URL.
    """

    def __init__(
        self,
        source: Source,
        *,
        base_url: str = "",
        rules: HttpRules,
        pacing: TokenBucket | None = None,
        clock: Callable[[], float] = time.monotonic,
        now_s: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        if base_url and not base_url.startswith(("http://", "https://")):
            raise UsageError(f"base_url: {base_url!r}: must begin with https:// or http://")
        self._source = source
        self._base_url = (base_url or BASE_URLS[source]).rstrip("/").removesuffix(ADVANCED_TRADE_PATH) + _PATHS[source]
        self._now_s = now_s
        self._http = HttpClient(
            replace(rules, retry_statuses=_RETRIED, follow_redirects=False, keeps_failed_body=True),
            pacing=pacing,
            clock=clock,
            now_s=now_s,
            sleep=sleep,
            random=random,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def max_candles(self) -> int:
        """Number of candles that a window may hold."""
        return MAX_CANDLES[self._source]

    def candles(self, product_id: str, granularity_s: int, start_s: int, end_s: int) -> CandleAnswer:
        """Fetch the candles that open from `start_s` to `end_s`, both inclusive, in s since the epoch.

        Raises
        ------
        UsageError
            If the API has no candles of that length, or the window is empty or holds more than `max_candles`.
        """
        params = self._parameters(granularity_s, start_s, end_s)
        attempts = _Attempts(self._now_s)
        url = f"{self._base_url}/products/{quote(product_id, safe='')}/candles"
        outcome: Outcome = "failed"
        candles: ParsedCandles | None = None
        try:
            response = self._http.request("GET", url, headers=attempts.headers, params=params)
            status, body = response.status, response.body
            outcome, reason, candles = self._judged(response)
        except RequestFailed as error:
            status, body, reason = error.status, error.body, error.reason
        return CandleAnswer(
            product_id=product_id,
            granularity_s=granularity_s,
            window_start_s=start_s,
            window_end_s=end_s,
            requested_at_us=attempts.started_us,
            received_at_us=_us(self._now_s()),
            http_status=status,
            attempts=attempts.count,
            outcome=outcome,
            error=reason or None,
            body=body,
            candles=candles,
        )

    def _parameters(self, granularity_s: int, start_s: int, end_s: int) -> dict[str, str]:
        name = GRANULARITIES[self._source].get(granularity_s)
        if name is None:
            known = ", ".join(map(str, GRANULARITIES[self._source]))
            raise UsageError(f"granularity_s: {granularity_s}: {self._source} must be asked for one of {known}")
        if end_s < start_s:
            raise UsageError(f"end_s: {end_s}: must not precede start_s {start_s}")
        count = (end_s - start_s) // granularity_s + 1
        if count > self.max_candles:
            raise UsageError(
                f"window: {count} candles from {start_s} to {end_s}, both included: {self._source} returns at most "
                f"{self.max_candles}; ask for a shorter window"
            )
        if self._source == "advanced_trade":
            return {"start": str(start_s), "end": str(end_s), "granularity": name}
        return {"granularity": name, "start": _iso(start_s), "end": _iso(end_s)}

    def _judged(self, response: HttpResponse) -> tuple[Outcome, str, ParsedCandles | None]:
        status = response.status
        if status == 200:
            parsed = parse_candles(self._source, response.body)
            if isinstance(parsed, str):
                return "failed", parsed, None
            return ("ok" if parsed.rows else "empty"), "", parsed
        if 300 <= status < 400:
            return "failed", f"{status_text(status)}: redirects are not followed", None
        said = _message(response.body)
        reason = f"{status_text(status)}: {said}" if said else status_text(status)
        return ("refused" if 400 <= status < 500 else "failed"), reason, None


class _Attempts:
    """Number of attempts of a call and start of the last one; the headers are asked for once in each."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.count = 0
        self.started_us = _us(now_s())

    def headers(self) -> dict[str, str]:
        self.count += 1
        self.started_us = _us(self._now_s())
        return {"cache-control": "no-cache", "accept": "application/json"}


def _message(body: bytes) -> str:
    try:
        return error_message(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def _iso(time_s: int) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _us(time_s: float) -> int:
    return round(time_s * 1_000_000)
