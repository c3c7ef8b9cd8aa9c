"""One attempt of an HTTP call over httpx: send, receive within the limits, and give the reason of a failure."""

import contextlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpcore
import httpx

from tickvol.core.errors import RequestFailed
from tickvol.exchange.http_rules import Failure, HttpResponse, HttpRules, status_text
from tickvol.exchange.http_transport import END_S, DeadlineTransport

_BROKEN = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, httpx.RequestError)
"""Errors of a connection, an answer or its decompression."""

Headers = Mapping[str, str]
Parameters = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Call:
    """A request as sent in each attempt; `headers` may be a function, called for each attempt."""

    method: str
    url: httpx.URL
    content: bytes | None
    headers: Headers | Callable[[], Headers]


class Session:
    """Connections that stay open between attempts. `clock` is monotonic, in seconds; `now_s` is Unix time."""

    def __init__(self, rules: HttpRules, clock: Callable[[], float], now_s: Callable[[], float]) -> None:
        for name in ("httpx", "httpcore"):  # at INFO and DEBUG they log whole URLs and `Location` headers
            logging.getLogger(name).setLevel(logging.WARNING)
        self._rules = rules
        self._clock = clock
        self._now_s = now_s
        self._client = httpx.Client(
            transport=DeadlineTransport(clock),
            trust_env=False,
            follow_redirects=rules.follow_redirects,
            headers={"User-Agent": "tickvol"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def attempt(self, call: Call, end_s: float) -> HttpResponse | Failure:
        """Send a request once and receive its response before `end_s` by the clock."""
        now_s = self._clock()
        limit_s = min(self._rules.timeout_s, end_s - now_s)
        headers = call.headers if isinstance(call.headers, Mapping) else call.headers()
        request = self._client.build_request(
            call.method, call.url, content=call.content, headers=headers, extensions={END_S: now_s + limit_s}
        )
        status = 0
        try:
            response = self._client.send(request, stream=True)
            status = response.status_code
            try:
                return self._received(response)
            finally:
                response.close()
        except httpcore.TimeoutException:
            return Failure(f"no answer within {round(limit_s, 3):g} s", status=status)
        except httpcore.LocalProtocolError:
            return Failure("method or headers are not valid HTTP", is_final=True, status=status)
        except httpx.RemoteProtocolError:
            return Failure("Location is not a valid URL", is_final=True, status=status)
        except _BROKEN as error:
            return Failure(_cause(error), status=status)

    def _received(self, response: httpx.Response) -> HttpResponse | Failure:
        rules, status = self._rules, response.status_code
        if status in rules.retry_statuses:
            asked_s = retry_after_s(response.headers.get("Retry-After", ""), self._now_s())
            body = self._arrived(response) if rules.keeps_failed_body else b""
            return Failure(status_text(status), retry_after_s=asked_s, status=status, body=body)
        read = bytearray()
        for part in response.iter_bytes() if rules.reads_body else ():
            read += part
            if len(read) > rules.max_body_bytes:
                return Failure(f"answer of more than {rules.max_body_bytes:,} bytes", is_final=True, status=status)
        return HttpResponse(status, response.headers, bytes(read))

    def _arrived(self, response: httpx.Response) -> bytes:
        """As much of a body as arrives whole, in time and within the limit of size."""
        read = bytearray()
        with contextlib.suppress(httpcore.TimeoutException, *_BROKEN):
            for part in response.iter_bytes():
                read += part[: self._rules.max_body_bytes - len(read)]
                if len(read) >= self._rules.max_body_bytes:
                    break
        return bytes(read)


def parse_url(url: str, params: Parameters | None = None) -> httpx.URL:
    """Parse a URL and add `params` to its query.

    Raises
    ------
    RequestFailed
        If it is not an HTTP or HTTPS URL.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise RequestFailed("(URL not shown)", 0, "not a valid URL; it must be like https://host/path")
    return parsed.copy_merge_params(params) if params else parsed


def place_of(url: httpx.URL, *, with_path: bool) -> str:
    """As much of a URL as may be shown.

    >>> place_of(httpx.URL("https://me:password@host:8443/path?key=k"), with_path=True)
    'https://host:8443/path'
    """
    path = url.raw_path.partition(b"?")[0] if with_path else b""
    return f"{url.scheme}://{(url.netloc + path).decode()}"


def retry_after_s(text: str, now_s: float) -> float:
    """Wait that `Retry-After` asks for, in seconds or until an HTTP date; 0 if it is neither.

    RFC 9110, section 10.2.3.

    >>> retry_after_s("120", now_s=0.0), retry_after_s("Thu, 01 Jan 1970 00:02:00 GMT", now_s=90.0)
    (120.0, 30.0)
    """
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    return max((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now_s, 0.0)


def _cause(error: Exception) -> str:
    """Text of the error that httpcore wraps, without the server's bytes quoted by h11: they may repeat the URL."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    text = re.split(r"(?:bytearray\()?\bb['\"]", str(error))[0]
    return f"{type(error).__name__}: {text}".rstrip(": ")
