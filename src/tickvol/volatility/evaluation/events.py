"""Spikes as events and scores as alarms: events caught, lead times, and false alarms.

All times are ends of bars in ns. Rows are never counted as seconds: a gap in the recording leaves fewer rows, not
less time.

* An *event* is a run of positive rows of one product; two successive ones belong together when they are at most one
  horizon apart in time, whatever is between them (calm rows, unknown rows, a break in the recording). Its *onset* is
  its first positive row; there the spike still lies ahead, in (onset, onset + horizon].
* An *alarm* fires at a row whose score is at or above the threshold, unless one fired for the product less than the
  cool-down ago: rows within the cool-down are the same episode. A score that stays high fires again after each
  cool-down, so that a detector that is always on pays for it.
* An alarm *counts* for an event from one horizon before the onset up to the last positive row, both included. Events
  are more than a horizon apart, so an alarm counts for one event at most. One that counts for none is a false alarm.
* *Lead time* is the onset minus the first alarm that counts: positive before the onset, negative after it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.core.times import NS_PER_HOUR, NS_PER_S
from tickvol.volatility.evaluation.metrics import ratio


@dataclass(frozen=True, slots=True)
class Events:
    """Events of all products, sorted by (product, onset); all arrays (m,).

    Attributes
    ----------
    product : int32, index of the product.
    onset_ns, end_ns : int64, the first and the last positive row.
    """

    product: NDArray[np.int32]
    onset_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.onset_ns)


@dataclass(frozen=True, slots=True)
class Matching:
    """Assignment of alarms to events.

    Attributes
    ----------
    lead_ns : (events,) float64, onset minus the first alarm that counts; NaN where the event was missed.
    false : (alarms,) bool, True if the alarm counts for no event.
    """

    lead_ns: NDArray[np.float64]
    false: NDArray[np.bool_]


def find_events(
    product: NDArray[np.int32], bar_end_ns: NDArray[np.int64], positive: NDArray[np.bool_], horizon_ns: int
) -> Events:
    """Runs of positive rows merged within one horizon of time.

    Parameters
    ----------
    product, bar_end_ns, positive : (n,), sorted by (product, bar_end_ns).

    >>> rows = np.array([10, 20, 30, 120], np.int64)
    >>> found = find_events(np.zeros(4, np.int32), rows, np.array([True, False, True, True]), horizon_ns=60)
    >>> found.onset_ns.tolist(), found.end_ns.tolist()
    ([10, 120], [30, 120])
    """
    owner, times = product[positive], bar_end_ns[positive]
    if len(times) == 0:
        return Events(owner, times, times.copy())
    starts = np.append(True, (np.diff(owner) != 0) | (np.diff(times) > horizon_ns))
    first = np.flatnonzero(starts)
    last = np.append(first[1:], len(times)) - 1
    return Events(owner[first], times[first], times[last])


def find_alarms(
    product: NDArray[np.int32], bar_end_ns: NDArray[np.int64], above: NDArray[np.bool_], cooldown_ns: int
) -> NDArray[np.intp]:
    """Indices of the rows at which an alarm fires.

    Parameters
    ----------
    product, bar_end_ns, above : (n,), sorted by (product, bar_end_ns); `above` is True where the score reaches the
        threshold.
    cooldown_ns : minimum distance between two alarms; 0 lets every row fire.
    """
    candidates = np.flatnonzero(above)
    rang: list[int] = []
    for owner in np.unique(product[candidates]):
        rows = candidates[product[candidates] == owner]
        times = bar_end_ns[rows]
        place = 0
        while place < len(rows):
            rang.append(int(rows[place]))
            place = max(place + 1, int(np.searchsorted(times, times[place] + cooldown_ns, side="left")))
    return np.array(rang, np.intp)


def match(events: Events, alarm_product: NDArray[np.int32], alarm_ns: NDArray[np.int64], horizon_ns: int) -> Matching:
    """Match alarms with events; both sorted by (product, time)."""
    lead_ns = np.full(len(events), np.nan)
    false = np.ones(len(alarm_ns), np.bool_)
    for owner in np.unique(events.product):
        own = np.flatnonzero(events.product == owner)
        begin, end = np.searchsorted(alarm_product, [owner, owner + 1])
        times = alarm_ns[begin:end]
        first = np.searchsorted(times, events.onset_ns[own] - horizon_ns, side="left")
        behind = np.searchsorted(times, events.end_ns[own], side="right")
        caught = behind > first
        lead_ns[own[caught]] = events.onset_ns[own[caught]] - times[first[caught]]
        inside = np.zeros(len(times) + 1, np.int64)
        np.add.at(inside, first, 1)
        np.add.at(inside, behind, -1)
        false[begin:end] = np.cumsum(inside)[:-1] == 0
    return Matching(lead_ns, false)


def event_metrics(
    product: NDArray[np.int32],
    bar_end_ns: NDArray[np.int64],
    positive: NDArray[np.bool_],
    above: NDArray[np.bool_],
    *,
    bar_ns: int,
    horizon_ns: int,
    cooldown_ns: int,
) -> dict[str, Any]:
    """Events caught, lead times in seconds and false alarms per hour.

    Hours are those of the evaluated rows (their number x the bar, summed over products), the only time in which an
    alarm could fire and be classified as true or false. Lead times are of caught events only; None without any.
    """
    events = find_events(product, bar_end_ns, positive, horizon_ns)
    alarms = find_alarms(product, bar_end_ns, above, cooldown_ns)
    matching = match(events, product[alarms], bar_end_ns[alarms], horizon_ns)
    lead_s = matching.lead_ns[np.isfinite(matching.lead_ns)] / NS_PER_S
    hours = len(bar_end_ns) * bar_ns / NS_PER_HOUR
    return {
        "events": len(events),
        "caught": len(lead_s),
        "caught_early": int(np.sum(lead_s > 0)),
        "caught_share": ratio(len(lead_s), len(events)),
        "lead_time_s": {
            "median": float(np.median(lead_s)) if len(lead_s) else None,
            "min": float(lead_s.min()) if len(lead_s) else None,
            "max": float(lead_s.max()) if len(lead_s) else None,
        },
        "alarms": len(alarms),
        "false_alarms": int(matching.false.sum()),
        "hours": hours,
        "false_alarms_per_hour": ratio(int(matching.false.sum()), hours),
    }
