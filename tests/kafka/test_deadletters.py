"""`tickvol deadletters` against a real broker: what went in comes out byte for byte, and back into the log once."""

import contextlib
import json

import msgspec
import pytest

from tests.eventlog import wire
from tickvol.apps import deadletters
from tickvol.bus import messages
from tickvol.bus.client import new_producer
from tickvol.bus.reading import TopicReader
from tickvol.core.records import Tick

pytestmark = pytest.mark.kafka

T0, RECEIVED = wire.START_NS, wire.START_NS + 5 * wire.MS
BAD = wire.wrap(wire.ticker(7, T0, bid="3", ask="2"), RECEIVED, "c9")
GOOD = wire.wrap(wire.ticker(7, T0, bid="1", ask="2"), RECEIVED, "c9")


@pytest.fixture
def kafka(kafka_config, kafka_env, monkeypatch):
    for name, value in kafka_env.items():
        monkeypatch.setenv(name, value)
    return kafka_config


def write(kafka, topic, sent):
    with contextlib.closing(new_producer(kafka, client_id="test")) as producer:
        for future in [producer.send(topic, value=value, key=key, timestamp_ms=at) for key, value, at in sent]:
            future.get(10)


def letter(source, reason, content):
    return messages.dead_letter_message(source, reason, T0, content)


def run(capsys, *arguments):
    code = deadletters.main(list(arguments))
    told = capsys.readouterr()
    return code, told.out + told.err


def listed(capsys, *arguments):
    code, text = run(capsys, "list", "--json", *arguments)
    assert code == 0
    return json.loads(text)


def records_in(kafka):
    with TopicReader(kafka, kafka.topic_ticks, client_id="test") as reader:
        return [(message.key, messages.decode_record(message.value)) for found in reader.whole() for message in found]


def letter_id(kafka, offset):
    return f"{kafka.topic_deadletter}-0@{offset}"


def test_list_counts_each_letter_once_and_shows_the_newest_first(kafka, capsys):
    sent = [letter(f"a.ndjson:{line}", ("bad_field", "late")[line % 2], b"x") for line in range(6)]
    write(kafka, kafka.topic_deadletter, [*sent, sent[0], sent[1], messages.Message(b"k", b"no letter", 5)])
    told = listed(capsys, "--limit", "2")
    assert told["by_reason"] == {"bad_field": 3, "late": 3}
    assert (told["repeats"], told["unreadable"], told["resubmitted"]) == (2, 1, 0)
    assert [item["id"] for item in told["newest"]] == [letter_id(kafka, 5), letter_id(kafka, 4)]
    assert [item["source"] for item in listed(capsys, "--reason", "late")["newest"]] == [
        f"a.ndjson:{line}" for line in (5, 3, 1)
    ]
    assert "letters     6, 0 of them sent in again; 2 repeats" in run(capsys, "list")[1]


@pytest.mark.parametrize("content", [b"", 'pl\u00e4in \u2028 \\ " text'.encode(), bytes(range(256)), b"\r\n\x00"])
def test_bytes_come_out_as_they_went_in(kafka, capsys, tmp_path, content):
    write(kafka, kafka.topic_deadletter, [letter("a.ndjson:1", "not_json", content)])
    assert run(capsys, "show", letter_id(kafka, 0), "--save", str(tmp_path / "bytes"))[0] == 0
    assert (tmp_path / "bytes").read_bytes() == content
    assert run(capsys, "show", letter_id(kafka, 0), "--json")[0] == 0


def test_a_letter_that_is_still_bad_is_refused_and_nothing_is_sent(kafka, capsys):
    write(kafka, kafka.topic_deadletter, [letter("a.ndjson:7", "crossed_quotes", BAD)])
    code, text = run(capsys, "resubmit", letter_id(kafka, 0))
    assert (code, text) == (1, f"refused     {letter_id(kafka, 0)}: crossed_quotes\n")
    assert records_in(kafka) == []
    assert listed(capsys)["resubmitted"] == 0


