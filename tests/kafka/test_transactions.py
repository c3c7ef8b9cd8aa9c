"""Whoever has lost its place in the group, or its name, commits nothing; what was left open ends with the next one."""

import contextlib
import time

import pytest
from kafka import OffsetAndMetadata, TopicPartition

from tests.kafka.filling import topic_messages
from tests.support.brokers import config_of, environment_of, make_topics, topics_of
from tickvol.bus.consume import Group, GroupConsumer, holds_messages
from tickvol.bus.messages import Message
from tickvol.bus.topics import topic_named
from tickvol.bus.transactions import Outgoing, Transactions
from tickvol.core.errors import BrokerUnavailable, WorkError

pytestmark = pytest.mark.kafka


def group_of(kafka, env, instance_id):
    topics = topics_of(kafka)
    return Group(
        section="features",
        group_id=env["TICKVOL_FEATURES__GROUP_ID"],
        instance_id=instance_id,
        session_timeout_ms=6000,
        max_poll_records=1000,
        reads=topic_named(topics, kafka.topic_ticks),
        writes=(topic_named(topics, kafka.topic_features), topic_named(topics, kafka.topic_deadletter)),
        choices="",
    )


@contextlib.contextmanager
def member(kafka, env, instance_id):
    """A consumer that has its partitions, and a producer of its own."""
    group = group_of(kafka, env, instance_id)
    consumer = GroupConsumer(kafka, group, on_revoked=lambda: None)
    transactions = Transactions(
        kafka,
        transactional_id=group.member,
        group_topic=group.reads.name,
        topics=[topic.name for topic in group.writes],
        stopped=lambda: False,
        on_wait=lambda waited_s: None,
    )
    try:
        consumer.subscribe()
        transactions.open()
        join(consumer)
        yield consumer, transactions
    finally:
        transactions.drop()
        consumer.close()


def join(*consumers):
    """Poll them until each has had a change of its partitions."""
    missing, deadline = list(consumers), time.monotonic() + 30
    while missing:
        assert time.monotonic() < deadline
        for consumer in consumers:
            consumer.poll(0.1)
            if consumer.take_change() is not None and consumer in missing:
                missing.remove(consumer)


def row(kafka, text):
    return [Outgoing(kafka.topic_features, 0, Message(b"BTC-USD", text, 1))]


def committed(consumer):
    return consumer.partitions([0])[0].committed


def test_rows_and_offsets_are_committed_together(kafka_env, kafka_config):
    with member(kafka_config, kafka_env, "1") as (consumer, transactions):
        assert committed(consumer) is None
        transactions.run(row(kafka_config, b"a"), {0: (7, "note")}, consumer.group_metadata())
        state = consumer.partitions([0])[0]
        assert (state.committed, state.note) == (7, "note")
    assert [message.value for message in topic_messages(kafka_config, kafka_config.topic_features)] == [b"a"]


def test_membership_of_an_earlier_generation_commits_nothing(kafka_env, kafka_config):
    with member(kafka_config, kafka_env, "1") as (one, transactions):
        before = one.group_metadata()
        transactions.run(row(kafka_config, b"a"), {0: (1, "")}, before)
        with contextlib.ExitStack() as stack:
            other = GroupConsumer(kafka_config, group_of(kafka_config, kafka_env, "2"), on_revoked=lambda: None)
            stack.callback(other.close)
            other.subscribe()
            join(one, other)
            with pytest.raises(BrokerUnavailable, match="IllegalGeneration"):
                transactions.run(row(kafka_config, b"zombie"), {0: (2, "")}, before)
            transactions.drop()
            transactions.open()
            transactions.run(row(kafka_config, b"b"), {0: (2, "")}, one.group_metadata())
            assert committed(one) == 2
    assert [message.value for message in topic_messages(kafka_config, kafka_config.topic_features)] == [b"a", b"b"]


def test_a_process_whose_name_was_taken_commits_nothing_and_is_told(kafka_env, kafka_config):
    with member(kafka_config, kafka_env, "1") as (one, old), member(kafka_config, kafka_env, "1") as (two, new):
        with pytest.raises(BrokerUnavailable):
            old.run(row(kafka_config, b"zombie"), {0: (5, "")}, one.group_metadata())
        new.run(row(kafka_config, b"a"), {0: (3, "")}, two.group_metadata())
        assert committed(two) == 3
        one.rejoin()
        with pytest.raises(WorkError, match="another process works under this name"):
            join(one)
        new.run(row(kafka_config, b"b"), {0: (4, "")}, two.group_metadata())
    assert [message.value for message in topic_messages(kafka_config, kafka_config.topic_features)] == [b"a", b"b"]


