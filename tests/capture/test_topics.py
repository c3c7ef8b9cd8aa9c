"""The topic of ticks: valid messages have contents, invalid ones the reason that the featurizer's reader gives too."""

import msgspec
import pytest

from tests.support import ROOT
from tickvol.bus import messages
from tickvol.bus.contents import Content
from tickvol.bus.reading import Stored
from tickvol.capture.topics import ticks_topic
from tickvol.config import load_config
from tickvol.core.records import Gap, Heartbeat, Tick

CONFIG = load_config(ROOT / "config.yaml", env_file=None)
TOPIC = ticks_topic(CONFIG.kafka, CONFIG.ingestion)
SECOND = 10**9
T0 = 1_775_347_200 * SECOND


def stored(message, partition=0, offset=0):
    return Stored(partition, offset, message.timestamp_ms, message.key, message.value)


def changed(record, **changes):
    return msgspec.structs.replace(record, **changes)


TICK = Tick("BTC-USD", T0, T0 + 5, "c1", 3, "1.5", "1.4", "1.6")


def content_of(message):
    (content,) = TOPIC.validator([message])
    return content


def test_a_tick_a_heartbeat_and_a_gap_are_known_by_what_identifies_them():
    beat = Heartbeat("BTC-USD", T0, T0 + 5, "c1", 4)
    gap = Gap("BTC-USD", T0, T0 + SECOND, "jump", 5, 6)
    assert content_of(stored(messages.record_message(TICK))) == Content(
        "tick", "BTC-USD", T0, T0 + 5, "c1", "BTC-USD", 3
    )
    assert content_of(stored(messages.record_message(beat))).kind == "heartbeat"
    assert content_of(stored(messages.record_message(gap))) == Content("gap", "BTC-USD", T0 + SECOND, None, gap=gap)


GOOD = stored(messages.record_message(TICK))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (GOOD._replace(value=None), "null_value"),
        (GOOD._replace(value=b"{"), "not_json"),
        (GOOD._replace(value=b'{"type":"tick\xff"}'), "not_utf8"),
        (GOOD._replace(value=b'{"type":"tick"}'), "bad_field"),
        (GOOD._replace(value=b'{"type":"trade"}'), "bad_field"),
        (GOOD._replace(value=b'{"a":' + b"[" * 100_000), "too_deep"),
        (GOOD._replace(key=None), "wrong_key"),
        (GOOD._replace(key=b"ETH-USD"), "wrong_key"),
        (GOOD._replace(timestamp_ms=5), "bad_timestamp"),
        (GOOD._replace(partition=1), "wrong_partition"),
        (stored(messages.record_message(changed(TICK, event_time_ns=-5))), "bad_timestamp"),
        (stored(messages.record_message(changed(TICK, sequence_num=-1))), "bad_field"),
        (stored(messages.record_message(changed(TICK, connection_id=""))), "bad_field"),
        (stored(messages.record_message(changed(TICK, product_id="btc"))), "bad_field"),
        (stored(messages.record_message(Gap("BTC-USD", T0, T0 - 1, "jump"))), "bad_field"),
    ],
)
def test_what_is_no_record_has_a_reason(message, reason):
    assert content_of(message) == reason


def test_the_rules_for_numbers_reach_the_tick_they_are_about():
    beat = messages.record_message(Heartbeat("BTC-USD", T0, T0 + 5, "c1", 4))
    crossed = messages.record_message(changed(TICK, best_bid="9"))
    mixed = [stored(beat), stored(crossed), GOOD._replace(value=b"x"), GOOD]
    read = TOPIC.validator(mixed)
    assert [content if isinstance(content, str) else content.kind for content in read] == [
        "heartbeat",
        "crossed_quotes",
        "not_json",
        "tick",
    ]


def test_records_of_products_in_several_partitions_are_judged_by_their_own():
    names = [f"A{number}-USD" for number in range(9)]
    homes = {name: messages.partition_of(name, CONFIG.kafka.partitions) for name in names}
    assert len(set(homes.values())) == 3
    right = [stored(messages.record_message(changed(TICK, product_id=name)), homes[name]) for name in names]
    assert [content.product_id for content in TOPIC.validator(right)] == names
    wrong = [message._replace(partition=(message.partition + 1) % 3) for message in right]
    assert TOPIC.validator(wrong) == ["wrong_partition"] * 9
