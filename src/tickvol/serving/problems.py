"""Error bodies of the service: one JSON form, `{"error": {"status", "field", "value", "rule"}}`."""

import json
from collections.abc import Sequence
from typing import Any

from tickvol.core.errors import RequestError, shown

PathPart = str | int


def problem_body(status: int, field: str, value: Any, rule: str, *, more: int = 0) -> bytes:
    """The JSON of an error; `more` counts further problems of the same request.

    >>> problem_body(422, "rows[0].bar_end_ns", "soon", "should be a valid integer")
    b'{"error":{"status":422,"field":"rows[0].bar_end_ns","value":"soon","rule":"should be a valid integer"}}'
    """
    error: dict[str, Any] = {"status": status, "field": field, "value": shown(value), "rule": rule}
    if more:
        error["more_problems"] = more
    return json.dumps({"error": error}, separators=(",", ":"), allow_nan=False).encode()


def error_body(error: RequestError) -> bytes:
    """The JSON of a request error."""
    return problem_body(error.status, error.field, error.value, error.rule)


def field_path(parts: Sequence[PathPart]) -> str:
    """A field's path in readable form.

    >>> field_path(["rows", 0, "features", "robust_z"])
    'rows[0].features.robust_z'
    """
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or "body"


def value_at(document: Any, parts: Sequence[PathPart]) -> Any:
    """The value at a path in a parsed document; None if there is none."""
    for part in parts:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return None
    return document
