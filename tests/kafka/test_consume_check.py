"""`tickvol kafka-consume-check` against a real broker: what was put in is what it counts."""

import contextlib
import gc
import json
import threading
import time

import pytest

from tests.eventlog import wire
from tickvol.apps import kafka_consume_check
from tickvol.bus import messages
from tickvol.bus.client import new_producer
from tickvol.bus.reading import TopicReader
from tickvol.config import load_config
from tickvol.core.records import Gap, Heartbeat, Tick
from tickvol.volatility.messages import feature_message
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION, feature_names

pytestmark = pytest.mark.kafka

T0, SECOND = wire.START_NS, wire.SECOND


@pytest.fixture
def log(kafka_config, kafka_env, monkeypatch):
    """Topics of this test, the environment that leads there, and a way to write."""
    for name, value in kafka_env.items():
        monkeypatch.setenv(name, value)
    return kafka_config


def write(kafka, topic, sent, **options):
    with contextlib.closing(new_producer(kafka, client_id="test", **options)) as producer:
        for future in [producer.send(topic, value=value, key=key, timestamp_ms=at) for key, value, at in sent]:
            future.get(10)


def tick(number, product=wire.BTC, receive_ns=None, **changes):
    time_ns = T0 + number * SECOND
    fields = {"price": "10.5", "best_bid": "10.4", "best_ask": "10.6"} | changes
    return messages.record_message(
        Tick(product, time_ns, time_ns + 3_000_000 if receive_ns is None else receive_ns, "c1", number, **fields)
    )


def check(capsys, *arguments):
    code = kafka_consume_check.main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_each_kind_of_record_is_counted(log, capsys):
    beat = messages.record_message(Heartbeat(wire.BTC, T0 + 60 * SECOND, T0 + 60 * SECOND, "c1", 60))
    gaps = [messages.record_message(Gap(name, T0, T0 + SECOND, "jump", 30, 31)) for name in (wire.BTC, wire.ETH)]
    write(log, log.topic_ticks, [tick(58), tick(59), beat, *gaps])
    code, report = check(capsys, "--from-beginning")
    assert (code, report["ended_by"]) == (0, "end")
    assert report["by_kind"] == {"gap": 2, "heartbeat": 1, "tick": 2}
    assert (report["sequence"]["gap_records"], report["sequence"]["gap_numbers"]) == ({"jump": 2}, 2)


def test_loss_repeats_disorder_and_bad_records_are_told_apart(log, capsys):
    good = [tick(number, (wire.BTC, wire.ETH)[number % 2]) for number in range(60) if number not in (30, 31)]
    late = messages.record_message(Tick(wire.BTC, T0 + 5 * SECOND, T0 + 59 * SECOND, "c2", 1, "10.5", "10.4", "10.6"))
    write(log, log.topic_ticks, [*good, *good[-10:], late, tick(70, best_bid="11"), messages.Message(b"x", b"{", 5)])
    code, report = check(capsys, "--from-beginning", "--duration", "20")
    assert code == 0
    assert report["messages"] == 58 + 10 + 3
    assert report["sequence"]["missing_by_group"] == {"c1": 2}
    assert report["duplicates"] == 10
    assert report["disorder"] == {"messages": 1, "at_most_ms": 53_000.0}
    assert report["schema_errors"]["by_reason"] == {"crossed_quotes": 1, "not_json": 1}
    assert report["by_product"] == {wire.BTC: 35, wire.ETH: 34}
    assert set(report["lag"].values()) == {0}
    assert sum(report["by_partition"].values()) == 71


def test_each_stated_limit_that_is_broken_fails_and_says_so(log, capsys):
    write(log, log.topic_ticks, [tick(1), tick(2, best_bid="11")])
    limits = ["--min-messages", "3", "--max-staleness", "5", "--max-schema-errors", "0"]
    code, report = check(capsys, "--from-beginning", *limits)
    assert code == 1
    assert [line.partition(":")[0] for line in report["broken_limits"]] == limits[::2]
    kept = ["--min-messages", "2", "--max-staleness", "1e12", "--max-schema-errors", "1"]
    assert check(capsys, "--from-beginning", *kept)[0] == 0


def test_a_topic_with_nothing_to_read_fails_with_a_line_that_says_why(log, capsys):
    write(log, log.topic_ticks, [tick(1)])
    assert kafka_consume_check.main(["--duration", "0.5"]) == 1
    assert "no message in 0.5 s: none came; --from-beginning reads those of before" in capsys.readouterr().out
    assert kafka_consume_check.main(["--topic", log.topic_features, "--from-beginning"]) == 1
    assert "it holds none" in capsys.readouterr().out


