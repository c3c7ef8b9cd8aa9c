"""Log records to rows and dead-letter records, shared by `tickvol featurize` and `tickvol replay --from-kafka`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickvol.bus.messages import Message, dead_letter_message, partition_of, record_message
from tickvol.bus.reading import Stored
from tickvol.core.record_columns import RecordKind
from tickvol.core.records import Tick
from tickvol.core.times import NS_PER_MS, NS_PER_S
from tickvol.eventlog.frame_columns import Reject
from tickvol.eventlog.record_reader import ReadRecords, RecordReader
from tickvol.eventlog.record_rules import StoredMessage as LogMessage
from tickvol.volatility.features.engine import FeatureEngine, FeatureRows
from tickvol.volatility.featurizer.counts import FeaturizerCounts
from tickvol.volatility.messages import feature_message
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION, feature_names
from tickvol.volatility.settings.profile import VolatilityConfig


class RejectedMessage(NamedTuple):
    """A message that gave no record or came too late."""

    partition: int
    message: LogMessage
    reason: Reject


@dataclass(frozen=True, slots=True)
class Featurized:
    """Results from messages of one partition."""

    rows: FeatureRows
    closed_by_ns: NDArray[np.int64]
    letters: list[RejectedMessage]
    counts: FeaturizerCounts


def ahead_ns(config: VolatilityConfig) -> int:
    """Maximum time that a record may be ahead of its product without confirmation by a second one.

    An outage or a silence that creates no gap is no reason for doubt, so this is the longer of the two limits.
    """
    return round(max(config.ingestion.max_ahead_s, config.features.max_silence_s) * NS_PER_S)


def _practice_message(partition: int, product_id: str, second: int) -> Stored:
    tick = Tick(product_id, second * NS_PER_S, 0, "practice", second, "1", "1", "1", "1", "1")
    key, value, timestamp_ms = record_message(tick)
    return Stored(partition, second, timestamp_ms, key, value)


class RecordFeaturizer:
    """Reader and engine in sequence.

    Parameters
    ----------
    products : products to compute; records of others are counted and otherwise ignored.
    """

    def __init__(self, config: VolatilityConfig, products: Sequence[str]) -> None:
        self._config = config
        self.spec = config.features.spec()
        self.partitions = {name: partition_of(name, config.kafka.partitions) for name in products}
        self.engine = FeatureEngine(self.spec, products)
        self.reader = RecordReader(
            products,
            list(self.partitions.values()),
            ahead_ns=ahead_ns(config),
            max_bytes=config.ingestion.max_message_bytes,
        )
        self._topic = config.ingestion.topic
        self._fingerprint = self.spec.fingerprint()
        self._mid = feature_names(self.spec).index("mid")

    def reset(self) -> None:
        """Reset to the initial state."""
        self.reader.reset()
        self.engine.reset()

    def warm_up(self) -> None:
        """Load the compiled code with synthetic records that produce no output."""
        name = next(iter(self.partitions))
        other = RecordFeaturizer(self._config, (name,))
        partition = other.partitions[name]
        other.take(partition, [_practice_message(partition, name, second) for second in range(3)])

    def take(self, partition: int, messages: Sequence[LogMessage]) -> Featurized:
        """Process the next messages of a partition."""
        read = self.reader.read(partition, messages)
        rows = self.engine.push(read.records)
        letters = [
            RejectedMessage(partition, read.messages[row], reason)
            for row, reason in read.rejected
            if reason is not Reject.UNKNOWN_PRODUCT  # not configured; counted, without a dead-letter record
        ]
        letters += [
            RejectedMessage(partition, read.messages[int(read.records.origin[row])], Reject.LATE) for row in rows.late
        ]
        counts = self._count(len(messages), read, rows)
        return Featurized(rows, read.receive_time_ns[rows.closed_by], letters, counts)

    def row_messages(self, featurized: Featurized) -> list[Message]:
        """The rows as Kafka messages."""
        rows, products, fingerprint = featurized.rows, self.engine.products, self._fingerprint
        return [
            feature_message(products[product], end, SCHEMA_VERSION, fingerprint, closed, values)
            for product, end, closed, values in zip(
                rows.product.tolist(),
                rows.bar_end_ns.tolist(),
                featurized.closed_by_ns.tolist(),
                rows.values.tolist(),
                strict=True,
            )
        ]

    def dead_letter_messages(self, featurized: Featurized) -> list[Message]:
        """The dead-letter records as Kafka messages."""
        return [
            dead_letter_message(
                f"{self._topic}-{partition}@{message.offset}",
                reason.label,
                max(message.timestamp, 0) * NS_PER_MS,
                message.value or b"",
            )
            for partition, message, reason in featurized.letters
        ]

    def _count(self, messages: int, read: ReadRecords, rows: FeatureRows) -> FeaturizerCounts:
        counts, kind = FeaturizerCounts(), read.records.kind
        counts.records = messages
        counts.ticks = int(np.count_nonzero(kind == RecordKind.TICK)) - rows.duplicates - len(rows.late)
        counts.duplicates = rows.duplicates
        counts.late = len(rows.late)
        counts.heartbeats = int(np.count_nonzero(kind == RecordKind.HEARTBEAT))
        counts.gaps.update(read.gaps)
        counts.rejected.update(reason.label for _, reason in read.rejected)
        if len(rows.product):
            known = ~np.isnan(rows.values[:, self._mid])
            for number in np.unique(rows.product).tolist():
                name, own = self.engine.products[number], rows.product == number
                counts.rows[name] = int(np.count_nonzero(own))
                counts.known_bars[name] = int(np.count_nonzero(own & known))
        return counts
