"""The topic sink of alerts: the broker's acknowledgement counts as delivery."""

import contextlib

from kafka.errors import KafkaError

from tickvol.alerts.notifications import Alert, Notice, decode_notice, encode_notice
from tickvol.alerts.settings import AlertsConfig
from tickvol.bus.client import MAX_MESSAGE_BYTES, new_admin, new_producer, reaching
from tickvol.bus.contents import MAX_INTEGER, Content, decoded, each, envelope_fault
from tickvol.bus.messages import Message
from tickvol.bus.reading import Stored
from tickvol.bus.settings import KafkaConfig
from tickvol.bus.topics import TopicSpec
from tickvol.core.errors import DeliveryRefused, TopicMismatch
from tickvol.core.times import NS_PER_MS

KEY_HEADER = "idempotency_key"
_OVERHEAD_BYTES = 1 << 16
"""Space for key, headers and batch."""


def alerts_topic(alerts: AlertsConfig) -> TopicSpec:
    """Declaration of `alerts.topic`."""
    return TopicSpec(
        name=alerts.topic,
        key="subject",
        schema=Notice,
        validator=each(_content),
        partitions=1,
        rebuildable=False,
        numbered=False,
    )


def _content(message: Stored) -> Content | str:
    notice = decoded(message, decode_notice)
    if isinstance(notice, str):
        return notice
    alerts = (notice,) if isinstance(notice, Alert) else notice.alerts
    times = [notice.made_time_ns, *(alert.event_time_ns for alert in alerts)]
    if not alerts or min(times) < 0 or max(times) >= MAX_INTEGER:
        return "bad_field"
    if fault := envelope_fault(message, notice.key_text, notice.event_time_ns):
        return fault
    kind = f"{notice.name} {notice.state}" if isinstance(notice, Alert) else "digest"
    return Content(kind, "", notice.event_time_ns, notice.made_time_ns)


def notice_message(notice: Notice) -> Message:
    """An alert or a digest as a message; its subject is the key."""
    return Message(notice.key_text.encode(), encode_notice(notice), notice.event_time_ns // NS_PER_MS)


class AlertTopic:
    """Sink that writes to `alerts.topic`; connects on construction.

    Raises
    ------
    BrokerUnavailable
        If no broker answers.
    TopicMismatch
        If the broker has no such topic.
    """

    def __init__(self, kafka: KafkaConfig, topic: str) -> None:
        self._kafka = kafka
        self._topic = topic
        with reaching(kafka), contextlib.closing(new_admin(kafka)) as admin:
            if topic not in admin.list_topics():
                raise TopicMismatch(f"{topic}: no such topic; `tickvol kafka topics` creates it")
        self._producer = new_producer(kafka, client_id="tickvol-alerts", delivery_timeout_ms=kafka.request_timeout_ms)

    def deliver(self, notice: Notice, key: str) -> None:
        """Write a notification and wait for the acknowledgement.

        Raises
        ------
        BrokerUnavailable
            If none arrives; the notification may still be in the topic, and is sent again with the same key.
        DeliveryRefused
            If it exceeds the maximum message size.
        """
        message = notice_message(notice)
        if len(message.value) > MAX_MESSAGE_BYTES - _OVERHEAD_BYTES:
            raise DeliveryRefused(f"{self._topic}: {len(message.value)} bytes exceed its maximum message size")
        with reaching(self._kafka):
            self._producer.send(
                self._topic,
                key=message.key,
                value=message.value,
                timestamp_ms=message.timestamp_ms,
                headers=[(KEY_HEADER, key.encode())],
            ).get(timeout=2 * self._kafka.request_timeout_ms / 1000)

    def close(self) -> None:
        """Close the connection; no message is pending."""
        with contextlib.suppress(KafkaError):
            self._producer.close(timeout=1)
