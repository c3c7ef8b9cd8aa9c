"""Faults of the simulated exchange: a small grammar, and their effect on each frame of one connection.

    NAME[:PART]...      PART = SHARE | DURATION | KEY=VALUE

    drop:0.01                       numbered but not sent: the sequence jumps
    duplicate:0.05                  sent twice under one number
    reorder:0.05:200ms              sent `by` later, after the frames that follow it
    bad-json:0.001                  truncated, so that it is not JSON
    skewed-clock:300s:0.001         its timestamp is off by `by` (may be negative)
    disconnect:every=60s:code=1006:for=2s   the connection is closed; the market goes on for `for`
    half-frame:every=60s            the connection breaks in the middle of a WebSocket frame
    silence:at=30s:for=10s          open, but nothing is sent; frames during it are lost

A SHARE is above 0 and at most 1; a DURATION ends in ms, s, m or h and is in the market's time. `every` counts from the
connection's first frame, `at` from the market's start (once).
"""

import random
import re
from collections.abc import Sequence

import msgspec

from tickvol.core.errors import UsageError
from tickvol.core.times import NS_PER_S
from tickvol.simulator.frames import timestamp_text

ABRUPT = 1006
CLOSE_CODES = (1000, 1001, ABRUPT, 1008, 1011, 1012, 1013)

