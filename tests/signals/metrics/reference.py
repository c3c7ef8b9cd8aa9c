"""States of metrics in plain Python, written from the table of conditions: the slow reference."""

import math

import numpy as np

from tickvol.signals.metrics.language import Direction, Group, Metric, Side

HOUR = 3_600_000


def metric_of(direction, start=None, end=None, window=1, reference=None, **changes):
    values = {
        "code": "M",
        "anchor": "v",
        "direction": Direction(direction),
        "side": Side.BUY,
        "group": Group.TREND,
        "weight": 1.0,
        "reference": reference,
        "threshold_start": start,
        "threshold_end": end,
        "window_size": window,
    }
    return Metric(**{**values, **changes})


def plain_state(metric, i, v, r, lows, highs, closes):
    """State at bar i from lists; W bars of (i-W, i] and, where the table needs it, bar i-W."""
    w, a, b = metric.window_size, metric.threshold_start, metric.threshold_end
    inside = list(range(i - w + 1, i + 1))
    kind = metric.direction.value
    ends = [i - w, i]
    needed = {"T": ends, "C": [i - w, *inside], "R": [i - w, *inside]}.get(
        kind[0] if not kind.startswith("BETWEEN") else "B", inside
    )
    if min(needed) < 0:
        return -1
    d = [x if r is None else x - y for x, y in zip(v, r or v, strict=True)]
    read = [d[s] for s in needed]
    if kind.startswith("REJECT"):
        read += [(lows if kind == "REJECT_UP" else highs)[s] for s in inside] + [closes[s] for s in ends]
    if any(math.isnan(x) for x in read):
        return -1
    conditions = {
        "ABOVE": lambda: all(d[s] > a for s in inside),
        "BELOW": lambda: all(d[s] < a for s in inside),
        "BETWEEN": lambda: all(a <= d[s] and d[s] <= b for s in inside),
        "OUTSIDE": lambda: all(not (a <= d[s] <= b) for s in inside),
        "TREND_UP": lambda: d[i] - d[i - w] > a,
        "TREND_DOWN": lambda: d[i - w] - d[i] > a,
        "CROSS_UP": lambda: d[i] > a and any(d[s - 1] <= a and d[s] > a for s in inside),
        "CROSS_DOWN": lambda: d[i] < a and any(d[s - 1] >= a and d[s] < a for s in inside),
        "REJECT_UP": lambda: (
            any(lows[s] <= v[s] * (1 + a) for s in inside) and closes[i] > v[i] and closes[i - w] > v[i - w]
        ),
        "REJECT_DOWN": lambda: (
            any(highs[s] >= v[s] * (1 - a) for s in inside) and closes[i] < v[i] and closes[i - w] < v[i - w]
        ),
    }
    return int(conditions[kind]())


def plain_states(metric, v, r, lows, highs, closes):
    return [plain_state(metric, i, v, r, lows, highs, closes) for i in range(len(v))]


def arrays(*lists):
    return [np.array(values, dtype=np.float64) for values in lists]
