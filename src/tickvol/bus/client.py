"""Clients of the broker, with the settings that the log needs and that are not kafka-python's defaults.

Its defaults `enable_auto_commit=True`, `auto_offset_reset='latest'` and `isolation_level='read_uncommitted'` would lose
records, skip records and show rows of aborted transactions. Durations of kafka-python are in ms.
"""

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, MessageSizeTooLargeError

from tickvol.bus.settings import KafkaConfig
from tickvol.bus.sockets import new_client
from tickvol.core.errors import BrokerUnavailable, WorkError

BOOTSTRAP_TIMEOUT_MS = 5000
BATCH_BYTES = 1 << 18
FETCH_BYTES = 1 << 23
MAX_MESSAGE_BYTES = 1 << 22
"""A frame of `ingestion.max_message_bytes` fits whole into a dead-letter record, whatever its bytes."""
LEAST_WAIT_S = 0.05
"""Minimum wait of a poll that finds nothing, unless its own timeout expires earlier."""


def connection(kafka: KafkaConfig) -> dict[str, Any]:
    """Settings shared by producers, consumers and admin clients: addresses, security, timeouts."""
    settings: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers.split(","),
        "security_protocol": kafka.security_protocol,
        "request_timeout_ms": kafka.request_timeout_ms,
        "bootstrap_timeout_ms": min(kafka.request_timeout_ms, BOOTSTRAP_TIMEOUT_MS),
        "reconnect_backoff_max_ms": 1000,
        "socket_options": [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    }
    if kafka.security_protocol.startswith("SASL"):
        settings["sasl_mechanism"] = kafka.sasl_mechanism
        settings["sasl_plain_username"] = kafka.sasl_username
        settings["sasl_plain_password"] = kafka.sasl_password.get_secret_value()
    if kafka.security_protocol.endswith("SSL"):
        files = {
            "ssl_cafile": kafka.ssl_ca_file,
            "ssl_certfile": kafka.ssl_cert_file,
            "ssl_keyfile": kafka.ssl_key_file,
        }
        settings |= {name: value for name, value in files.items() if value}
    return settings


@contextlib.contextmanager
def reaching(kafka: KafkaConfig) -> Iterator[None]:
    """Turn client errors into errors that give the address and the next step.

    Raises
    ------
    BrokerUnavailable
        If no broker answers, or it refuses, or it does not match the settings.
    WorkError
        If a message is too large: a retry would not help.
    """
    try:
        yield
    except MessageSizeTooLargeError as error:
        raise WorkError(f"a message exceeds {MAX_MESSAGE_BYTES} bytes, the limit of every topic: {error}") from error
    except (KafkaError, OSError) as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise BrokerUnavailable(
            f"kafka.bootstrap_servers: {kafka.bootstrap_servers}: {text}; is a broker there? `tickvol kafka status`"
            " checks, `tickvol kafka start` starts one"
        ) from error


def new_admin(kafka: KafkaConfig) -> KafkaAdminClient:
    """Create an admin client and connect it."""
    with reaching(kafka):
        return new_client(KafkaAdminClient, client_id="tickvol-admin", **connection(kafka))


def new_producer(
    kafka: KafkaConfig,
    *,
    client_id: str,
    linger_ms: int = 0,
    delivery_timeout_ms: int = 120_000,
    transactional_id: str | None = None,
    transaction_timeout_ms: int = 10_000,
    **settings: Any,
) -> KafkaProducer:
    """An idempotent producer: each message is written once and in order, or its future fails."""
    with reaching(kafka):
        return new_client(
            KafkaProducer,
            client_id=client_id,
            enable_idempotence=True,
            acks="all",
            linger_ms=linger_ms,
            batch_size=BATCH_BYTES,
            max_request_size=MAX_MESSAGE_BYTES,
            delivery_timeout_ms=max(delivery_timeout_ms, linger_ms + kafka.request_timeout_ms),
            max_block_ms=kafka.request_timeout_ms,
            allow_auto_create_topics=False,
            transactional_id=transactional_id,
            transaction_timeout_ms=transaction_timeout_ms,
            metrics_enabled=False,
            **connection(kafka),
            **settings,
        )


def new_consumer(
    kafka: KafkaConfig,
    *,
    client_id: str,
    max_poll_records: int = 20_000,
    group_id: str | None = None,
    **settings: Any,
) -> KafkaConsumer:
    """A consumer of committed records that commits nothing by itself and never skips a lost offset."""
    with reaching(kafka):
        consumer = new_client(
            KafkaConsumer,
            client_id=client_id,
            group_id=group_id,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            max_poll_records=max_poll_records,
            max_partition_fetch_bytes=FETCH_BYTES,
            metrics_enabled=False,
            **connection(kafka),
            **settings,
        )
    _fetch_all_or_none(consumer)
    _wait_while_a_heartbeat_is_late(consumer)
    return consumer


def _fetch_all_or_none(consumer: KafkaConsumer) -> None:
    """Send no fetch while the response to the last one is unread.

    kafka-python (3.0.12, `Fetcher.fetch_records`) sends the next fetch after it has read what arrived; a response that
    arrives just in between leaves its partitions out of that fetch. If all other partitions are idle, the broker holds
    the fetch for 500 ms, and as there is one fetch at a time, nothing is read meanwhile. Here nothing comes in between:
    responses are handled and fetches are sent on one thread.
    """
    fetcher = consumer._fetcher
    send = fetcher._send_fetches_async

    async def send_unless_answered() -> Any:
        return [] if fetcher._completed_fetches else await send()

    fetcher._send_fetches_async = send_unless_answered


def _wait_while_a_heartbeat_is_late(consumer: KafkaConsumer) -> None:
    """Let a poll that finds no records wait even if a heartbeat is due.

    kafka-python (3.0.12, `KafkaConsumer._poll_once`) waits no longer than until the next heartbeat. While a broker
    leaves one unanswered, the next one is due but not sent, and a poll spins without a pause until its own timeout:
    each turn adds to the callbacks of the fetch in flight, 10 MB a second. Heartbeats have a thread of their own.
    """
    coordinator = consumer._coordinator
    due_in_s = coordinator.time_to_next_poll
    coordinator.time_to_next_poll = lambda: max(LEAST_WAIT_S, due_in_s())
