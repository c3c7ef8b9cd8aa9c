"""Answers with candles from both public REST APIs of Coinbase, parsed row by row.

Advanced Trade sends objects of text, Exchange arrays of numbers in which low and high precede open and close; both send
the newest candle first::

    {"candles":[{"start":"1764460800","low":"90.1","high":"94.0","open":"91.5","close":"93.2","volume":"10.5"}]}
    [[1764460800,90.1,94.0,91.5,93.2,10.5]]
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

Source = Literal["advanced_trade", "exchange"]

_FIELDS = ("time", "low", "high", "open", "close", "volume")
_NAMES: Mapping[Source, tuple[str, ...]] = {
    "advanced_trade": ("start", *_FIELDS[1:]),
    "exchange": _FIELDS,
}
_TYPES: Mapping[Source, str] = {"advanced_trade": "string", "exchange": "number"}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class RawCandle:
    """A row as received; None where a value is missing or unreadable, and NaN and infinity where the text says so.

    Attributes
    ----------
    open_time_s : s since the epoch; any integer, not checked against the grid or the clock.
    rescued : JSON object of the fields that are not declared, None without them.
    faults : one line per value that is missing or unreadable.
    """

    open_time_s: int | None
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    rescued: str | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedCandles:
    """Rows of an answer, in the order received, and its schema compared with the documented one.

    Attributes
    ----------
    fingerprint : SHA-256 of the names and JSON types of all fields; empty without rows.
    new_fields, missing_fields, retyped_fields : names, of any row; a retyped value is read where it is unambiguous.
    """

    rows: tuple[RawCandle, ...]
    fingerprint: str
    new_fields: tuple[str, ...]
    missing_fields: tuple[str, ...]
    retyped_fields: tuple[str, ...]


def parse_candles(source: Source, body: bytes) -> ParsedCandles | str:
    """Parse the body of an answer with status 200; the reason, as text, if it is not a list of candles.

    >>> parsed = parse_candles("exchange", b"[[1764460800,90.1,94.0,91.5,93.2,10.5]]")
    >>> parsed.rows[0].open, parsed.rows[0].low
    (91.5, 90.1)
    >>> parse_candles("exchange", b'{"message":"NotFound"}')
    'an error object instead of candles: NotFound'
    """
    try:
        answer = _decoded(body)
    except (msgspec.DecodeError, ValueError) as error:
        is_page = body.lstrip()[:1] == b"<"
        return "an HTML page instead of JSON" if is_page else f"not JSON: {printable(str(error))}"
    except RecursionError:
        return "not candles: nested too deeply"
    rows = answer
    if source == "advanced_trade" and isinstance(answer, dict) and "candles" in answer:
        rows = answer["candles"]
    if isinstance(rows, list) and (source == "exchange" or rows is not answer):
        return _parsed(source, rows)
    if isinstance(answer, dict) and (message := error_message(answer)):
        return f"an error object instead of candles: {message}"
    return f"candles: {_json_type(rows)}: must be an array"


def _decoded(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError:  # a number beyond float64, which must not cost the other rows: json reads infinity
        answer: object = json.loads(body, parse_constant=_refused)
        msgspec.json.encode(answer)  # json accepts half of a surrogate pair
        return answer


def _refused(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def error_message(answer: object) -> str:
    """The text of an error object of either API, empty if it has none.

    >>> error_message({"error": "INVALID_ARGUMENT", "error_details": "limit", "message": "limit"})
    'INVALID_ARGUMENT: limit'
    """
    if not isinstance(answer, dict):
        return ""
    texts = [answer.get(name) for name in ("error", "error_details", "message")]
    said = dict.fromkeys(text for text in texts if isinstance(text, str) and text)
    return printable(": ".join(said))


def printable(text: str) -> str:
    """Text on one line of limited length, without control characters."""
    shown = "".join(character if character.isprintable() else " " for character in text[: _MAX_SHOWN + 1])
    return shown if len(shown) <= _MAX_SHOWN else shown[:_MAX_SHOWN] + "..."


def _parsed(source: Source, rows: Sequence[object]) -> ParsedCandles:
    names = _NAMES[source]
    fields = [_fields(source, row) for row in rows]
    types = {(name, _json_type(value)) for row in fields if row is not None for name, value in row.items()}
    types |= {("", _json_type(row)) for row, named in zip(rows, fields, strict=True) if named is None}
    present = [row for row in fields if row is not None]
    return ParsedCandles(
        rows=tuple(
            _unreadable(source, row) if named is None else _candle(source, named)
            for row, named in zip(rows, fields, strict=True)
        ),
        fingerprint=hashlib.sha256(msgspec.json.encode(sorted(types))).hexdigest() if rows else "",
        new_fields=tuple(sorted({name for row in present for name in row if name not in names})),
        missing_fields=tuple(name for name in names if any(name not in row for row in present)),
        retyped_fields=tuple(
            name for name in names if {kind for field, kind in types if field == name} - {_TYPES[source]}
        ),
    )


def _fields(source: Source, row: object) -> dict[str, object] | None:
    """Values by name; an element of an array beyond the documented ones is named by its position."""
    if source == "advanced_trade":
        return row if isinstance(row, dict) else None
    if not isinstance(row, list):
        return None
    names = _NAMES[source]
    return {names[at] if at < len(names) else str(at): value for at, value in enumerate(row)}


def _unreadable(source: Source, row: object) -> RawCandle:
    wanted = "an object" if source == "advanced_trade" else "an array"
    return RawCandle(None, None, None, None, None, None, None, (f"row: {_json_type(row)}: must be {wanted}",))


def _candle(source: Source, row: Mapping[str, object]) -> RawCandle:
    faults: list[str] = []
    time, *values = _NAMES[source]
    numbers = {name: _number(name, row, faults) for name in values}
    extra = {name: value for name, value in row.items() if name not in _NAMES[source]}
    return RawCandle(
        open_time_s=_integer(time, row, faults),
        open=numbers["open"],
        high=numbers["high"],
        low=numbers["low"],
        close=numbers["close"],
        volume=numbers["volume"],
        rescued=msgspec.json.encode(extra, order="sorted").decode() if extra else None,
        faults=tuple(faults),
    )


def _number(name: str, row: Mapping[str, object], faults: list[str]) -> float | None:
    value = row.get(name)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:  # an integer above 1.8e308
            return math.inf if value > 0 else -math.inf
    faults.append(_fault(name, row, "a number"))
    return None


def _integer(name: str, row: Mapping[str, object], faults: list[str]) -> int | None:
    value, number = row.get(name), None
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    if number is not None and -(1 << 63) <= number < 1 << 63:
        return number
    faults.append(_fault(name, row, "an integer of 64 bits"))
    return None


def _fault(name: str, row: Mapping[str, object], wanted: str) -> str:
    if name not in row:
        return f"{name}: missing"
    value = row[name]
    said = _json_type(value) if isinstance(value, (dict, list)) else printable(msgspec.json.encode(value).decode())
    return f"{name}: {said}: must be {wanted}"


def _json_type(value: object) -> str:
    """The JSON type of a decoded value.

    >>> [_json_type(value) for value in (None, True, 1, 1.5, "1", [], {})]
    ['null', 'boolean', 'number', 'number', 'string', 'array', 'object']
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"
