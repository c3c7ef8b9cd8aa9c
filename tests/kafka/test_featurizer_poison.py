"""Malformed messages of a foreign producer: each is a dead letter, and none changes a row."""

import random
from collections import Counter

import pytest

from tests.kafka import poison
from tests.kafka.featurizers import featurize_to_end
from tests.kafka.filling import fill, producing, put, topic_messages
from tests.kafka.test_featurizer import archive, assert_rows_once, env  # noqa: F401
from tests.parity.test_follow_parity import tree
from tickvol.bus.messages import decode_dead_letter, event_time_ns, record_message
from tickvol.core.records import Gap

pytestmark = pytest.mark.kafka


def test_poison_of_every_kind_is_in_the_dead_letters_and_changes_no_row(env, kafka_config, archive, tmp_path):  # noqa: F811
    _, records, whole = archive
    rng, expected = random.Random(5), Counter()
    reasons = [*poison.kinds("BTC-USD", 0), "wrong_key", "wrong_partition"]
    last = {}
    with producing(kafka_config) as producer:
        for place, record in enumerate(records):
            put(producer, kafka_config.topic_ticks, kafka_config.partitions, [record_message(record)])
            last[record.product_id] = event_time_ns(record)
            following = next((other for other in records[place + 1 :] if other.product_id == record.product_id), None)
            if rng.random() < 0.01 and following is not None and not isinstance(following, Gap):
                only = reasons[expected.total() % len(reasons)]
                expected[
                    poison.put_poison(producer, kafka_config, record.product_id, last[record.product_id], rng, only)
                ] += 1
    said = featurize_to_end(env, tmp_path / "live.parquet", tmp_path / "log")
    assert tree(tmp_path / "live.parquet") == tree(whole)
    assert_rows_once(kafka_config, whole)
    letters = [
        decode_dead_letter(message.value) for message in topic_messages(kafka_config, kafka_config.topic_deadletter)
    ]
    found = Counter(letter.reason for letter in letters)
    assert found - Counter(late=17) == expected
    assert f"+ {expected.total()} rejected" in said
    assert len({letter.source for letter in letters}) == len(letters)


def test_unknown_products_are_counted_and_make_no_letter(env, kafka_config, archive, tmp_path):  # noqa: F811
    _, records, _ = archive
    fill(kafka_config, records[:1000])
    said = featurize_to_end(env, tmp_path / "live.parquet", tmp_path / "log", "--products", "BTC-USD")
    foreign = sum(record.product_id == "ETH-USD" for record in records[:1000])
    assert f"{foreign} rejected (unknown_product {foreign})" in said
    assert {path.name for path in (tmp_path / "live.parquet").iterdir()} == {"product_id=BTC-USD"}
    assert topic_messages(kafka_config, kafka_config.topic_deadletter) == []
