"""Performance of predictions made live: selection of the gradable ones, and their metrics with intervals.

A prediction is graded only if it was made before its outcome could be known. One that was made later, as in a replay or
after a backlog, is counted and left out, because nobody could have used it.

All metrics except PR-AUC are ratios of sums over rows, so that one formula gives the value (every row once) and its
block bootstrap (every row as often as it was drawn).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.core.times import NS_PER_HOUR, NS_PER_S
from tickvol.volatility.evaluation.bootstrap import (
    Interval,
    TimeAxis,
    draw_counts,
    percentile_interval,
    weighted_average_precision,
    why_no_interval,
)
from tickvol.volatility.evaluation.events import find_alarms, find_events, match
from tickvol.volatility.evaluation.metrics import CALIBRATION_BINS

_CHUNK = 64
SPIKE, CALM, UNKNOWN, PENDING = 1, 0, -1, -2
"""Values of `LiveRows.outcome`."""
STATES = ("graded", "late", "unknown", "pending", "unscorable")
COMPARED = ("prevalence", "precision", "recall", "f1", "brier", "pr_auc")
"""Metrics estimated without labels and compared with the outcomes."""

Sums = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRows:
    """Predictions and their outcomes, sorted by (product, bar_end_ns); all arrays (n,).

    Attributes
    ----------
    product : int32, index of the product.
    bar_end_ns : int64.
    probability : float64, NaN where the row was not scorable.
    alarmed : bool, True if the signal was ALERT.
    bundle : int32, index of the bundle that made the prediction.
    outcome : int8, SPIKE, CALM, UNKNOWN or PENDING.
    made_ns : int64, when the prediction was made.
    known_ns : int64, when the outcome could be known, on the same clock; undefined while it is PENDING.
    """

    product: NDArray[np.int32]
    bar_end_ns: NDArray[np.int64]
    probability: NDArray[np.float64]
    alarmed: NDArray[np.bool_]
    bundle: NDArray[np.int32]
    outcome: NDArray[np.int8]
    made_ns: NDArray[np.int64]
    known_ns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.bar_end_ns)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "LiveRows":
        """Rows selected by a mask or by indices."""
        return LiveRows(**{name: getattr(self, name)[rows] for name in self.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingRules:
    """Rules of the label, of alarms and of intervals, as in `JudgingRules`."""

    bar_ns: int
    horizon_s: int
    block_s: int
    alarm_cooldown_s: int
    bootstrap_samples: int
    min_blocks: int
    min_events: int
    seed: int = 0


def states(rows: LiveRows) -> dict[str, NDArray[np.bool_]]:
    """Masks (n,) of `STATES`; each row is in exactly one state.

    `late` are predictions made when, or after, their outcome could be known.
    """
    scored = np.isfinite(rows.probability)
    labelled = scored & (rows.outcome >= 0)
    in_time = rows.made_ns < rows.known_ns
    return {
        "graded": labelled & in_time,
        "late": labelled & ~in_time,
        "unknown": scored & (rows.outcome == UNKNOWN),
        "pending": scored & (rows.outcome == PENDING),
        "unscorable": ~scored,
    }


def rolling_performance(rows: LiveRows, span_ns: NDArray[np.int64], rules: RollingRules) -> dict[str, Any]:
    """Metrics of graded rows.

    Parameters
    ----------
    rows : graded ones only.
    span_ns : (m,) int64, bar ends of all rows of the span, graded or not; blocks are cut from it.

    Returns
    -------
    dict
        `sample` (rows, positives, events, alarms, blocks, no_interval_because), `figures` (by name: value, low, high,
        samples, reason) and `estimate` (by name of `COMPARED`: expected, came, difference with its interval).
    """
    events = find_events(rows.product, rows.bar_end_ns, rows.outcome == SPIKE, rules.horizon_s * NS_PER_S)
    axis = TimeAxis.of(span_ns, rules.bar_ns)
    block_bars = rules.block_s * NS_PER_S // rules.bar_ns
    blocks = axis.blocks(block_bars) if len(span_ns) else 0
    because = why_no_interval(blocks, len(events), min_blocks=rules.min_blocks, min_events=rules.min_events)
    columns = _columns(rows, rules)
    order = np.argsort(-rows.probability, kind="stable")  # once: resamples of sorted rows cost a third
    rows, columns = rows.take(order), {name: column[order] for name, column in columns.items()}
    once = np.ones((1, len(rows)), np.int32)
    values = _figures(rows, {name: column.sum()[None] for name, column in columns.items()}, once, rules.bar_ns)
    drawn = {} if because else _resampled(rows, columns, axis, block_bars, rules)
    return {
        "sample": {
            "rows": len(rows),
            "positives": int(np.sum(rows.outcome == SPIKE)),
            "events": len(events),
            "alarms": int(columns["rang"].sum()),
            "blocks": blocks,
            "no_interval_because": because,
        },
        "figures": {
            name: _told(values[name], drawn.get(name), because)
            for name in values
            if not name.startswith(("expected_", "difference_"))
        },
        "estimate": {
            name: {
                "expected": _known(values[f"expected_{name}"]),
                "came": _known(values[name]),
                "difference": _told(values[f"difference_{name}"], drawn.get(f"difference_{name}"), because),
            }
            for name in COMPARED
        },
    }


def _columns(rows: LiveRows, rules: RollingRules) -> dict[str, NDArray[np.float64]]:
    """Columns to be summed over rows, by name; each (n,)."""
    spike, chance = (rows.outcome == SPIKE).astype(np.float64), rows.probability
    horizon_ns = rules.horizon_s * NS_PER_S
    rang, false, onset, caught = (np.zeros(len(rows)) for _ in range(4))
    alarms = find_alarms(rows.product, rows.bar_end_ns, rows.alarmed, rules.alarm_cooldown_s * NS_PER_S)
    events = find_events(rows.product, rows.bar_end_ns, rows.outcome == SPIKE, horizon_ns)
    matching = match(events, rows.product[alarms], rows.bar_end_ns[alarms], horizon_ns)
    place = {key: row for row, key in enumerate(zip(rows.product.tolist(), rows.bar_end_ns.tolist(), strict=True))}
    onsets = [place[key] for key in zip(events.product.tolist(), events.onset_ns.tolist(), strict=True)]
    rang[alarms], false[alarms] = 1.0, matching.false
    onset[onsets], caught[onsets] = 1.0, np.isfinite(matching.lead_ns)
    alarmed = rows.alarmed.astype(np.float64)
    return {
        "rows": np.ones(len(rows)),
        "spike": spike,
        "chance": chance,
        "error": (chance - spike) ** 2,
        "spread": chance * (1.0 - chance),
        "alarmed": alarmed,
        "hit": alarmed * spike,
        "expected_hit": alarmed * chance,
        "rang": rang,
        "false": false,
        "onset": onset,
        "caught": caught,
        **_calibration_columns(chance, spike),
    }


def _calibration_columns(chance: NDArray[np.float64], spike: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Probability minus spike in the row's bin of `calibration_bins`, 0 in the other bins."""
    if not len(chance):
        return {}
    quantiles = np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS
    edges = np.unique(np.quantile(chance, quantiles, method="inverted_cdf"))
    place = np.searchsorted(edges, chance, side="left")
    return {f"bin{number}": np.where(place == number, chance - spike, 0.0) for number in np.unique(place).tolist()}


