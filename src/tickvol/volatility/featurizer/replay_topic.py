"""The whole ticks topic to a feature dataset, with the reader and the engine of the featurizer on Kafka."""

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from tickvol.bus.reading import Stored, TopicReader
from tickvol.core.errors import InputError, TopicMismatch
from tickvol.storage.deadletters import DeadLetter
from tickvol.volatility.featurizer.counts import FeaturizerCounts
from tickvol.volatility.featurizer.frame_featurizer import Computed, Store
from tickvol.volatility.featurizer.record_featurizer import RecordFeaturizer
from tickvol.volatility.settings.profile import VolatilityConfig


def replay_topic(
    config: VolatilityConfig, products: Sequence[str], new: Path, *, on_progress: Callable[[int, int], None]
) -> FeaturizerCounts:
    """Build a dataset at `new` from the current topic, from beginning to end.

    Parameters
    ----------
    on_progress : called with the number of messages done and the total.

    Raises
    ------
    InputError
        When the topic holds no record that can be used.
    TopicMismatch
        When there is no such topic, or its number of partitions differs from the declared one.
    BrokerUnavailable
        When no broker answers.
    """
    kafka = config.kafka
    featurizer = RecordFeaturizer(config, products)
    store = Store(new, featurizer.spec, products)
    counts = FeaturizerCounts()
    with TopicReader(kafka, config.ingestion.topic, client_id="tickvol-replay") as reader:
        if len(reader.end) != kafka.partitions:
            raise TopicMismatch(
                f"kafka.partitions: {kafka.partitions}: topic {config.ingestion.topic} has {len(reader.end)}; set it to"
                " that"
            )
        total = sum(reader.end.values()) - sum(reader.first.values())
        for messages in reader.whole():
            store.write(_featurized(featurizer, messages, counts, config.ingestion.topic), only_complete=True)
            on_progress(counts.records, total)
    if counts.records == counts.rejected.total():
        raise InputError(f"--from-kafka: {config.ingestion.topic}: not a single record that can be used")
    store.write(Computed([], [], featurizer.reader.simulated))
    return counts


def _featurized(
    featurizer: RecordFeaturizer, messages: Sequence[Stored], counts: FeaturizerCounts, topic: str
) -> Computed:
    rows, letters = [], []
    for partition, own in groupby(messages, attrgetter("partition")):
        featurized = featurizer.take(partition, list(own))
        counts.add(featurized.counts)
        rows.append(featurized.rows)
        letters += [
            DeadLetter(f"{topic}-{partition}", letter.message.offset, letter.reason.label, letter.message.value or b"")
            for letter in featurized.letters
        ]
    return Computed(rows, letters, featurizer.reader.simulated)
