"""The featurizer on Kafka: each row once and in order, through every crash.

A turn of the loop: poll, compute, and as soon as rows have waited `features.transaction_interval_ms`, one transaction
that holds rows, dead letters and consumed offsets. Only then do the rows go to the dataset, by a thread. After a change
of the partitions or a failure of any kind all state is dropped and computed again from the log
(`featurize_recovery.py`); the broker refuses the transaction of whoever has lost its partitions, so nothing is written
twice.
"""

import gc
import logging
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tickvol.apps.featurize_dataset import DatasetThread
from tickvol.apps.featurize_recovery import Note, Recovery, last_rows
from tickvol.apps.featurizing_records import Featurized, RecordFeaturizer, ahead_ns
from tickvol.bus.consume import GroupConsumer, holds_messages
from tickvol.bus.transactions import Outgoing, Transactions
from tickvol.config import Config
from tickvol.core.errors import BrokerUnavailable
from tickvol.monitoring.featurizer_counts import FeaturizerCounts

logger = logging.getLogger(__name__)

POLL_S = 0.2
OFFSETS_INTERVAL_S = 1.0
MAX_WAITING_MESSAGES = 20_000
SILENCE_BEFORE_WARNING_S = 1.5


class _Pending:
    """What was computed since the last commit."""

    def __init__(self) -> None:
        self.messages: list[Outgoing] = []
        self.rows: list[Featurized] = []
        self.offsets: dict[int, int] = {}
        self.counts = FeaturizerCounts()
        self.oldest: float | None = None


