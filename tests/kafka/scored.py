"""Feature rows put onto their topic as the featurizer does, and what the scorer said of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.kafka.featurizers import CommandProcess
from tests.kafka.filling import producing, put, topic_messages
from tickvol.bus.messages import Message, partition_of
from tickvol.volatility.messages import (
    OutcomeMessage,
    PredictionMessage,
    decode_outcome,
    decode_prediction,
    feature_message,
)
from tickvol.volatility.schema.feature_table import FeatureTable

CLOSED_AFTER_NS = 260_000_000


def row_messages(table: FeatureTable, late_by_ns: int = CLOSED_AFTER_NS) -> list[Message]:
    """The rows in order of time, each closed by a record that was received `late_by_ns` after the bar's end."""
    fingerprint = table.spec.fingerprint()
    return [
        feature_message(
            table.products[table.product[row]],
            int(table.bar_end_ns[row]),
            table.schema_version,
            fingerprint,
            int(table.bar_end_ns[row]) + late_by_ns,
            table.values[row].tolist(),
        )
        for row in np.argsort(table.bar_end_ns, kind="stable")
    ]


def put_rows(kafka: Any, messages: Sequence[Message]) -> None:
    with producing(kafka) as producer:
        put(producer, kafka.topic_features, kafka.partitions, messages)


def said(kafka: Any) -> tuple[list[PredictionMessage], list[OutcomeMessage]]:
    """All committed predictions and outcomes; keys, timestamps and partitions are those of their rows."""
    predictions = [
        (message, decode_prediction(message.value)) for message in topic_messages(kafka, kafka.topic_predictions)
    ]
    outcomes = [(message, decode_outcome(message.value)) for message in topic_messages(kafka, kafka.topic_outcomes)]
    for message, row in [*predictions, *outcomes]:
        assert message.key.decode() == row.product_id
        assert message.timestamp == row.bar_end_ns // 1_000_000
        assert message.partition == partition_of(row.product_id, kafka.partitions)
    return [row for _, row in predictions], [row for _, row in outcomes]


def keys_of(rows: Sequence[PredictionMessage | OutcomeMessage], product_id: str) -> list[int]:
    """Bar ends of a product's messages, as they lie in the topic."""
    return [row.bar_end_ns for row in rows if row.product_id == product_id]


def column(rows: Sequence[Any], name: str, table: FeatureTable) -> NDArray[np.float64]:
    """(n,) a field of predictions or outcomes by the table's rows; NaN where there is none."""
    by_key = {(row.product_id, row.bar_end_ns): getattr(row, name) for row in rows}
    found = [
        by_key.get((table.products[product], end))
        for product, end in zip(table.product.tolist(), table.bar_end_ns.tolist(), strict=True)
    ]
    return np.array([np.nan if value is None else value for value in found], np.float64)


def score_to_end(env: dict[str, str], log: Path, *options: str) -> str:
    """One run of the scorer to the end of the topic; what it said."""
    with CommandProcess(env, log, "score", "--until-end", *options) as scorer:
        assert scorer.process.wait(120) == 0, scorer.said()
        return scorer.said()
