"""Faults of the simulated REST exchange as text: `NAME[:PART]...`, where PART is a share or KEY=VALUE."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tickvol.core.errors import UsageError
from tickvol.simulator.rest.fault_kinds import KINDS
from tickvol.simulator.rest.faults import Fault

_SYNTAX = "must be NAME[:SHARE][:KEY=VALUE]..., such as 429:0.1 or reset:nth=3:product=BTC-USD"


def parse_rest_fault(text: str) -> Fault:
    """Parse a fault; without a share or `nth` it hits all requests that match.

    >>> parse_rest_fault("429-retry-after:0.1:retry=2").retry_after_s
    2
    >>> parse_rest_fault("reset:nth=3:product=BTC-USD").times
    1

    Raises
    ------
    UsageError
        If the text is not a fault.
    """
    text_before_to, _, to = text.partition(":to=")
    kind, *parts = text_before_to.split(":")
    if kind not in KINDS:
        raise UsageError(f"--fault: {text!r}: no fault {kind!r}; must be one of {', '.join(KINDS)}")
    values: dict[str, Any] = {"to": to} if to else {}
    for part in parts:
        key, equals, value = part.partition("=")
        if equals and key not in _KEYS:
            raise UsageError(f"--fault: {text!r}: no key {key!r}; must be one of {', '.join(filter(None, _KEYS))}, to")
        name, read = _KEYS[key if equals else ""]
        try:
            values[name] = read(value if equals else part)
        except ValueError:
            raise UsageError(f"--fault: {text!r}: {part!r}: {_SYNTAX}") from None
    if not values.keys() & {"share", "nth", "times"}:
        values["times"] = 0
    return Fault(kind, **values)


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise ValueError("not a share")
    return share


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError("not a count")
    return int(text)


def _seconds(text: str) -> float:
    scale = {"ms": 0.001, "s": 1.0}
    unit = next((unit for unit in scale if text.endswith(unit)), "")
    seconds = float(text.removesuffix(unit)) * scale.get(unit, 1.0)
    if not 0 <= seconds < float("inf"):
        raise ValueError("not a duration")
    return seconds


def _time_s(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


_KEYS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "": ("share", _share),
    "nth": ("nth", _count),
    "times": ("times", _count),
    "path": ("path", str),
    "product": ("product_id", str),
    "day": ("at_s", _time_s),
    "for": ("for_s", _seconds),
    "retry": ("retry_after_s", _count),
    "row": ("row", _count),
}
"""Parameters of `Fault` by their keys; the empty key is a part without one."""
