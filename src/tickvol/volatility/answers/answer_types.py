"""Answers of the POST endpoints, field by field; docs/serving.md shows each of them."""

from typing import Literal

import msgspec

Status = Literal["ok", "unknown"]


class RowAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Common fields of the answers for a row."""

    product_id: str
    bar_end_ns: int
    status: Status
    reason: str | None


class Prediction(RowAnswer, frozen=True, kw_only=True):
    """Calibrated probability of a spike within the label's horizon."""

    probability: float | None


class AnomalyRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of /anomaly; `fired` is null where its value is unknown."""

    rule: str
    value: float | None
    threshold: float
    fired: bool | None


class Anomaly(RowAnswer, frozen=True, kw_only=True):
    """Anomaly of the latest bar, by rules."""

    abnormal: bool | None
    rules: list[AnomalyRule]


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """Contribution of a model input to the margin of a row, in the model's own unit."""

    input: str
    value: float | None
    contribution: float


class Signal(RowAnswer, frozen=True, kw_only=True):
    """The signal of a row, with the features that moved the probability most."""

    signal: Literal["CALM", "WATCH", "ALERT"] | None
    probability: float | None
    evidence: list[Contribution]


class FrameSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Frames by category; the first four with `rejected` and `waiting` add up to `frames`."""

    frames: int
    tickers: int
    heartbeats: int
    other_channels: int
    waiting: int
    rejected: dict[str, int]
    rejected_tickers: dict[str, int]
    late: int
    duplicates: int
    sequence_jumps: int
    bars_closed: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Common fields of all answers."""

    model_version: str
    feature_schema_version: int
    simulated: bool
    note: str | None
    frames: FrameSummary | None


class Predictions(Answer, frozen=True, kw_only=True):
    """Answer of POST /predict."""

    answers: list[Prediction]


class Anomalies(Answer, frozen=True, kw_only=True):
    """Answer of POST /anomaly."""

    answers: list[Anomaly]


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Probabilities at or above which the signal is WATCH and ALERT."""

    watch: float
    alert: float


class Signals(Answer, frozen=True, kw_only=True):
    """Answer of POST /signal."""

    thresholds: Thresholds
    answers: list[Signal]
