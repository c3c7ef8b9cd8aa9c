"""The loop that consumes one topic and writes others, each message once and in order, across every crash.

Each turn polls and passes new messages to the work. Once its output has waited `transaction_interval_ms`, one
transaction commits the output and the consumed offsets, each offset with a note from the work. After a start, a change
of the partitions or any failure, all state is dropped, and the work gives the offset from which the topic is re-read
without producing. The broker refuses the transaction of a member that has lost its partitions, so nothing is written
twice.
"""

import gc
import logging
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from tickvol.bus.consume import Group, GroupConsumer, Partition
from tickvol.bus.loop_counts import LoopCounts
from tickvol.bus.settings import KafkaConfig
from tickvol.bus.transactions import Outgoing, Transactions
from tickvol.core.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

POLL_S = 0.2
OFFSETS_INTERVAL_S = 1.0
MAX_WAITING_MESSAGES = 20_000
SILENCE_BEFORE_WARNING_S = 1.5


class ResumePoint(NamedTuple):
    """Resume offsets of a partition: re-read from `start` without producing; new messages begin at `committed`."""

    start: int
    committed: int


class Work(Protocol):
    """The processing of messages; its state is a function of what it takes between `begin` and `drop`.

    Methods whose body is `return` are optional.
    """

    def warm_up(self) -> None:
        """Do slow loading while the broker is queried; called on another thread."""
        return

    def begin(self, states: Sequence[Partition], consumer: GroupConsumer) -> Mapping[int, ResumePoint]:
        """Take over these partitions, and no others, with empty state; return their resume offsets."""

    def replay_records(self, partition: int, messages: Sequence[Any]) -> None:
        """Rebuild the state from messages already processed, without producing."""

    def end_replay(self, partition: int) -> None:
        """Note that the partition's messages are new from now on."""

    def take(self, partition: int, messages: Sequence[Any]) -> list[Outgoing]:
        """Process new messages; return the messages to write."""

    def note(self, partition: int) -> str:
        """Metadata to commit with the partition's offset; `begin` gets it back."""

    def committed(self) -> None:
        """Called after a commit of all that was taken."""

    def drop(self) -> None:
        """Drop all state; what was not committed will be read again."""

    def turn(self) -> None:
        """Called once per turn of the loop while partitions are assigned."""
        return

    def revoke(self) -> None:
        """Called on the client's thread when partitions are about to be revoked."""
        return

    def finish(self) -> None:
        """Called when the loop ends normally."""
        return

    def release(self) -> None:
        """Called when the loop ends, normally or not."""
        return


class _Pending:
    """Output and consumed offsets since the last commit."""

    def __init__(self) -> None:
        self.messages: list[Outgoing] = []
        self.offsets: dict[int, int] = {}
        self.oldest: float | None = None


