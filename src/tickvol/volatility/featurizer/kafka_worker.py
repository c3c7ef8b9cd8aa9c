"""The featurizer on Kafka: each row exactly once and in order, through every crash.

The loop is `bus/exactly_once.py`: one transaction holds rows, dead-letter records and consumed offsets. Only then does
a thread write the rows to the dataset. After a change of the assigned partitions or a failure of any kind all state is
dropped and recomputed from the log (`recovery.py`).
"""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tickvol.bus.consume import Group, GroupConsumer, Partition, holds_messages
from tickvol.bus.dead_letters import dead_letter_topic
from tickvol.bus.exactly_once import ExactlyOnce, ResumePoint, Work
from tickvol.bus.offset_note import Note
from tickvol.bus.transactions import Outgoing
from tickvol.capture.topics import ticks_topic
from tickvol.metrics.server import serve_metrics
from tickvol.volatility.featurizer.counts import FeaturizerCounts
from tickvol.volatility.featurizer.dataset_thread import DatasetThread
from tickvol.volatility.featurizer.metrics import FEATURIZER_METRICS, featurizer_values
from tickvol.volatility.featurizer.record_featurizer import Featurized, RecordFeaturizer, ahead_ns
from tickvol.volatility.featurizer.recovery import CHOICES, Recovery, last_rows
from tickvol.volatility.settings.profile import VolatilityConfig
from tickvol.volatility.topics import features_topic

logger = logging.getLogger(__name__)


SWITCH_S = 0.0005
"""Interpreter switch interval, 5 ms by default: a commit switches threads twenty times, and the thread that writes the
dataset would delay each switch."""


def featurize_kafka(
    config: VolatilityConfig,
    products: Sequence[str],
    dataset_dir: Path,
    *,
    until_end: bool,
    accept_gap: bool = False,
    on_summary: Callable[[Sequence[str]], None] = lambda _: None,
) -> FeaturizerCounts:
    """Run the featurizer with its metrics until a signal stops it, or up to the end that the log has at the start.

    Parameters
    ----------
    on_summary : called with the counts as lines, even when the run fails after its first transaction.

    Raises
    ------
    WorkError
        As `ExactlyOnce.work`.
    """
    run = KafkaRun(config, products, dataset_dir, until_end=until_end, accept_gap=accept_gap)
    run.stop_on_signals()
    sys.setswitchinterval(SWITCH_S)
    metrics = serve_metrics(
        "features.metrics_port", config.features.metrics_port, FEATURIZER_METRICS, lambda: featurizer_values(run.counts)
    )
    try:
        run.work()
    finally:
        if metrics is not None:
            metrics.close()
        if run.counts.transactions or run.is_over:
            on_summary(run.counts.summary(products))
    return run.counts


class KafkaRun(ExactlyOnce):
    """One run of the featurizer.

    Attributes
    ----------
    counts : progress so far; may be read by other threads.
    """

    def __init__(
        self,
        config: VolatilityConfig,
        products: Sequence[str],
        dataset_dir: Path,
        *,
        until_end: bool,
        accept_gap: bool,
    ) -> None:
        self.counts = FeaturizerCounts()
        super().__init__(
            config.kafka,
            _group(config),
            _Featurizing(config, products, dataset_dir, self.counts, accept_gap=accept_gap),
            self.counts,
            transaction_interval_ms=config.features.transaction_interval_ms,
            until_end=until_end,
        )


def _group(config: VolatilityConfig) -> Group:
    kafka, features = config.kafka, config.features
    return Group(
        section="features",
        group_id=features.group_id,
        instance_id=features.instance_id,
        session_timeout_ms=features.session_timeout_ms,
        max_poll_records=features.max_poll_records,
        reads=ticks_topic(kafka, config.ingestion),
        writes=(features_topic(config), dead_letter_topic(kafka)),
        choices=CHOICES,
    )


