"""Requests and answers of the simulated REST exchange, and the bytes of an answer."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import formatdate
from http import HTTPStatus

ADVANCED_TRADE_PATH = "/api/v3/brokerage"


@dataclass(frozen=True, slots=True)
class Request:
    """A request: path, query, target as received, and what candles it asks for.

    Attributes
    ----------
    product_id : from the path or the query, empty if it names none.
    window_s : first and last opening time asked for, None without both.
    """

    target: str
    path: str
    query: Mapping[str, str]
    product_id: str = ""
    window_s: tuple[int, int] | None = None

    @property
    def is_advanced_trade(self) -> bool:
        """Whether the path is of Advanced Trade."""
        return self.path.startswith(ADVANCED_TRADE_PATH)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and further headers; `rows` is the number of candles, levels or trades in it."""

    status: int
    body: bytes
    rows: int = 0
    headers: tuple[tuple[str, str], ...] = ()


def json_answer(
    content: object, *, status: int = 200, rows: int = 0, headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """Encode an answer without blanks; NaN and infinity become bare words, which are not JSON."""
    return Answer(status, json.dumps(content, separators=(",", ":")).encode(), rows, headers)


def refusal(request: Request, status: int, error: str, said: str) -> Answer:
    """An error object as the API of the request words it; Exchange has no `error`."""
    if not request.is_advanced_trade:
        return json_answer({"message": said}, status=status)
    if status == 400:
        return json_answer({"error": error, "error_details": said, "message": said}, status=status)
    return json_answer({"error": error, "message": said}, status=status)


def not_found(request: Request) -> Answer:
    """The answer to an unknown product."""
    said = f"Product {request.product_id} not supported" if request.is_advanced_trade else "NotFound"
    return refusal(request, 404, "NOT_FOUND", said)


def head(answer: Answer, now_s: float, *, length: int | None = None) -> bytes:
    """Status line and headers, which depend on nothing but the answer and the exchange's clock."""
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = ""
    given = {name.lower() for name, _ in answer.headers}
    lines = [f"HTTP/1.1 {answer.status} {phrase}", f"Date: {formatdate(int(now_s), usegmt=True)}"]
    if "content-type" not in given:
        lines.append("Content-Type: application/json; charset=utf-8")
    lines += [
        "Cache-Control: public, max-age=14400",
        f"Content-Length: {len(answer.body) if length is None else length}",
    ]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def number_text(value: float) -> str:
    """The shortest decimal that reads back as the same float, without an exponent.

    >>> number_text(93000.0), number_text(1e-05), number_text(float("nan"))
    ('93000', '0.00001', 'NaN')
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else str(value).replace("inf", "Infinity")
    return format(Decimal(repr(value)), "f").removesuffix(".0")


def iso_us(time_s: float) -> str:
    """UTC to the microsecond.

    >>> iso_us(1_775_347_200.5)
    '2026-04-05T00:00:00.500000Z'
    """
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