def test_what_a_dropped_producer_left_open_is_never_seen(kafka_env, kafka_config):
    with member(kafka_config, kafka_env, "1") as (consumer, transactions):
        producer = transactions._producer
        producer.begin_transaction()
        producer.send(kafka_config.topic_features, value=b"left", key=b"k", partition=0).get(10)
        transactions._producer = None  # as a kill would
        transactions.open()
        transactions.run(row(kafka_config, b"a"), {0: (1, "")}, consumer.group_metadata())
        producer.close(timeout=0)
    assert [message.value for message in topic_messages(kafka_config, kafka_config.topic_features)] == [b"a"]


def test_offsets_of_aborted_transactions_are_no_messages(kafka_env, kafka_config):
    with member(kafka_config, kafka_env, "1") as (_, transactions):
        producer = transactions._producer
        producer.begin_transaction()
        producer.send(kafka_config.topic_features, value=b"left", key=b"k", partition=0).get(10)
        producer.abort_transaction()
        assert not holds_messages(kafka_config, kafka_config.topic_features, 0)


def test_all_partitions_of_a_transaction_are_announced_by_one_request(kafka_config, kafka_env):
    with member(kafka_config, kafka_env, "1") as (consumer, transactions):
        manager, requests = transactions._producer._transaction_manager, []
        make = manager._add_partitions_to_transaction_handler
        manager._add_partitions_to_transaction_handler = lambda: requests.append(make()) or requests[-1]
        for number in range(20):  # the sender's thread may wake up at any of the messages
            rows = [
                Outgoing(kafka_config.topic_features, partition, Message(b"k", str(number).encode(), 1))
                for partition in range(kafka_config.partitions)
            ]
            transactions.run(rows, {0: (0, "")}, consumer.group_metadata())
    assert len(requests) == 20
    assert len(topic_messages(kafka_config, kafka_config.topic_features)) == 20 * kafka_config.partitions


def test_membership_stays_that_of_the_last_assignment(kafka_config, kafka_env):
    with member(kafka_config, kafka_env, "1") as (consumer, transactions):
        coordinator = consumer._consumer._coordinator
        before = consumer.group_metadata().generation_id
        coordinator._generation.generation_id += 1  # as the answer to a join does, before partitions change hands
        assert consumer.group_metadata().generation_id == before
        transactions.run(row(kafka_config, b"still ours"), {0: (0, "")}, consumer.group_metadata())


def test_an_offset_that_an_open_transaction_hides_is_named(kafka_env):
    kafka = config_of(kafka_env, request_timeout_ms=1500)
    make_topics(kafka)
    with member(kafka, kafka_env, "1") as (consumer, transactions):
        producer = transactions._producer
        producer.begin_transaction()
        offsets = {TopicPartition(kafka.topic_ticks, 0): OffsetAndMetadata(7, "", -1)}
        producer.send_offsets_to_transaction(offsets, consumer.group_metadata())
        with pytest.raises(BrokerUnavailable, match=f"{kafka.topic_ticks}-0 was not told within 1.5 s; where this"):
            committed(consumer)
        producer.commit_transaction()
        assert committed(consumer) == 7


def test_what_was_committed_the_moment_before_the_broker_was_killed_stays_committed(own_broker):
    broker = own_broker()
    env = environment_of(broker)
    kafka = config_of(env)
    make_topics(kafka)
    for number in range(1, 4):
        with member(kafka, env, "1") as (consumer, transactions):
            assert committed(consumer) == (number - 1 or None)
            rows = [Outgoing(kafka.topic_features, place, Message(b"k", b"%d" % number, 1)) for place in range(3)]
            transactions.run(rows, {0: (number, "")}, consumer.group_metadata())
            broker.kill()  # the decision is in its log, the marks that tell it to the partitions are not
        broker.start()
    with member(kafka, env, "1") as (consumer, _):
        assert committed(consumer) == number
    values = [message.value for message in topic_messages(kafka, kafka.topic_features)]
    assert sorted(values) == sorted(b"%d" % written for written in range(1, number + 1) for _ in range(3))