def test_without_from_beginning_it_counts_what_comes_meanwhile_and_how_long_it_took(log, capsys):
    write(log, log.topic_ticks, [tick(number) for number in range(5)])
    stop = threading.Event()

    def produce():
        with contextlib.closing(new_producer(log, client_id="test")) as producer:
            number = 100
            while not stop.wait(0.01):
                key, value, at = tick(number, receive_ns=time.time_ns())
                producer.send(log.topic_ticks, value=value, key=key, timestamp_ms=at)
                number += 1

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        code, report = check(capsys, "--duration", "2", "--min-messages", "1", "--max-staleness", "60")
    finally:
        stop.set()
        thread.join()
    assert code == 0
    assert report["ended_by"] == "duration"
    assert report["delay"]["receipt_to_here"]["count"] == report["messages"] > 0
    assert report["sequence"]["missing"] == 0


def test_rows_of_aborted_transactions_are_not_seen_and_those_of_committed_ones_end_the_reading(log, capsys):
    spec = load_config().features.spec()
    rows = [
        feature_message(
            wire.BTC, T0 + bar * SECOND, SCHEMA_VERSION, spec.fingerprint(), T0 + bar * SECOND, [1.0] * width
        )
        for width in [len(feature_names(spec))]
        for bar in (1, 2, 3, 5)
    ]
    with contextlib.closing(new_producer(log, client_id="test", transactional_id=log.topic_features)) as producer:
        producer.init_transactions()
        for end in (producer.commit_transaction, producer.abort_transaction):
            producer.begin_transaction()
            for key, value, at in rows:
                producer.send(log.topic_features, value=value, key=key, timestamp_ms=at)
            producer.flush()
            end()
    code, report = check(capsys, "--topic", log.topic_features, "--from-beginning", "--duration", "20")
    assert code == 0
    assert (report["messages"], report["ended_by"], report["by_kind"]) == (4, "end", {"features": 4})
    assert (report["sequence"]["missing"], report["duplicates"], set(report["lag"].values())) == (1, 0, {0})


def test_a_transaction_that_is_still_open_ends_what_can_be_read(log, capsys):
    write(log, log.topic_ticks, [tick(1), tick(2)])
    with contextlib.closing(new_producer(log, client_id="test", transactional_id=log.topic_ticks)) as producer:
        producer.init_transactions()
        producer.begin_transaction()
        key, value, at = tick(3)
        producer.send(log.topic_ticks, value=value, key=key, timestamp_ms=at)
        producer.flush()
        code, report = check(capsys, "--from-beginning", "--duration", "20")
        producer.abort_transaction()
    assert (code, report["messages"], report["ended_by"]) == (0, 2, "end")


def test_dead_letters_are_counted_by_reason_and_repeats_known(log, capsys):
    letters = [messages.dead_letter_message(f"a.ndjson:{line}", "bad_field", T0, b"\xff") for line in (1, 2, 900)]
    write(
        log, log.topic_deadletter, [*letters, letters[0], messages.dead_letter_message("a.ndjson:1", "late", T0, b"x")]
    )
    code, report = check(capsys, "--topic", log.topic_deadletter, "--from-beginning")
    assert (code, report["by_kind"], report["duplicates"]) == (0, {"bad_field": 4, "late": 1}, 1)
    assert report["sequence"]["missing"] == 0


def test_it_commits_nothing_and_joins_no_group(log, capsys):
    from tickvol.bus.client import new_admin

    write(log, log.topic_ticks, [tick(1)])
    with contextlib.closing(new_admin(log)) as admin:
        before = admin.list_groups()
        check(capsys, "--from-beginning")
        assert admin.list_groups() == before


def test_a_reader_finds_single_messages_and_the_newest_of_a_key(log):
    write(log, log.topic_ticks, [tick(number) for number in range(300)])
    partition = messages.partition_of(wire.BTC, log.partitions)
    with TopicReader(log, log.topic_ticks, client_id="test") as reader:
        assert reader.at(partition, 17).value == tick(17).value
        assert reader.at(partition, 300) is None
        assert reader.at(99, 0) is None
        assert reader.newest_ms(wire.BTC) == tick(299).timestamp_ms
        assert reader.newest_ms(wire.ETH) is None


# kafka-python leaves the socket of a refused connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_topic_that_is_not_there_and_a_broker_that_is_not_there_are_told(log, capsys, monkeypatch):
    monkeypatch.setenv("TICKVOL_INGESTION__TOPIC", "nowhere")
    assert kafka_consume_check.main(["--duration", "1"]) == 1
    assert "nowhere: no such topic; `tickvol kafka topics` makes" in capsys.readouterr().err
    monkeypatch.setenv("TICKVOL_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("TICKVOL_KAFKA__REQUEST_TIMEOUT_MS", "1000")
    assert kafka_consume_check.main(["--duration", "1"]) == 1
    assert "kafka.bootstrap_servers: 127.0.0.1:1: " in capsys.readouterr().err
    gc.collect()


@pytest.mark.parametrize(
    "arguments",
    [["--duration", "0"], ["--duration", "nan"], ["--min-messages", "-1"], ["--max-staleness", "-1"], ["--topic", "?"]],
)
def test_wrong_use_is_told_before_anything_is_read(arguments, capsys):
    assert kafka_consume_check.main(arguments) == 2
    assert arguments[0] in capsys.readouterr().err