def _figures(rows: LiveRows, sums: dict[str, Sums], weights: NDArray[np.int32], bar_ns: int) -> dict[str, Sums]:
    """All metrics under each of (m, n) weights, from their (m,) weighted sums; each (m,), NaN if undefined."""
    gaps = [np.abs(total) for name, total in sums.items() if name.startswith("bin")]
    hours = sums["rows"] * (bar_ns / NS_PER_HOUR)
    figures = {
        "prevalence": _ratio(sums["spike"], sums["rows"]),
        "pr_auc": _average_precision(rows.outcome == SPIKE, rows.probability, weights),
        "brier": _ratio(sums["error"], sums["rows"]),
        "calibration_error": _ratio(np.sum(gaps, axis=0) if gaps else sums["rows"], sums["rows"]),
        "precision": _ratio(sums["hit"], sums["alarmed"]),
        "recall": _ratio(sums["hit"], sums["spike"]),
        "f1": _ratio(2 * sums["hit"], sums["alarmed"] + sums["spike"]),
        "alarm_share": _ratio(sums["alarmed"], sums["rows"]),
        "alarms_per_hour": _ratio(sums["rang"], hours),
        "false_alarms_per_hour": _ratio(sums["false"], hours),
        "caught_share": _ratio(sums["caught"], sums["onset"]),
    }
    expected = {
        "prevalence": _ratio(sums["chance"], sums["rows"]),
        "pr_auc": _average_precision(rows.probability, rows.probability, weights),
        "brier": _ratio(sums["spread"], sums["rows"]),
        "precision": _ratio(sums["expected_hit"], sums["alarmed"]),
        "recall": _ratio(sums["expected_hit"], sums["chance"]),
        "f1": _ratio(2 * sums["expected_hit"], sums["alarmed"] + sums["chance"]),
    }
    for name in COMPARED:
        figures[f"expected_{name}"] = expected[name]
        figures[f"difference_{name}"] = expected[name] - figures[name]
    return figures


def _resampled(
    rows: LiveRows,
    columns: dict[str, NDArray[np.float64]],
    axis: TimeAxis,
    block_bars: int,
    rules: RollingRules,
) -> dict[str, Sums]:
    """All metrics in each resample, (samples,); blocks as in `resample_pr_auc`."""
    bar = np.searchsorted(axis.bar_end_ns, rows.bar_end_ns)
    of_bar = np.zeros((len(axis.bar_end_ns), len(columns)))
    np.add.at(of_bar, bar, np.column_stack(list(columns.values())))  # rows of a bar are drawn together
    random = np.random.default_rng(rules.seed)
    parts = []
    for first in range(0, rules.bootstrap_samples, _CHUNK):
        counts = draw_counts(axis, block_bars, min(_CHUNK, rules.bootstrap_samples - first), random)
        sums = dict(zip(columns, (counts.astype(np.float64) @ of_bar).T, strict=True))
        parts.append(_figures(rows, sums, counts[:, bar], rules.bar_ns))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _average_precision(
    positive: NDArray[np.bool_] | NDArray[np.float64], scores: NDArray[np.float64], weights: NDArray[np.int32]
) -> Sums:
    if not len(scores):
        return np.full(len(weights), np.nan)
    return weighted_average_precision(positive, scores, weights)


def _ratio(numerator: Sums, denominator: Sums) -> Sums:
    found = np.full(len(denominator), np.nan)
    np.divide(numerator, denominator, out=found, where=denominator > 0)
    return found


def _known(values: Sums) -> float | None:
    return float(values[0]) if np.isfinite(values[0]) else None


def _told(values: Sums, drawn: Sums | None, because: str | None) -> dict[str, Any]:
    value = _known(values)
    if value is None:
        interval = Interval(None, None, 0, "not defined: no such rows")
    elif drawn is None:
        interval = Interval(None, None, 0, because)
    else:
        interval = percentile_interval(drawn)
    about = {"low": interval.low, "high": interval.high, "samples": interval.samples, "reason": interval.reason}
    return {"value": value, **about}
