"""Predictions and outcomes of the topics as columns, joined by key."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from tickvol.bus.reading import TopicReader
from tickvol.core.errors import NotEnoughData
from tickvol.volatility.evaluation.live_report import LivePredictions
from tickvol.volatility.evaluation.rolling import CALM, PENDING, SPIKE, UNKNOWN, LiveRows
from tickvol.volatility.messages import OutcomeMessage, PredictionMessage, decode_outcome, decode_prediction
from tickvol.volatility.schema.label_spec import Outcome
from tickvol.volatility.settings.profile import VolatilityConfig

CLIENT_ID = "tickvol-performance"
_CODES = {Outcome.SPIKE: SPIKE, Outcome.CALM: CALM, Outcome.UNKNOWN: UNKNOWN}

Key = tuple[str, int]


def read_live_predictions(config: VolatilityConfig, window_s: float) -> tuple[LivePredictions, int]:
    """Predictions and outcomes of the last `window_s` seconds of event time, and the label's horizon in seconds.

    Raises
    ------
    NotEnoughData
        When there is no prediction.
    BrokerUnavailable, TopicMismatch
        As `TopicReader`.
    """
    kafka = config.kafka
    predictions: dict[Key, PredictionMessage] = {}
    with TopicReader(kafka, config.scoring.topic_predictions, client_id=CLIENT_ID) as reader:
        newest_ms = max((ms for name in config.products if (ms := reader.newest_ms(name)) is not None), default=None)
        if newest_ms is None:
            names = ", ".join(config.products)
            raise NotEnoughData(
                f"{config.scoring.topic_predictions}: no prediction of {names}; `tickvol score` makes them"
            )
        since_ms = newest_ms - round(window_s * 1000)
        _collect(reader, since_ms, decode_prediction, predictions)
    outcomes: dict[Key, OutcomeMessage] = {}
    with TopicReader(kafka, config.scoring.topic_outcomes, client_id=CLIENT_ID) as reader:
        _collect(reader, since_ms, decode_outcome, outcomes)
    return _joined(predictions, outcomes)


def _collect(reader: TopicReader, since_ms: int, decode: Callable[[bytes], Any], found: dict[Key, Any]) -> None:
    """Collect the messages of rows since then; invalid ones are left to `tickvol kafka-consume-check`."""
    for messages in reader.whole(since_ms=since_ms):
        for message in messages:
            if message.timestamp_ms <= since_ms:
                continue
            try:
                row = decode(message.value or b"")
            except (msgspec.DecodeError, ValueError, RecursionError):
                continue
            found.setdefault((row.product_id, row.bar_end_ns), row)


def _joined(
    predictions: dict[Key, PredictionMessage], outcomes: dict[Key, OutcomeMessage]
) -> tuple[LivePredictions, int]:
    newest = max(predictions.values(), key=lambda row: row.bar_end_ns)
    label = (newest.label_kind, newest.horizon_s)
    keys = sorted(key for key, row in predictions.items() if (row.label_kind, row.horizon_s) == label)
    rows = [predictions[key] for key in keys]
    names = sorted({row.product_id for row in rows})
    bundles = list(Counter(row.model_version for row in rows))
    number = {name: place for place, name in enumerate(names)}
    version = {name: place for place, name in enumerate(bundles)}
    found = [outcomes.get(key) for key in keys]
    live = LiveRows(
        product=np.array([number[row.product_id] for row in rows], np.int32),
        bar_end_ns=np.array([row.bar_end_ns for row in rows], np.int64),
        probability=np.array([np.nan if row.probability is None else row.probability for row in rows], np.float64),
        alarmed=np.array([row.signal == "ALERT" for row in rows], np.bool_),
        bundle=np.array([version[row.model_version] for row in rows], np.int32),
        outcome=np.array([PENDING if row is None else _CODES[row.outcome] for row in found], np.int8),
        made_ns=np.array([row.made_time_ns for row in rows], np.int64),
        known_ns=np.array([0 if row is None else row.known_time_ns for row in found], np.int64),
    )
    said = LivePredictions(
        rows=live,
        bundles=bundles,
        label_kind=newest.label_kind.value,
        other_label=len(predictions) - len(rows),
        simulated=any(row.simulated for row in rows),
    )
    return said, newest.horizon_s
