"""The alert dispatcher built from the configuration, for every command that raises alerts."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tickvol.alerts.dispatcher import AlertDispatcher, Sink, Visit
from tickvol.alerts.ledger import AlertLedger
from tickvol.alerts.line_file import LineFile
from tickvol.alerts.routing import SinkRoute
from tickvol.alerts.settings import AlertsConfig, WebhookConfig
from tickvol.alerts.webhook import RetryPolicy, Webhook
from tickvol.bus.settings import KafkaConfig
from tickvol.core.errors import UsageError
from tickvol.core.times import NS_PER_S

TOPIC, FILE, WEBHOOK = SINKS = ("topic", "file", "webhook")
_SECRET = "TICKVOL_ALERTS__WEBHOOK__SECRET"


@contextmanager
def open_dispatcher(alerts: AlertsConfig, kafka: KafkaConfig) -> Iterator[AlertDispatcher]:
    """Open the dispatcher; its connections close at the end of the block.

    Raises
    ------
    UsageError
        If a webhook is configured without a secret to sign with.
    """
    with ExitStack() as connections:
        sinks: dict[str, Callable[[], Sink]] = {FILE: lambda: LineFile(alerts.file)}
        if alerts.topic_severities:
            sinks[TOPIC] = lambda: _topic(alerts, kafka, connections)
        if alerts.webhook.url.get_secret_value():
            webhook = new_webhook(alerts.webhook)
            sinks[WEBHOOK] = lambda: webhook
        yield AlertDispatcher(
            AlertLedger(alerts.ledger),
            routes(alerts),
            sinks,
            now_ns=time.time_ns,
            repeat_after_ns=alerts.repeat_after_s * NS_PER_S,
        )


def routes(alerts: AlertsConfig) -> list[SinkRoute]:
    """Routes: the severities that each sink takes and its quiet hours."""
    taken = {TOPIC: alerts.topic_severities, FILE: alerts.file_severities}
    if alerts.webhook.url.get_secret_value():
        taken[WEBHOOK] = alerts.webhook_severities
    quiet = alerts.quiet_hours()
    return [SinkRoute(sink, taken[sink], quiet if sink in alerts.quiet_sinks else {}) for sink in taken if taken[sink]]


def new_webhook(about: WebhookConfig) -> Webhook:
    """Create the webhook from the configuration.

    Raises
    ------
    UsageError
        If there is no secret.
    """
    if not about.secret.get_secret_value():
        raise UsageError(f"alerts.webhook.secret: missing: alerts.webhook.url needs it to sign; set {_SECRET}")
    return Webhook(
        about.url.get_secret_value(),
        about.secret.get_secret_value().encode(),
        RetryPolicy(**{name: getattr(about, name) for name in RetryPolicy.__dataclass_fields__}),
        now_s=time.time,
        sleep=time.sleep,
        random=random.random,
    )


def delivery_lines(visits: Sequence[Visit]) -> list[str]:
    """One line per sink: what was delivered, what is left and why."""
    lines = []
    for visit in visits:
        counts = (("delivered", visit.delivered), ("waiting", visit.open), ("refused", visit.refused))
        parts = [f"{count} {name}" for name, count in counts if count or name == "delivered"]
        parts += [f"{visit.held} held for a digest"] if visit.held else []
        reason = f": {visit.detail}" if visit.detail else ""
        lines.append(f"  {visit.sink:<9} {', '.join(parts)}{reason}")
    return lines


def is_settled(visits: Sequence[Visit]) -> bool:
    """True if no sink has open or refused notifications."""
    return not any(visit.open or visit.refused for visit in visits)


def _topic(alerts: AlertsConfig, kafka: KafkaConfig, connections: ExitStack) -> Sink:
    from tickvol.alerts.topic_sink import AlertTopic

    sink = AlertTopic(kafka, alerts.topic)
    connections.callback(sink.close)
    return sink
