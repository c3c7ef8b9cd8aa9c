"""Deletion and creation of topics and groups, before a rebuild publishes the archive again."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from kafka.admin import KafkaAdminClient
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupIdNotFoundError,
    KafkaError,
    NotCoordinatorError,
    UnknownTopicOrPartitionError,
    for_code,
)

from tickvol.bus.client import reaching
from tickvol.bus.settings import KafkaConfig
from tickvol.bus.topics import TopicSpec, ensure_topics
from tickvol.core.errors import BrokerUnavailable

TIMEOUT_S = 30.0
_POLL_S = 0.1
_STARTING = (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError)

Answer = TypeVar("Answer")


def group_members(admin: KafkaAdminClient, kafka: KafkaConfig, group_id: str) -> list[str]:
    """Members of the group, by instance name; a killed one stays until its session expires.

    Raises
    ------
    BrokerUnavailable
        If the broker does not answer.
    """

    def ask() -> list[str]:
        about = admin.describe_groups([group_id])[group_id]
        _raise_if_bad(about["error"], f"group {group_id} cannot be described")
        return sorted(member.get("group_instance_id") or member["member_id"] for member in about["members"])

    with reaching(kafka):
        return _once_started(ask)


def recreate_topics(
    admin: KafkaAdminClient, kafka: KafkaConfig, topics: Sequence[TopicSpec], group_ids: Sequence[str]
) -> list[str]:
    """Delete rebuildable topics and the groups' offsets, and create the topics again; one line per change.

    Topics that are not rebuildable, such as the alert topic, keep their messages.

    Raises
    ------
    BrokerUnavailable
        If the broker does not answer or does not do it; retry from the start.
    """
    names = [spec.name for spec in topics if spec.rebuildable]
    with reaching(kafka):
        for group_id in group_ids:
            _once_started(partial(_delete_group, admin, group_id))
        existing = [name for name in names if name in set(admin.list_topics())]
        for topic in admin.delete_topics(existing, raise_errors=False)["topics"] if existing else []:
            error = for_code(topic["error_code"])
            if error is not UnknownTopicOrPartitionError and error.errno:
                raise error(f"topic {topic['name']} cannot be deleted")
        until = time.monotonic() + TIMEOUT_S
        while set(names) & set(admin.list_topics()):
            if time.monotonic() > until:
                raise BrokerUnavailable(f"topics {', '.join(existing)}: not gone {TIMEOUT_S:g} s after their deletion")
            time.sleep(_POLL_S)
    return [f"{name}: deleted" for name in existing] + ensure_topics(admin, kafka, topics)


def _delete_group(admin: KafkaAdminClient, group_id: str) -> None:
    _raise_if_bad(admin.delete_groups([group_id])[group_id], f"group {group_id} cannot be deleted")


def _raise_if_bad(said: str | None, what: str) -> None:
    """Raise a group's error, which the client gives as text with the error's name in it."""
    if said is None or said == "OK" or GroupIdNotFoundError.__name__ in said:
        return
    kind = next((kind for kind in _STARTING if kind.__name__ in said), KafkaError)
    raise kind(f"{what}: {said}")


def _once_started(ask: Callable[[], Answer]) -> Answer:
    """Retry while a new broker creates its offsets topic, which the first request about any group triggers."""
    until = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return ask()
        except _STARTING:
            if time.monotonic() > until:
                raise
            time.sleep(_POLL_S)