_SHARED = ("drop", "duplicate", "reorder", "bad-json", "skewed-clock")
_TIMED = ("disconnect", "half-frame", "silence")
_KEYS = {
    "drop": ("share",),
    "duplicate": ("share",),
    "reorder": ("share", "by"),
    "bad-json": ("share",),
    "skewed-clock": ("share", "by"),
    "disconnect": ("every", "at", "code", "for"),
    "half-frame": ("every", "at"),
    "silence": ("every", "at", "for"),
}
_BARE_DURATION = {
    "reorder": "by",
    "skewed-clock": "by",
    "disconnect": "every",
    "half-frame": "every",
    "silence": "every",
}
_DEFAULT_NS = {"reorder": 200_000_000, "skewed-clock": 300 * NS_PER_S}
_UNIT_NS = {"ms": 1_000_000, "s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3600 * NS_PER_S}
_DURATION = re.compile(r"(-?\d+(?:\.\d+)?)(ms|s|m|h)")
_TIMESTAMP = re.compile(r'"timestamp":"[^"]*"')


class Fault(msgspec.Struct, frozen=True):
    """One requested fault; times in ns."""

    name: str
    share: float = 0.0
    by_ns: int = 0
    every_ns: int | None = None
    at_ns: int | None = None
    for_ns: int = 0
    code: int = ABRUPT


class Close(msgspec.Struct, frozen=True):
    """Close the connection with `code`; the market runs on for `outage_ns` before a client can get frames again."""

    code: int
    outage_ns: int


class Cut(msgspec.Struct, frozen=True):
    """Send half of this frame and break the connection."""

    text: str


class Silence(msgspec.Struct, frozen=True):
    """Send nothing for this long."""

    for_ns: int


Action = str | Close | Cut | Silence


def parse_fault(text: str) -> Fault:
    """Parse one `--fault`.

    Raises
    ------
    UsageError
        With the invalid part and the rule.
    """
    name, *parts = text.split(":")
    if name not in _KEYS:
        raise UsageError(f"--fault: {name!r}: unknown fault, one of {', '.join(_KEYS)}")
    given: dict[str, str] = {}
    for part in parts:
        key, value = _split_part(text, name, part)
        if key not in _KEYS[name]:
            raise UsageError(f"--fault: {text!r}: {key}: {name} takes {', '.join(_KEYS[name])}")
        if key in given:
            raise UsageError(f"--fault: {text!r}: {key}: given twice")
        given[key] = value
    return _checked(text, name, given)


def _split_part(text: str, name: str, part: str) -> tuple[str, str]:
    if "=" in part:
        key, _, value = part.partition("=")
        return key, value
    if _DURATION.fullmatch(part) and name in _BARE_DURATION:
        return _BARE_DURATION[name], part
    if re.fullmatch(r"\d*\.?\d+(e-?\d+)?", part):
        return "share", part
    raise UsageError(f"--fault: {text!r}: {part!r}: must be a share (0.01), a duration (200ms, 60s) or KEY=VALUE")


def _checked(text: str, name: str, given: dict[str, str]) -> Fault:
    if name in _SHARED and "share" not in given:
        raise UsageError(f"--fault: {text!r}: needs a share of frames, such as {name}:0.01")
    if name in _TIMED and "every" in given and "at" in given:
        raise UsageError(f"--fault: {text!r}: takes every or at, not both")
    times = {key: _duration_ns(text, key, given[key]) for key in ("by", "every", "at", "for") if key in given}
    every = times.get("every", None if "at" in times or name not in _TIMED else 60 * NS_PER_S)
    return Fault(
        name,
        share=_share(text, given["share"]) if "share" in given else 0.0,
        by_ns=times.get("by", _DEFAULT_NS.get(name, 0)),
        every_ns=every,
        at_ns=times.get("at"),
        for_ns=times.get("for", 10 * NS_PER_S if name == "silence" else 0),
        code=_code(text, given["code"]) if "code" in given else ABRUPT,
    )


def _share(text: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise UsageError(f"--fault: {text!r}: share: {value!r}: must be above 0 and at most 1")
    return share


def _duration_ns(text: str, key: str, value: str) -> int:
    match = _DURATION.fullmatch(value)
    amount = round(float(match[1]) * _UNIT_NS[match[2]]) if match else 0
    if not match or not (amount > 0 or (amount < 0 and key == "by" and text.startswith("skewed-clock"))):
        raise UsageError(f"--fault: {text!r}: {key}: {value!r}: must be a duration above 0 such as 200ms, 60s, 5m, 1h")
    return amount


def _code(text: str, value: str) -> int:
    if not value.isdecimal() or int(value) not in CLOSE_CODES:
        allowed = ", ".join(map(str, CLOSE_CODES))
        raise UsageError(f"--fault: {text!r}: code: {value!r}: must be one of {allowed}")
    return int(value)


class FaultLine:
    """The faults of one connection: a pure function of seed, connection number and the frames that pass.

    Parameters
    ----------
    market_start_ns : origin of `at`.
    """

    def __init__(self, faults: Sequence[Fault], seed: int, connection_number: int, market_start_ns: int) -> None:
        self._shared = [fault for fault in faults if fault.name in _SHARED]
        self._timed = [fault for fault in faults if fault.name in _TIMED]
        self._random = random.Random(f"{seed}/{connection_number}")
        self._market_start_ns = market_start_ns
        self._due_ns: list[int | None] = []
        self._silent_until_ns = 0
        self._held: list[tuple[int, str]] = []

    def pass_frame(self, time_ns: int, text: str) -> list[Action]:
        """Actions in place of sending `text`, a frame at the market's time `time_ns`."""
        actions: list[Action] = []
        for fault in self._due(time_ns):
            if fault.name == "disconnect":
                return [*actions, Close(fault.code, fault.for_ns)]
            if fault.name == "half-frame":
                return [*actions, Cut(text)]
            self._silent_until_ns = max(self._silent_until_ns, time_ns + fault.for_ns)
            actions.append(Silence(fault.for_ns))
        if time_ns < self._silent_until_ns:
            return actions
        actions += self._released(time_ns)
        actions += self._damaged(time_ns, text)
        return actions

    def flush(self) -> list[str]:
        """Return the frames that are still held back when the market ends."""
        texts = [text for _, text in self._held]
        self._held.clear()
        return texts

    def _due(self, time_ns: int) -> list[Fault]:
        if not self._due_ns:
            self._due_ns = [self._first_due(fault, time_ns) for fault in self._timed]
        due = []
        for i, fault in enumerate(self._timed):
            moment = self._due_ns[i]
            if moment is not None and time_ns >= moment:
                due.append(fault)
                self._due_ns[i] = None if fault.every_ns is None else time_ns + fault.every_ns
        return due

    def _first_due(self, fault: Fault, time_ns: int) -> int | None:
        if fault.every_ns is not None:
            return time_ns + fault.every_ns
        moment = self._market_start_ns + (fault.at_ns or 0)
        return moment if moment >= time_ns else None

    def _released(self, time_ns: int) -> list[str]:
        if not self._held:
            return []
        due = [text for release_ns, text in self._held if release_ns <= time_ns]
        self._held = [held for held in self._held if held[0] > time_ns]
        return due

    def _damaged(self, time_ns: int, text: str) -> list[str]:
        copies = 1
        hold_ns = 0
        for fault in self._shared:
            hit = self._random.random() < fault.share
            place = self._random.random()
            if not hit:
                continue
            if fault.name == "drop":
                copies = 0
            elif fault.name == "duplicate":
                copies *= 2
            elif fault.name == "reorder":
                hold_ns = fault.by_ns
            elif fault.name == "bad-json":
                text = text[: 1 + int(place * (len(text) - 2))]
            else:
                text = _TIMESTAMP.sub(f'"timestamp":"{timestamp_text(time_ns + fault.by_ns)}"', text, count=1)
        if hold_ns:
            self._held += [(time_ns + hold_ns, text)] * copies
            return []
        return [text] * copies
