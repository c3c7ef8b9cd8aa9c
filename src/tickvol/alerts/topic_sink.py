"""The topic sink of alerts: acknowledged by the broker before a notice counts as delivered."""

import contextlib

from kafka.errors import KafkaError

from tickvol.alerts.notifications import Notice
from tickvol.bus.client import MAX_MESSAGE_BYTES, new_admin, new_producer, reaching
from tickvol.bus.messages import notice_message
from tickvol.bus.settings import KafkaConfig
from tickvol.core.errors import DeliveryRefused, TopicMismatch

KEY_HEADER = "idempotency_key"
_ROOM_BYTES = 1 << 16
"""For key, headers and batch."""


class AlertTopic:
    """Writes to `kafka.topic_alerts`; connects at once.

    Raises
    ------
    BrokerUnavailable
        When no broker answers.
    TopicMismatch
        When the broker has no such topic.
    """

    def __init__(self, kafka: KafkaConfig) -> None:
        self._kafka = kafka
        with reaching(kafka), contextlib.closing(new_admin(kafka)) as admin:
            if kafka.topic_alerts not in admin.list_topics():
                raise TopicMismatch(f"{kafka.topic_alerts}: no such topic; `tickvol kafka topics` makes it")
        self._producer = new_producer(kafka, client_id="tickvol-alerts", delivery_timeout_ms=kafka.request_timeout_ms)

    def deliver(self, notice: Notice, key: str) -> None:
        """Write a notice and wait for the acknowledgement.

        Raises
        ------
        BrokerUnavailable
            When there is none; the notice may be in the topic all the same, and comes again with the same key.
        DeliveryRefused
            When it is larger than any message may be.
        """
        message = notice_message(notice)
        if len(message.value) > MAX_MESSAGE_BYTES - _ROOM_BYTES:
            raise DeliveryRefused(f"{self._kafka.topic_alerts}: {len(message.value)} bytes are more than it takes")
        with reaching(self._kafka):
            self._producer.send(
                self._kafka.topic_alerts,
                key=message.key,
                value=message.value,
                timestamp_ms=message.timestamp_ms,
                headers=[(KEY_HEADER, key.encode())],
            ).get(timeout=2 * self._kafka.request_timeout_ms / 1000)

    def close(self) -> None:
        """Drop the connection; nothing waits in it."""
        with contextlib.suppress(KafkaError):
            self._producer.close(timeout=1)
