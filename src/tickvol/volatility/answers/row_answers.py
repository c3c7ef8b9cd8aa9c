"""Request to answer, without HTTP: probabilities, anomalies and signals of feature rows or raw frames.

A row that is not scorable, or has unknown values, is answered `"status": "unknown"` with the reason; it never gets a
number that could be mistaken for calm.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import RequestError
from tickvol.volatility.answers.answer_types import (
    Anomalies,
    Anomaly,
    AnomalyRule,
    Contribution,
    FrameSummary,
    Prediction,
    Predictions,
    Signal,
    Signals,
    Thresholds,
)
from tickvol.volatility.answers.frame_rows import FrameRows, rows_of_frames
from tickvol.volatility.answers.requests import RowsOrFrames
from tickvol.volatility.answers.row_table import table_of_rows
from tickvol.volatility.answers.served import Served
from tickvol.volatility.evaluation.report import SIMULATED_WARNING
from tickvol.volatility.labels.scorable import coverage_windows, unscorable_reasons
from tickvol.volatility.models.scoring import probabilities, signal_word
from tickvol.volatility.schema.feature_table import FeatureTable

EVIDENCE_COUNT = 5


@dataclass(frozen=True, slots=True)
class _Asked:
    """Rows to answer, the `order` of the answers, and the frames behind them."""

    table: FeatureTable
    order: NDArray[np.intp]
    frames: FrameRows | None


def predict(served: Served, request: RowsOrFrames) -> Predictions:
    """Probability of each requested row.

    Raises
    ------
    RequestError
        409 for rows of another feature schema, 422 for an invalid request.
    """
    asked = _asked(served, request, served.model.needed)
    probability, reasons = probabilities(served.model, asked.table)

    def answer(row: int) -> Prediction:
        return Prediction(
            **_row_head(asked.table, row, reasons[row]), probability=None if reasons[row] else float(probability[row])
        )

    return Predictions(**_head(served, asked), answers=[answer(int(row)) for row in asked.order])


def anomaly(served: Served, request: RowsOrFrames) -> Anomalies:
    """Anomaly of each requested row, by rule; unknown where no rule fired and one could not be evaluated.

    Raises
    ------
    RequestError
        409 for rows of another feature schema, 422 for an invalid request.
    """
    rules = served.anomaly
    asked = _asked(served, request, ("robust_z", "vol_zscore"))
    robust_z, vol_zscore = asked.table.column("robust_z"), asked.table.column("vol_zscore")
    reasons = unscorable_reasons(asked.table)

    def answer(row: int) -> Anomaly:
        judged = [
            _rule("abs(robust_z)", abs(robust_z[row]), rules.robust_z_threshold),
            _rule("vol_zscore", vol_zscore[row], rules.vol_zscore_threshold),
        ]
        reason, abnormal = reasons[row], any(rule.fired for rule in judged)
        unknown = [rule.rule for rule in judged if rule.fired is None]
        if not reason and not abnormal and unknown:
            reason = f"{' and '.join(unknown)} unknown: too little is known of the longest window, or it did not move"
        return Anomaly(
            **_row_head(asked.table, row, reason), abnormal=None if reason else abnormal, rules=[] if reason else judged
        )

    return Anomalies(**_head(served, asked), answers=[answer(int(row)) for row in asked.order])


def signal(served: Served, request: RowsOrFrames) -> Signals:
    """CALM, WATCH or ALERT for each requested row, by the thresholds of the bundle.

    Raises
    ------
    RequestError
        409 for rows of another feature schema, 422 for an invalid request.
    """
    model = served.model
    asked = _asked(served, request, model.needed)
    probability, reasons = probabilities(served.model, asked.table)
    values, contributions = model.evidence(asked.table)

    def evidence(row: int) -> list[Contribution]:
        largest = np.argsort(-np.abs(contributions[row]), kind="stable")[:EVIDENCE_COUNT]
        return [
            Contribution(
                input=model.input_names[place],
                value=_known(values[row, place]),
                contribution=float(contributions[row, place]),
            )
            for place in largest
        ]

    def answer(row: int) -> Signal:
        reason = reasons[row]
        return Signal(
            **_row_head(asked.table, row, reason),
            signal=None
            if reason
            else signal_word(float(probability[row]), model.watch_threshold, model.alert_threshold),
            probability=None if reason else float(probability[row]),
            evidence=[] if reason else evidence(row),
        )

    thresholds = Thresholds(watch=model.watch_threshold, alert=model.alert_threshold)
    return Signals(**_head(served, asked), thresholds=thresholds, answers=[answer(int(row)) for row in asked.order])


def _asked(served: Served, request: RowsOrFrames, needed: tuple[str, ...]) -> _Asked:
    if request.rows is not None:
        _check_count("rows", len(request.rows), served.max_rows, "serving.max_rows")
        _check_schema(served, request.feature_schema_version)
        spec = served.model.spec
        decisive = [f"coverage_{window_s}" for window_s in coverage_windows(spec)]
        known = table_of_rows(request.rows, spec, (*needed, *decisive))
        return _Asked(known.table, known.order, None)
    frames = request.frames or []
    _check_count("frames", len(frames), served.max_frames, "serving.max_frames")
    result = rows_of_frames(frames, served.model.spec, served.frames)
    table = result.table
    if not request.all_rows:
        table = table.take(np.diff(table.product, append=-1) != 0)  # the last row of each product
    return _Asked(table, np.arange(len(table)), result)


def _check_count(field: str, count: int, limit: int, key: str) -> None:
    if not 1 <= count <= limit:
        raise RequestError(422, field, count, f"must hold 1 to {limit} ({key}); send the rest in another request")


def _check_schema(served: Served, given: int | None) -> None:
    if given != served.model.schema_version:
        rule = f"the served model reads feature schema {served.model.schema_version}; compute the rows anew"
        raise RequestError(409, "feature_schema_version", given, rule)


def _rule(name: str, value: float, threshold: float) -> AnomalyRule:
    known = _known(value)
    return AnomalyRule(rule=name, value=known, threshold=threshold, fired=None if known is None else known >= threshold)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _head(served: Served, asked: _Asked) -> dict[str, Any]:
    simulated = served.model.simulated or asked.table.simulated
    return {
        "model_version": served.model.version,
        "feature_schema_version": served.model.schema_version,
        "simulated": simulated,
        "note": SIMULATED_WARNING if simulated else None,
        "frames": None if asked.frames is None else _frame_summary(asked.frames),
    }


def _row_head(table: FeatureTable, row: int, reason: str | None) -> dict[str, Any]:
    return {
        "product_id": table.products[table.product[row]],
        "bar_end_ns": int(table.bar_end_ns[row]),
        "status": "unknown" if reason else "ok",
        "reason": reason,
    }


def _frame_summary(result: FrameRows) -> FrameSummary:
    counts = result.counts
    return FrameSummary(
        frames=counts.frames,
        tickers=counts.tickers,
        heartbeats=counts.heartbeats,
        other_channels=counts.other_channels,
        waiting=counts.waiting,
        rejected=dict(counts.rejected),
        rejected_tickers=dict(counts.rejected_tickers),
        late=result.late,
        duplicates=result.duplicates,
        sequence_jumps=counts.jumps,
        bars_closed=len(result.table),
    )
