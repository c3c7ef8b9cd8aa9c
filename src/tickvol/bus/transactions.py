"""Transactions: messages and consumed offsets that the broker commits together or not at all.

After any failure the producer is discarded, and the next one begins by ending what the last one left open. A
kafka-python producer that is kept after a failure may send leftovers with the next transaction, and after a change of
its epoch it may report a transaction as committed of which nothing is left. Success therefore counts only if every
message was acknowledged under the epoch that the transaction began with.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from kafka import KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from tickvol.bus.client import new_producer
from tickvol.bus.messages import Message
from tickvol.bus.settings import KafkaConfig
from tickvol.core.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

TRANSACTION_TIMEOUT_MS = 10_000
RETRY_BACKOFF_MS = 2
"""A transaction that begins while the broker is still completing the last one is refused until then."""
TIMEOUT_S = 2 * TRANSACTION_TIMEOUT_MS / 1000
"""By then the broker has ended a transaction that we cannot end, and a new producer finds out how."""
STOP_TIMEOUT_S = 3.0
ABORT_TIMEOUT_S = 2.0


class Outgoing(NamedTuple):
    """A message and its destination; partition None: chosen by its key."""

    topic: str
    partition: int | None
    message: Message


class Transactions:
    """One transactional producer at a time.

    Parameters
    ----------
    group_topic : the topic that is consumed, whose offsets are committed. topics : those that are written.
    stopped : asked while waiting; timeouts are short once it is True.
    on_wait : called with the seconds waited, about ten times a second, while the broker does not answer.

    Raises
    ------
    BrokerUnavailable
        From every method, if the broker is down, does not answer or fences us. Either nothing or all was committed.
    """

    def __init__(
        self,
        kafka: KafkaConfig,
        *,
        transactional_id: str,
        group_topic: str,
        topics: Sequence[str],
        stopped: Callable[[], bool],
        on_wait: Callable[[float], None],
    ) -> None:
        self._kafka = kafka
        self._id = transactional_id
        self._group_topic = group_topic
        self._topics = topics
        self._stopped = stopped
        self._on_wait = on_wait
        self._producer: KafkaProducer | None = None
        self._worker: _Worker | None = None

    def open(self) -> None:
        """Take over the transactional id from its previous owner, whose open transaction is ended."""
        if self._producer is None:
            self._producer = self._wait(self._new_producer)

    def run(self, messages: Sequence[Outgoing], offsets: dict[int, tuple[int, str]], membership: Any) -> None:
        """Write messages and offsets (with their notes) in one transaction."""
        assert self._producer is not None
        places = {
            TopicPartition(self._group_topic, number): OffsetAndMetadata(offset, note, -1)
            for number, (offset, note) in offsets.items()
        }
        producer = self._producer
        self._wait(lambda: _transaction(producer, messages, places, membership))

    def drop(self) -> None:
        """Discard the producer without waiting for anything."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        if self._worker is not None and not self._worker.busy:
            with contextlib.suppress(Exception):
                self._worker.call(producer.abort_transaction, ABORT_TIMEOUT_S, lambda waited: None)
        with contextlib.suppress(Exception):
            producer._sender.force_close()  # close() alone would first wait for what cannot be sent
        threading.Thread(target=_close, args=(producer,), daemon=True).start()

    def _new_producer(self) -> KafkaProducer:
        producer = new_producer(
            self._kafka,
            client_id=self._id,
            transactional_id=self._id,
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
            retry_backoff_ms=RETRY_BACKOFF_MS,
        )
        _keep_requests(producer)
        try:
            producer.init_transactions()
            for topic in self._topics:
                producer.partitions_for(topic)
        except BaseException:
            _close(producer)
            raise
        return producer

    def _wait(self, work: Callable[[], Any]) -> Any:
        """Run `work` in a thread, as the client waits without limit where we must not."""
        if self._worker is None or self._worker.busy:
            self._worker = _Worker()
        began = time.monotonic()

        def on_wait(waited_s: float) -> None:
            self._on_wait(waited_s)
            if self._stopped() and time.monotonic() - began > STOP_TIMEOUT_S:
                raise TimeoutError

        try:
            return self._worker.call(work, TIMEOUT_S, on_wait)
        except BrokerUnavailable:
            raise
        except TimeoutError:
            waited_s = time.monotonic() - began
            raise BrokerUnavailable(
                f"kafka.bootstrap_servers: {self._kafka.bootstrap_servers}: no answer for {waited_s:.0f} s"
            ) from None
        except (KafkaError, OSError) as error:
            text = " ".join(str(error).split()) or type(error).__name__
            raise BrokerUnavailable(f"transaction of {self._id} not committed: {text}") from error


def _transaction(
    producer: KafkaProducer, messages: Sequence[Outgoing], offsets: dict[TopicPartition, Any], membership: Any
) -> None:
    manager = producer._transaction_manager
    began_as = manager.producer_id_and_epoch
    producer.begin_transaction()
    for topic, number in {(outgoing.topic, outgoing.partition) for outgoing in messages}:
        if number is not None:  # added before the first message wakes the sender, all partitions go into one request
            manager.maybe_add_partition_to_transaction(TopicPartition(topic, number))
    send = producer.send
    sent = [
        send(topic, value=message.value, key=message.key, partition=partition, timestamp_ms=message.timestamp_ms)
        for topic, partition, message in messages
    ]
    producer.send_offsets_to_transaction(offsets, membership)
    producer.commit_transaction()
    if manager.producer_id_and_epoch != began_as or not all(future.succeeded() for future in sent):
        raise KafkaError("the producer's epoch changed, so the outcome is not known")


def _keep_requests(producer: KafkaProducer) -> None:
    """Treat a refused connection as not ready.

    kafka-python (3.0.12, `Sender._maybe_send_pending_request`) requeues a request for a coordinator that is not ready,
    but loses it if connecting raises, and then waits for its response for ever.
    """
    client = producer._sender._client
    await_ready = client.await_ready

    def quietly(*arguments: Any, **options: Any) -> bool:
        try:
            return bool(await_ready(*arguments, **options))
        except (KafkaError, OSError):
            return False

    client.await_ready = quietly


def _close(producer: KafkaProducer) -> None:
    with contextlib.suppress(Exception):
        producer.close(timeout=1)


class _Worker:
    """A thread that runs one call after the other; a hanging one is abandoned and does not keep us alive."""

    def __init__(self) -> None:
        self.busy = False
        self._work: queue.SimpleQueue[Callable[[], Any]] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True, name="transactions").start()

    def call(self, work: Callable[[], Any], timeout_s: float, on_wait: Callable[[float], None]) -> Any:
        """Return or raise what the work does; TimeoutError if it takes too long."""
        self.busy = True
        self._work.put(work)
        began = time.monotonic()
        while True:
            try:
                value, error = self._done.get(timeout=0.1)
            except queue.Empty:
                waited_s = time.monotonic() - began
                if waited_s > timeout_s:
                    raise TimeoutError from None
                on_wait(waited_s)
                continue
            self.busy = False
            if error is not None:
                raise error
            return value

    def _run(self) -> None:
        while True:
            work = self._work.get()
            try:
                self._done.put((work(), None))
            except BaseException as error:
                self._done.put((None, error))