class KafkaRun:
    """One run of the featurizer.

    Attributes
    ----------
    counts : what was done so far; may be read by other threads.
    is_over : whether it came to its end as it should.
    """

    def __init__(
        self, config: Config, products: Sequence[str], dataset_dir: Path, *, until_end: bool, accept_hole: bool
    ) -> None:
        features = config.features
        self.counts = FeaturizerCounts()
        self._config = config
        self._until_end = until_end
        self._featurizer = RecordFeaturizer(config, products)
        spec = self._featurizer.spec
        self._fingerprint = spec.fingerprint()
        self._dataset = DatasetThread(
            dataset_dir, spec, products, flush_interval_s=features.flush_interval_s, counts=self.counts
        )
        self._transactions = Transactions(
            config.kafka,
            transactional_id=f"{features.group_id}-{features.instance_id}",
            group_topic=config.kafka.topic_ticks,
            stopped=lambda: self._stopped,
            on_wait=self._on_wait,
        )
        self._recovery = Recovery(
            spec,
            config.kafka.topic_ticks,
            margin_ns=2 * ahead_ns(config),
            offset_at=lambda partition, time_ms: self._joined.offset_at(partition, time_ms),
            holds_rows=lambda partition: holds_messages(config.kafka, config.kafka.topic_features, partition),
            accept_hole=accept_hole,
        )
        self._consumer: GroupConsumer | None = None
        self._pending = _Pending()
        self._moving: list[int] | None = None
        self._assigned: list[int] | None = None
        self._positions: dict[int, int] = {}
        self._silent_until: dict[int, int] = {}
        self._on_disk: dict[str, int] = {}
        self._ends: dict[int, int] | None = None
        self._committed_at = 0.0
        self._away = False
        self._stopped = False
        self.is_over = False

    def stop(self, *_: object) -> None:
        """Commit what is computed and end."""
        self._stopped = True

    def stop_on_signals(self) -> None:
        """Stop on SIGINT and SIGTERM."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)

    def work(self) -> None:
        """Run until stopped, or to the end that the log had at the start.

        Raises
        ------
        LogLost, SchemaMismatch, TopicMismatch, WorkError
            When going on would be wrong; BrokerUnavailable with `until_end` only.
        """
        warm = threading.Thread(target=self._featurizer.warm_up, daemon=True)
        warm.start()  # compiled code is loaded while the broker is asked
        try:
            while not self._stopped and not self._is_at_end():
                try:
                    self._step(warm)
                except BrokerUnavailable as error:
                    if self._until_end and self._assigned is None and not self._away and self._consumer is None:
                        raise
                    self._recover(error)
            self._commit_last()
            self._dataset.close()
            self.is_over = True
        finally:
            self._dataset.release()
            self._transactions.drop()
            if self._consumer is not None:
                self._consumer.close()

    def _step(self, warm: threading.Thread) -> None:
        if self._consumer is None:
            self._connect()
        found = self._joined.poll(self._poll_s())
        change = self._joined.take_change()
        if change is not None:
            self._drop_state()
            self.counts.rebalances += 1
            warm.join()
            self._assigned = None
            self._moving = change
        if self._assigned is None:
            if self._moving is not None:
                self._begin(self._moving)
            return
        for partition, messages in found.items():
            self._take(partition, messages)
        self._commit_when_due()
        self._dataset.flush_when_due()
        self._tell_lag()

    def _connect(self) -> None:
        features = self._config.features
        consumer = GroupConsumer(
            self._config.kafka,
            group_id=features.group_id,
            instance_id=features.instance_id,
            session_timeout_ms=features.session_timeout_ms,
            max_poll_records=features.max_poll_records,
            on_revoked=self._dataset.wait,
        )
        try:
            consumer.subscribe()
            self._transactions.open()  # ends what a killed predecessor left open, which would hide its offsets
        except BaseException:
            consumer.close()
            raise
        self._consumer = consumer

    def _begin(self, partitions: list[int]) -> None:
        """Set the positions of newly assigned partitions."""
        consumer, featurizer = self._joined, self._featurizer
        self._transactions.open()
        mine = [name for name, number in featurizer.partitions.items() if number in partitions]
        self._dataset.take_over(mine)
        self._on_disk = last_rows(self._dataset.root, featurizer.spec, featurizer.engine.products)
        states = consumer.partitions(partitions)
        for state in states:
            own = [name for name, number in featurizer.partitions.items() if number == state.number]
            resume = self._recovery.resume(state, own, self._on_disk)
            for name, time_ns in resume.known_until_ns.items():
                featurizer.reader.begin_at(featurizer.engine.products.index(name), time_ns)
            featurizer.reader.simulated = featurizer.reader.simulated or resume.simulated
            consumer.seek(state.number, resume.start)
            self._silent_until[state.number] = resume.committed
            self._positions[state.number] = resume.start
            logger.info(
                "partition=%d from=%d silent_until=%d end=%d",
                state.number,
                resume.start,
                resume.committed,
                state.end,
            )
        logger.info("assigned partitions=%s products=%s", partitions, ",".join(mine) or "none")
        if self._ends is None:
            self._ends = {}
        self._ends = {state.number: self._ends.get(state.number, state.end) for state in states}
        self._assigned, self._moving = partitions, None
        self._committed_at = time.monotonic()
        self._is_back()

    def _take(self, partition: int, messages: list[Any]) -> None:
        self._positions[partition] = messages[-1].offset + 1
        until = self._silent_until.get(partition)
        if until is not None:
            cut = next((place for place, message in enumerate(messages) if message.offset >= until), len(messages))
            if cut:
                self._take_silently(partition, messages[:cut])
            if cut == len(messages) and messages[-1].offset + 1 < until:
                return
            del self._silent_until[partition]
            messages = messages[cut:]
            self._pending.counts.records += self._featurizer.reader.waiting_in(partition)
        if messages:
            self._take_new(partition, messages)

    def _take_silently(self, partition: int, messages: list[Any]) -> None:
        """Rebuild the state; only rows that the dataset has not got yet are kept."""
        rows = self._featurizer.take(partition, messages).rows
        products = self._featurizer.engine.products
        on_disk = np.array([self._on_disk.get(name, 0) for name in products], np.int64)
        self._dataset.simulated = self._featurizer.reader.simulated
        self._dataset.add(rows, rows.bar_end_ns > on_disk[rows.product])

    def _take_new(self, partition: int, messages: list[Any]) -> None:
        kafka, pending = self._config.kafka, self._pending
        featurized = self._featurizer.take(partition, messages)
        pending.counts.add(featurized.counts)
        pending.offsets[partition] = messages[-1].offset + 1
        if len(featurized.rows.product):
            pending.rows.append(featurized)
            rows = self._featurizer.row_messages(featurized)
            pending.messages += [Outgoing(kafka.topic_features, partition, message) for message in rows]
        letters = self._featurizer.letter_messages(featurized)
        pending.messages += [Outgoing(kafka.topic_deadletter, None, letter) for letter in letters]
        if pending.messages and pending.oldest is None:
            pending.oldest = time.monotonic()

    def _poll_s(self) -> float:
        if self._pending.oldest is None:
            return POLL_S
        interval_s = self._config.features.transaction_interval_ms / 1000
        return min(POLL_S, max(0.0, self._pending.oldest + interval_s - time.monotonic()))

    def _commit_when_due(self) -> None:
        pending, now = self._pending, time.monotonic()
        interval_s = self._config.features.transaction_interval_ms / 1000
        if pending.oldest is not None:
            due = now - pending.oldest >= interval_s or len(pending.messages) >= MAX_WAITING_MESSAGES
        else:
            due = bool(pending.offsets) and now - self._committed_at >= OFFSETS_INTERVAL_S
        if due:
            self._commit()

    def _commit(self) -> None:
        pending, began = self._pending, time.monotonic()
        offsets = {partition: (offset, self._note(partition)) for partition, offset in pending.offsets.items()}
        self._transactions.run(pending.messages, offsets, self._joined.group_metadata())
        self._pending = _Pending()
        self._committed_at = time.monotonic()
        self.counts.last_commit_s = self._committed_at - began
        self.counts.commit_s += self.counts.last_commit_s
        self.counts.transactions += 1
        self.counts.add(pending.counts)
        self._is_back()
        self._dataset.simulated = self._featurizer.reader.simulated
        for featurized in pending.rows:
            self._dataset.add(featurized.rows)

    def _note(self, partition: int) -> str:
        featurizer = self._featurizer
        open_bars = featurizer.engine.open_bars_ns()
        own = {name: time for name, time in open_bars.items() if featurizer.partitions[name] == partition}
        held = featurizer.reader.waiting_since_ms(partition)
        return Note(self._fingerprint, own, held, featurizer.reader.simulated).encode()

    def _commit_last(self) -> None:
        if not self._pending.offsets or self._assigned is None:
            return
        try:
            self._commit()
        except BrokerUnavailable as error:
            logger.warning("%s; what was not committed is computed again at the next start", error)
            self.counts.aborted += 1

    def _recover(self, error: BrokerUnavailable) -> None:
        """Drop everything that is not committed, and join the group again, which tells whether we still may."""
        if not self._away:
            logger.warning("%s; goes back to the committed offsets as soon as the broker answers", error)
        self._away = True
        self.counts.aborted += bool(self._pending.offsets)
        self._drop_state()
        self._assigned = self._moving = None
        self._transactions.drop()
        if self._consumer is not None:
            self._consumer.rejoin()
        if not self._stopped:
            time.sleep(POLL_S)

    def _is_back(self) -> None:
        if self._away:
            self._away = False
            logger.warning("kafka.bootstrap_servers: %s: answers again", self._config.kafka.bootstrap_servers)

    def _drop_state(self) -> None:
        self.counts.records -= self.counts.waiting  # they will be read again
        self._pending = _Pending()
        self._silent_until.clear()
        self._positions.clear()
        self._featurizer.reset()
        self._dataset.forget()
        gc.collect()  # the client leaves cycles behind that hold whole batches, and elsewhere we collect rarely

    def _on_wait(self, waited_s: float) -> None:
        """While a transaction waits for the broker."""
        if waited_s > SILENCE_BEFORE_WARNING_S and not self._away:
            self._away = True
            logger.warning("kafka.bootstrap_servers: %s: no answer; waits", self._config.kafka.bootstrap_servers)

    def _is_at_end(self) -> bool:
        if not self._until_end or self._assigned is None or self._ends is None:
            return False
        return all(self._joined.position(number) >= self._ends[number] for number in self._assigned)

    def _tell_lag(self) -> None:
        assert self._assigned is not None
        counts = self.counts
        counts.highest_event_ns = self._featurizer.reader.highest_event_ns()
        ends = self._joined.ends(self._assigned)
        counts.lag = {number: max(0, end - self._positions[number]) for number, end in ends.items()}

    @property
    def _joined(self) -> GroupConsumer:
        assert self._consumer is not None
        return self._consumer
