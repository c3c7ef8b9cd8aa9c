"""The report of live performance as one document, under both clocks; `docs/live_performance.md` explains each key."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import NotEnoughData
from tickvol.core.times import NS_PER_S, iso
from tickvol.volatility.evaluation.expected import expected_performance
from tickvol.volatility.evaluation.metrics import calibration, ranking
from tickvol.volatility.evaluation.report import SIMULATED_WARNING
from tickvol.volatility.evaluation.rolling import PENDING, SPIKE, LiveRows, RollingRules, rolling_performance, states

SCHEMA_VERSION = 1
"""Incremented whenever a key of the document changes its name or meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePredictions:
    """Predictions and their outcomes, for one label.

    Attributes
    ----------
    bundles : hashes that `rows.bundle` indexes.
    other_label : number of predictions with another label kind or horizon, which are left out.
    """

    rows: LiveRows
    bundles: Sequence[str]
    label_kind: str
    other_label: int
    simulated: bool


def live_report(said: LivePredictions, rules: RollingRules, *, window_s: float, as_of_event: bool) -> dict[str, Any]:
    """Performance in the last `window_s` seconds, ending with the newest prediction and with the newest outcome.

    Parameters
    ----------
    as_of_event : use event time for both clocks, as if each prediction had been made at the end of its bar and each
        outcome known at the end of its horizon: the performance that a replay would have had live.

    Raises
    ------
    NotEnoughData
        Without any prediction.
    """
    rows = said.rows
    if len(rows) == 0:
        raise NotEnoughData("no prediction in the window: `tickvol score` makes them")
    if as_of_event:
        known_ns = rows.bar_end_ns + rules.horizon_s * NS_PER_S
        rows = replace(rows, made_ns=rows.bar_end_ns, known_ns=known_ns)
    window_ns = round(window_s * NS_PER_S)
    last_event_ns = int(rows.bar_end_ns.max())
    by_event = rows.take(rows.bar_end_ns > last_event_ns - window_ns)
    resolved = rows.take(rows.outcome != PENDING)
    last_known_ns = int(resolved.known_ns.max()) if len(resolved) else None
    by_known = resolved if last_known_ns is None else resolved.take(resolved.known_ns > last_known_ns - window_ns)
    judged = _LivePerformance(rules)
    return {
        "schema_version": SCHEMA_VERSION,
        "clock": "event" if as_of_event else "live",
        "simulated": said.simulated,
        "warning": SIMULATED_WARNING if said.simulated else None,
        "label": {"kind": said.label_kind, "horizon_s": rules.horizon_s},
        "window_s": window_s,
        "rules": asdict(rules),
        "other_label": said.other_label,
        "as_of_event": _part(by_event, judged, last_event_ns, window_ns),
        "as_of_known": _part(by_known, judged, last_known_ns, window_ns),
        "by_bundle": {
            name: found
            for number, name in enumerate(said.bundles)
            if (found := _of_bundle(by_event.take(by_event.bundle == number)))
        },
    }


class _LivePerformance:
    """Performance of graded rows; the bootstrap is not repeated for the same rows."""

    def __init__(self, rules: RollingRules) -> None:
        self._rules = rules
        self._last: tuple[bytes, dict[str, Any]] | None = None

    def of(self, rows: LiveRows, graded: NDArray[np.bool_]) -> dict[str, Any]:
        times = rows.bar_end_ns[graded]
        span = rows.bar_end_ns
        if len(times):
            span = span[(span >= times.min()) & (span <= times.max())]
        same = b"".join(part.tobytes() for part in (times, rows.product[graded], span))
        if self._last is None or self._last[0] != same:
            self._last = (same, rolling_performance(rows.take(graded), span, self._rules))
        return self._last[1]


def _part(rows: LiveRows, judged: _LivePerformance, until_ns: int | None, window_ns: int) -> dict[str, Any]:
    in_state = states(rows)
    scored = ~in_state["unscorable"]
    return {
        "until": None if until_ns is None else iso(until_ns),
        "until_ns": until_ns,
        "from_ns": None if until_ns is None else until_ns - window_ns,
        "predictions": len(rows),
        "states": _counts(in_state),
        **judged.of(rows, in_state["graded"]),
        "expected": {
            "scored": expected_performance(rows.probability[scored], rows.alarmed[scored]),
            "pending": expected_performance(rows.probability[in_state["pending"]], rows.alarmed[in_state["pending"]]),
        },
    }


def _of_bundle(rows: LiveRows) -> dict[str, Any]:
    in_state = states(rows)
    if not len(rows):
        return {}
    graded = rows.take(in_state["graded"])
    positive = graded.outcome == SPIKE
    figures = calibration(positive, graded.probability)
    del figures["bins"]
    return {
        "from": iso(int(rows.bar_end_ns.min())),
        "until": iso(int(rows.bar_end_ns.max())),
        "states": _counts(in_state),
        **ranking(positive, graded.probability),
        **figures,
    }


def _counts(in_state: dict[str, NDArray[np.bool_]]) -> dict[str, int]:
    return {name: int(mask.sum()) for name, mask in in_state.items()}