class _Featurizing(Work):
    """Records to rows and dead-letter records; committed rows to the dataset."""

    def __init__(
        self,
        config: VolatilityConfig,
        products: Sequence[str],
        dataset_dir: Path,
        counts: FeaturizerCounts,
        *,
        accept_gap: bool,
    ) -> None:
        self._config = config
        self._counts = counts
        self._accept_gap = accept_gap
        self._featurizer = RecordFeaturizer(config, products)
        self._fingerprint = self._featurizer.spec.fingerprint()
        self._dataset = DatasetThread(
            dataset_dir,
            self._featurizer.spec,
            products,
            flush_interval_s=config.features.flush_interval_s,
            counts=counts,
        )
        self._on_disk: dict[str, int] = {}
        self._taken = FeaturizerCounts()
        self._rows: list[Featurized] = []

    def warm_up(self) -> None:
        """Load the compiled code."""
        self._featurizer.warm_up()

    def begin(self, states: Sequence[Partition], consumer: GroupConsumer) -> Mapping[int, ResumePoint]:
        """Rewind as far as open bars and the dataset require."""
        featurizer, numbers = self._featurizer, [state.number for state in states]
        mine = [name for name, number in featurizer.partitions.items() if number in numbers]
        self._dataset.take_over(mine)
        self._on_disk = last_rows(self._dataset.root, featurizer.spec, featurizer.engine.products)
        recovery = self._recovery(consumer)
        places = {}
        for state in states:
            own = [name for name, number in featurizer.partitions.items() if number == state.number]
            resume = recovery.resume(state, own, self._on_disk)
            for name, time_ns in resume.known_until_ns.items():
                featurizer.reader.begin_at(featurizer.engine.products.index(name), time_ns)
            featurizer.reader.simulated = featurizer.reader.simulated or resume.simulated
            places[state.number] = ResumePoint(resume.start, resume.committed)
        logger.info("assigned partitions=%s products=%s", numbers, ",".join(mine) or "none")
        return places

    def replay_records(self, partition: int, messages: Sequence[Any]) -> None:
        """Rebuild the state; keep only rows that the dataset lacks."""
        rows = self._featurizer.take(partition, messages).rows
        products = self._featurizer.engine.products
        on_disk = np.array([self._on_disk.get(name, 0) for name in products], np.int64)
        self._dataset.simulated = self._featurizer.reader.simulated
        self._dataset.add(rows, rows.bar_end_ns > on_disk[rows.product])

    def end_replay(self, partition: int) -> None:
        """Add the records awaiting confirmation to the total; they are categorised once confirmed."""
        self._taken.records += self._featurizer.reader.waiting_in(partition)

    def take(self, partition: int, messages: Sequence[Any]) -> list[Outgoing]:
        """Rows and dead-letter records."""
        kafka, featurizer = self._config.kafka, self._featurizer
        featurized = featurizer.take(partition, messages)
        self._taken.add(featurized.counts)
        written: list[Outgoing] = []
        if len(featurized.rows.product):
            self._rows.append(featurized)
            rows = featurizer.row_messages(featurized)
            written += [Outgoing(self._config.features.topic, partition, message) for message in rows]
        letters = featurizer.dead_letter_messages(featurized)
        return written + [Outgoing(kafka.topic_deadletter, None, letter) for letter in letters]

    def note(self, partition: int) -> str:
        """Note for the committed offset: start of open bars, and the feature settings."""
        featurizer = self._featurizer
        open_bars = featurizer.engine.open_bars_ns()
        own = {name: time for name, time in open_bars.items() if featurizer.partitions[name] == partition}
        held = featurizer.reader.waiting_since_ms(partition)
        return Note(self._fingerprint, own, held, featurizer.reader.simulated).encode()

    def committed(self) -> None:
        """Update the counts and pass the rows to the dataset."""
        self._counts.add(self._taken)
        self._taken = FeaturizerCounts()
        self._dataset.simulated = self._featurizer.reader.simulated
        rows, self._rows = self._rows, []
        for featurized in rows:
            self._dataset.add(featurized.rows)

    def drop(self) -> None:
        """Reset to the initial state."""
        self._counts.records -= self._counts.waiting  # they will be re-read
        self._taken, self._rows = FeaturizerCounts(), []
        self._featurizer.reset()
        self._dataset.forget()

    def turn(self) -> None:
        """Write the dataset when due."""
        self._dataset.flush_when_due()
        self._counts.highest_event_ns = self._featurizer.reader.highest_event_ns()

    def revoke(self) -> None:
        """Finish the current write before others may write."""
        self._dataset.wait()

    def finish(self) -> None:
        """Write the remaining rows."""
        self._dataset.close()

    def release(self) -> None:
        """Let others write the dataset."""
        self._dataset.release()

    def _recovery(self, consumer: GroupConsumer) -> Recovery:
        kafka = self._config.kafka
        return Recovery(
            self._featurizer.spec,
            self._config.ingestion.topic,
            margin_ns=2 * ahead_ns(self._config),
            offset_at=consumer.offset_at,
            holds_rows=lambda partition: holds_messages(kafka, self._config.features.topic, partition),
            accept_gap=self._accept_gap,
        )