def test_a_corrected_frame_goes_into_the_log_under_its_own_identity_and_its_fate_is_told(kafka, capsys, tmp_path):
    write(kafka, kafka.topic_deadletter, [letter("a.ndjson:7", "crossed_quotes", BAD)])
    corrected = tmp_path / "corrected"
    corrected.write_bytes(GOOD + b"\n")
    code, text = run(capsys, "resubmit", letter_id(kafka, 0), "--file", str(corrected))
    assert (code, text) == (0, f"sent        {letter_id(kafka, 0)}: tick of BTC-USD to {kafka.topic_ticks}\n")
    ((key, tick),) = records_in(kafka)
    assert key == b"BTC-USD"
    assert (tick.connection_id, tick.sequence_num, tick.receive_time_ns, tick.best_bid) == ("c9", 7, RECEIVED, "1")
    told = listed(capsys)
    assert (told["resubmitted"], told["newest"][0]["resubmitted"], told["by_reason"]) == (1, 1, {"crossed_quotes": 1})
    fate = json.loads(run(capsys, "show", letter_id(kafka, 1), "--json")[1])
    assert (fate["of"], fate["reason"], fate["text"]) == (letter_id(kafka, 0), "resubmitted", GOOD.decode())


def test_sending_twice_needs_again_also_under_the_id_of_a_repeat(kafka, capsys):
    sent = letter("a.ndjson:7", "bad_number", GOOD)
    write(kafka, kafka.topic_deadletter, [sent, sent])
    assert run(capsys, "resubmit", letter_id(kafka, 1))[0] == 0
    for offset in (0, 1):
        code, text = run(capsys, "resubmit", letter_id(kafka, offset))
        assert code == 1
        assert "was sent in before, 1 times; --again sends it all the same" in text
    assert run(capsys, "resubmit", letter_id(kafka, 0), "--again")[0] == 0
    assert len(records_in(kafka)) == 2
    assert listed(capsys)["newest"][0]["resubmitted"] == 2


def test_a_late_tick_needs_again_and_what_comes_too_late_is_said_to(kafka, capsys):
    tick = Tick(wire.BTC, T0, RECEIVED, "c1", 3, "1.5", "1.4", "1.6")
    newer = msgspec.structs.replace(tick, event_time_ns=T0 + 90 * wire.SECOND, sequence_num=9)
    write(kafka, kafka.topic_ticks, [messages.record_message(tick), messages.record_message(newer)])
    source = f"{kafka.topic_ticks}-0@0"
    write(kafka, kafka.topic_deadletter, [letter(source, "late", msgspec.json.encode(tick))])
    code, text = run(capsys, "resubmit", letter_id(kafka, 0))
    assert code == 1
    assert "came too late and would again" in text
    code, text = run(capsys, "resubmit", letter_id(kafka, 0), "--again")
    assert code == 0
    assert "BTC-USD: 90.000 s behind the newest of the log: its bar is closed" in text
    assert records_in(kafka)[-1] == (b"BTC-USD", tick)


def test_of_several_letters_the_good_are_sent_and_the_bad_refused(kafka, capsys):
    write(kafka, kafka.topic_deadletter, [letter("a.ndjson:7", "crossed_quotes", BAD), letter("a.ndjson:8", "x", GOOD)])
    code, text = run(capsys, "resubmit", letter_id(kafka, 0), letter_id(kafka, 1))
    assert code == 1
    assert [line.split()[0] for line in text.splitlines()] == ["refused", "sent"]
    assert len(records_in(kafka)) == 1
    code, text = run(capsys, "resubmit", letter_id(kafka, 2))
    assert code == 1
    assert "tells the fate of" in text


def test_an_id_that_leads_nowhere_is_told(kafka, capsys):
    write(kafka, kafka.topic_deadletter, [messages.Message(b"k", b"no letter", 5)])
    assert run(capsys, "show", "17")[0] == 2
    assert run(capsys, "show", "ticks.raw-0@0")[0] == 2
    code, text = run(capsys, "show", letter_id(kafka, 1))
    assert code == 1
    assert "no message is there; the partition holds offsets from 0 to below 1" in text
    assert "a message that is no dead letter" in run(capsys, "show", letter_id(kafka, 0))[1]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["show"], "ID: none"),
        (["list", "x-0@1"], "ID: x-0@1"),
        (["show", "a-0@1", "a-0@2", "--save", "f"], "--save: f: takes exactly one ID"),
        (["resubmit", "a-0@1", "a-0@2", "--file", "f"], "--file: f: takes exactly one ID"),
        (["list", "--limit", "0"], "--limit: 0"),
    ],
)
def test_wrong_use_is_told(arguments, problem, capsys):
    code, text = run(capsys, *arguments)
    assert code == 2
    assert problem in text
