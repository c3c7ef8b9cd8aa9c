"""The topic of dead letters: known by source and reason; what is none has a reason."""

import pytest

from tests.support import ROOT
from tickvol.bus import messages
from tickvol.bus.dead_letters import dead_letter_topic
from tickvol.bus.reading import Stored
from tickvol.config import load_config

TOPIC = dead_letter_topic(load_config(ROOT / "config.yaml", env_file=None).kafka)
SECOND = 10**9
T0 = 1_775_347_200 * SECOND


def stored(message, partition=0, offset=0):
    return Stored(partition, offset, message.timestamp_ms, message.key, message.value)


def content_of(message):
    (content,) = TOPIC.validator([message])
    return content


@pytest.mark.parametrize(
    ("source", "identity"),
    [("a.ndjson:17", ("a.ndjson late", 17)), ("ticks.raw-0@5", ("ticks.raw-0 late", 5)), ("elsewhere", ("", None))],
)
def test_a_dead_letter_is_known_by_source_and_reason(source, identity):
    content = content_of(stored(messages.dead_letter_message(source, "late", T0, b"\xff")))
    assert (content.kind, content.group, content.number) == ("late", *identity)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"source":"a:1","reason":"late","at_ns":1,"text_base64":"abc"}', "bad_field"),
        (b'{"source":"","reason":"late","at_ns":1}', "bad_field"),
        (b"{}", "bad_field"),
        (b"", "not_json"),
    ],
)
def test_what_is_no_dead_letter_has_a_reason(value, reason):
    assert content_of(Stored(0, 0, 0, b"a:1", value)) == reason