class ExactlyOnce:
    """One run of the loop.

    Attributes
    ----------
    is_over : True if it ended normally.
    """

    def __init__(
        self,
        kafka: KafkaConfig,
        group: Group,
        work: Work,
        counts: LoopCounts,
        *,
        transaction_interval_ms: int,
        until_end: bool,
    ) -> None:
        self._kafka = kafka
        self._group = group
        self._work = work
        self._counts = counts
        self._interval_s = transaction_interval_ms / 1000
        self._until_end = until_end
        self._transactions = Transactions(
            kafka,
            transactional_id=group.member,
            group_topic=group.reads.name,
            topics=[topic.name for topic in group.writes],
            stopped=lambda: self._stopped,
            on_wait=self._on_wait,
        )
        self._consumer: GroupConsumer | None = None
        self._pending = _Pending()
        self._moving: list[int] | None = None
        self._assigned: list[int] | None = None
        self._positions: dict[int, int] = {}
        self._replay_until: dict[int, int] = {}
        self._ends: dict[int, int] | None = None
        self._committed_at = 0.0
        self._away = False
        self._stopped = False
        self.is_over = False

    def stop(self, *_: object) -> None:
        """Commit finished work and end."""
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
            If continuing would be wrong; BrokerUnavailable with `until_end` only.
        """
        warm = threading.Thread(target=self._work.warm_up, daemon=True)
        warm.start()
        try:
            while not self._stopped and not self._is_at_end():
                try:
                    self._step(warm)
                except BrokerUnavailable as error:
                    if self._until_end and self._assigned is None and not self._away and self._consumer is None:
                        raise
                    self._recover(error)
            self._commit_last()
            self._work.finish()
            self.is_over = True
        finally:
            self._work.release()
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
            self._counts.rebalances += 1
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
        self._work.turn()
        self._update_lag()

    def _connect(self) -> None:
        consumer = GroupConsumer(self._kafka, self._group, on_revoked=self._work.revoke)
        try:
            consumer.subscribe()
            self._transactions.open()  # ends the transaction of a killed predecessor, which would hide its offsets
        except BaseException:
            consumer.close()
            raise
        self._consumer = consumer

    def _begin(self, partitions: list[int]) -> None:
        """Set the positions of newly assigned partitions."""
        consumer = self._joined
        self._transactions.open()
        states = consumer.partitions(partitions)
        places = self._work.begin(states, consumer)
        for state in states:
            start, committed = places[state.number]
            consumer.seek(state.number, start)
            self._replay_until[state.number] = committed
            self._positions[state.number] = start
            logger.info("partition=%d from=%d silent_until=%d end=%d", state.number, start, committed, state.end)
        if self._ends is None:
            self._ends = {}
        self._ends = {state.number: self._ends.get(state.number, state.end) for state in states}
        self._assigned, self._moving = partitions, None
        self._committed_at = time.monotonic()
        self._is_back()

    def _take(self, partition: int, messages: list[Any]) -> None:
        self._positions[partition] = messages[-1].offset + 1
        until = self._replay_until.get(partition)
        if until is not None:
            cut = next((place for place, message in enumerate(messages) if message.offset >= until), len(messages))
            if cut:
                self._work.replay_records(partition, messages[:cut])
            if cut == len(messages) and messages[-1].offset + 1 < until:
                return
            del self._replay_until[partition]
            messages = messages[cut:]
            self._work.end_replay(partition)
        if messages:
            self._take_new(partition, messages)

    def _take_new(self, partition: int, messages: list[Any]) -> None:
        pending = self._pending
        pending.messages += self._work.take(partition, messages)
        pending.offsets[partition] = messages[-1].offset + 1
        if pending.messages and pending.oldest is None:
            pending.oldest = time.monotonic()

    def _poll_s(self) -> float:
        if self._pending.oldest is None:
            return POLL_S
        return min(POLL_S, max(0.0, self._pending.oldest + self._interval_s - time.monotonic()))

    def _commit_when_due(self) -> None:
        pending, now = self._pending, time.monotonic()
        if pending.oldest is not None:
            due = now - pending.oldest >= self._interval_s or len(pending.messages) >= MAX_WAITING_MESSAGES
        else:
            due = bool(pending.offsets) and now - self._committed_at >= OFFSETS_INTERVAL_S
        if due:
            self._commit()

    def _commit(self) -> None:
        pending, counts, began = self._pending, self._counts, time.monotonic()
        offsets = {partition: (offset, self._work.note(partition)) for partition, offset in pending.offsets.items()}
        self._transactions.run(pending.messages, offsets, self._joined.group_metadata())
        self._pending = _Pending()
        self._committed_at = time.monotonic()
        counts.last_commit_s = self._committed_at - began
        counts.commit_s += counts.last_commit_s
        counts.transactions += 1
        self._is_back()
        self._work.committed()

    def _commit_last(self) -> None:
        if not self._pending.offsets or self._assigned is None:
            return
        try:
            self._commit()
        except BrokerUnavailable as error:
            logger.warning("%s; uncommitted results are recomputed at the next start", error)
            self._counts.aborted += 1

    def _recover(self, error: BrokerUnavailable) -> None:
        """Drop everything uncommitted and rejoin the group, which shows whether we are still a member."""
        if not self._away:
            logger.warning("%s; resumes at the committed offsets once the broker answers", error)
        self._away = True
        self._counts.aborted += bool(self._pending.offsets)
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
            logger.warning("kafka.bootstrap_servers: %s: answers again", self._kafka.bootstrap_servers)

    def _drop_state(self) -> None:
        self._pending = _Pending()
        self._replay_until.clear()
        self._positions.clear()
        self._work.drop()
        gc.collect()  # the client leaves reference cycles that hold whole batches, and we rarely collect elsewhere

    def _on_wait(self, waited_s: float) -> None:
        """Called while a transaction waits for the broker."""
        if waited_s > SILENCE_BEFORE_WARNING_S and not self._away:
            self._away = True
            logger.warning("kafka.bootstrap_servers: %s: no answer; waiting", self._kafka.bootstrap_servers)

    def _is_at_end(self) -> bool:
        if not self._until_end or self._assigned is None or self._ends is None:
            return False
        return all(self._joined.position(number) >= self._ends[number] for number in self._assigned)

    def _update_lag(self) -> None:
        assert self._assigned is not None
        ends = self._joined.ends(self._assigned)
        self._counts.lag = {number: max(0, end - self._positions[number]) for number, end in ends.items()}

    @property
    def _joined(self) -> GroupConsumer:
        assert self._consumer is not None
        return self._consumer
