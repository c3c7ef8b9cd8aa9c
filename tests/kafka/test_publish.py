"""The publisher: from the last acknowledged line on, in order, loudly stopped where going on would hide a hole."""

import contextlib
import gzip
import os
import subprocess
import sys
import threading
import time
from itertools import count

import msgspec
import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from tests.eventlog import wire
from tests.faults.line import Line, distinct, wait_for
from tests.kafka.filling import topic_messages
from tests.support.brokers import ROOT
from tickvol.bus.client import new_admin
from tickvol.bus.messages import decode_dead_letter, decode_record
from tickvol.bus.recreate import recreate_topics
from tickvol.capture.publish_progress import ProgressFile
from tickvol.capture.publisher import Publisher
from tickvol.config import load_config
from tickvol.core.errors import BrokerUnavailable, CorruptFile, LogLost, TopicMismatch, WorkError
from tickvol.core.records import Gap, Tick
from tickvol.eventlog.archive_upkeep import PROGRESS_NAME, delete_old
from tickvol.systems import all_topics

pytestmark = pytest.mark.kafka

PRODUCTS = (wire.BTC, wire.ETH)
FIRST, SECOND_FILE, THIRD = (f"2026040{day}T000000Z_2026040{day}T00Z.ndjson" for day in (5, 6, 7))


@pytest.fixture
def config(kafka_config, kafka_env, monkeypatch):
    """The project's configuration with topics of this test alone."""
    for name, value in kafka_env.items():
        monkeypatch.setenv(name, value)
    return load_config(ROOT / "config.yaml", env_file=None)


def capture(name, ticks, first=0, packed=False, volume="1"):
    """A file of the archive: one capture with one connection, a tick a second."""
    connection = f"{name.partition('_')[0]}-1"
    start = wire.START_NS + int(name[7:8]) * 86_400 * wire.SECOND
    lines = [wire.control("capture_started", start), wire.control("connection_opened", start, connection)]
    for number in range(first, first + ticks):
        time_ns = start + number * wire.SECOND
        lines.append(wire.wrap(wire.ticker(number, time_ns, *PRODUCTS, volume_24_h=volume), time_ns, connection))
    return gzip.compress(wire.file_of(lines)) if packed else wire.file_of(lines)


@contextlib.contextmanager
def publisher(config, raw_dir, **options):
    made = Publisher(
        config.kafka,
        config.ingestion.model_copy(update={"raw_dir": raw_dir}),
        PRODUCTS,
        grace_ms=config.features.grace_ms,
        batch_size=config.features.batch_size,
        **{"follow": lambda: False, "stopped": lambda: False, **options},
    )
    try:
        yield made
    finally:
        made.close()


def publish(config, raw_dir, **options):
    with publisher(config, raw_dir, **options) as made:
        assert made.run() is True
        return made.figures


def held(config):
    """Sequence numbers of the ticks of BTC in the topic, in order."""
    records = [decode_record(message.value) for message in topic_messages(config.kafka, config.ingestion.topic)]
    return [record.sequence_num for record in records if isinstance(record, Tick) and record.product_id == wire.BTC]


def note(raw_dir):
    return msgspec.json.decode((raw_dir / PROGRESS_NAME).read_bytes())


def test_each_line_is_sent_once_however_often_it_is_asked(config, tmp_path):
    (tmp_path / FIRST).write_bytes(capture(FIRST, 30))
    assert publish(config, tmp_path).records == 60
    assert (note(tmp_path)["source"], note(tmp_path)["line"]) == (FIRST, 32)
    assert publish(config, tmp_path).records == 0
    (tmp_path / FIRST).write_bytes(capture(FIRST, 40))
    (tmp_path / f"{SECOND_FILE}.gz").write_bytes(capture(SECOND_FILE, 5, packed=True))
    assert publish(config, tmp_path).records == 2 * 15 + 2  # each product's gap between the captures
    assert held(config) == [*range(40), *range(5)]


def test_a_hole_across_two_runs_is_a_gap(config, tmp_path):
    path = tmp_path / FIRST
    path.write_bytes(capture(FIRST, 10))
    publish(config, tmp_path)
    path.write_bytes(path.read_bytes() + capture(FIRST, 5, first=13).split(b"\n", 2)[2])
    assert publish(config, tmp_path).gaps == {"jump": 2}
    records = [decode_record(message.value) for message in topic_messages(config.kafka, config.ingestion.topic)]
    gaps = [record for record in records if isinstance(record, Gap)]
    assert {(gap.product_id, gap.first_missing, gap.last_missing) for gap in gaps} == {(p, 10, 12) for p in PRODUCTS}
    assert held(config) == [*range(10), *range(13, 18)]


def test_what_waits_behind_a_hole_at_the_end_of_a_run_is_sent_by_the_next(config, tmp_path):
    path = tmp_path / FIRST
    path.write_bytes(capture(FIRST, 10) + capture(FIRST, 1, first=11).split(b"\n", 2)[2])
    publish(config, tmp_path)
    assert held(config) == list(range(10))
    path.write_bytes(path.read_bytes() + capture(FIRST, 1, first=12).split(b"\n", 2)[2])
    publish(config, tmp_path)
    assert held(config) == [*range(10), 11, 12]


def set_limit(config, size):
    kafka, topic = config.kafka, config.ingestion.topic
    with contextlib.closing(new_admin(kafka)) as admin:
        limit = {"max.message.bytes": str(size)}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, limit)])


def test_what_the_broker_refuses_is_sent_again_in_order_once_it_is_taken(config, tmp_path, caplog):
    small, large = capture(FIRST, 300), capture(FIRST, 2, first=300, volume="1" * 60_000).split(b"\n", 2)[2]
    last = capture(FIRST, 300, first=302).split(b"\n", 2)[2]
    (tmp_path / FIRST).write_bytes(small + large + last)
    set_limit(config, 50_000)
    stop = threading.Event()
    with publisher(config, tmp_path, follow=lambda: not stop.is_set()) as made:
        running = threading.Thread(target=made.run)
        running.start()
        try:
            wait_for(lambda: "a message was refused" in caplog.text, 30, "refusal")
            set_limit(config, 1 << 20)
            wait_for(lambda: made.figures.line == 604, 30, "acknowledged")
        finally:
            stop.set()
            running.join(30)
    assert list(dict.fromkeys(held(config))) == list(range(602))


def test_a_topic_made_anew_is_a_loud_stop(config, tmp_path):
    (tmp_path / FIRST).write_bytes(capture(FIRST, 30))
    publish(config, tmp_path)
    with contextlib.closing(new_admin(config.kafka)) as admin:
        recreate_topics(admin, config.kafka, all_topics(config), (config.features.group_id,))
    with pytest.raises(LogLost, match="tickvol kafka rebuild"):
        publish(config, tmp_path)
    assert held(config) == []


def test_a_topic_that_is_not_there_is_named_with_the_command_that_makes_it(config, tmp_path):
    (tmp_path / FIRST).write_bytes(capture(FIRST, 3))
    ingestion = config.ingestion.model_copy(update={"topic": "no.such.topic"})
    with pytest.raises(TopicMismatch, match=r"no\.such\.topic does not exist; .*tickvol kafka topics"):
        publish(config.model_copy(update={"ingestion": ingestion}), tmp_path)


def test_another_number_of_partitions_is_refused(config, tmp_path):
    (tmp_path / FIRST).write_bytes(capture(FIRST, 3))
    kafka = config.kafka.model_copy(update={"partitions": config.kafka.partitions + 1})
    with pytest.raises(TopicMismatch, match=r"kafka\.partitions: 4: .* has 3; set it to that"):
        publish(config.model_copy(update={"kafka": kafka}), tmp_path)


def test_a_second_publisher_is_refused(config, tmp_path):
    with publisher(config, tmp_path), pytest.raises(WorkError, match="another process publishes it"):
        publish(config, tmp_path)


def test_a_second_publisher_that_follows_waits_for_the_first(config, tmp_path):
    (tmp_path / FIRST).write_bytes(capture(FIRST, 10))
    started, ended = threading.Event(), []

    def second():
        started.set()
        follows = count()
        ended.append(publish(config, tmp_path, follow=lambda: not ended and next(follows) < 200).records)

    with publisher(config, tmp_path) as first:
        waiting = threading.Thread(target=second)
        waiting.start()
        started.wait()
        time.sleep(0.3)
        assert ended == []
        assert first.run() is True
    waiting.join(30)
    assert ended == [0]
    assert held(config) == list(range(10))


def test_a_note_that_is_gone_while_the_topic_holds_the_archive_is_a_loud_stop(config, tmp_path):
    (tmp_path / FIRST).write_bytes(capture(FIRST, 30))
    publish(config, tmp_path)
    (tmp_path / PROGRESS_NAME).unlink()
    with pytest.raises(LogLost, match=r"holds records of this archive \(20260405T000000Z-1\)"):
        publish(config, tmp_path)
    assert held(config) == list(range(30))


def test_records_of_another_archive_in_the_topic_are_no_obstacle(config, tmp_path):
    for name in (FIRST, SECOND_FILE):
        directory = tmp_path / name
        directory.mkdir()
        (directory / name).write_bytes(capture(name, 5))
        publish(config, directory)
    assert held(config) == [*range(5), *range(5)]


@pytest.mark.parametrize("text", [b"", b'{"source":"a', b"[]", b'{"source":"a","line":"b"}'])
def test_a_note_that_cannot_be_read_is_a_loud_stop(config, tmp_path, text):
    (tmp_path / FIRST).write_bytes(capture(FIRST, 3))
    (tmp_path / PROGRESS_NAME).write_bytes(text)
    with pytest.raises(CorruptFile, match="tickvol kafka rebuild"):
        publish(config, tmp_path)


def test_an_empty_archive_is_published_in_no_time(config, tmp_path):
    assert publish(config, tmp_path).records == 0


def names(directory):
    return sorted(path.name for path in directory.glob("[!.]*"))


def three_files(raw_dir):
    (raw_dir / f"{FIRST}.gz").write_bytes(capture(FIRST, 5, packed=True))
    (raw_dir / f"{SECOND_FILE}.gz").write_bytes(capture(SECOND_FILE, 5, packed=True))
    (raw_dir / THIRD).write_bytes(capture(THIRD, 5))
    return names(raw_dir)


def test_only_packed_files_that_are_sent_to_their_end_are_deleted(config, tmp_path):
    three_files(tmp_path)
    publish(config, tmp_path, delete_sent=True)
    assert names(tmp_path) == [THIRD]
    publish(config, tmp_path, delete_sent=True)
    assert held(config) == [*range(5)] * 3


def test_nothing_is_deleted_while_the_broker_is_away(config, tmp_path):
    files = three_files(tmp_path)
    kafka = config.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:9", "request_timeout_ms": 500})
    with pytest.raises(BrokerUnavailable):
        publish(config.model_copy(update={"kafka": kafka}), tmp_path, delete_sent=True)
    assert names(tmp_path) == files


def test_nothing_is_deleted_that_the_note_does_not_cover(config, tmp_path, monkeypatch):
    files = three_files(tmp_path)
    write = ProgressFile.write

    def full(self, published):
        if published.source:
            raise WorkError("no room for the note")
        write(self, published)

    monkeypatch.setattr(ProgressFile, "write", full)
    publish(config, tmp_path, delete_sent=True)
    assert names(tmp_path) == files


@pytest.mark.parametrize(
    ("noted", "left", "why"),
    [
        (None, 3, "nothing is noted: all may be unsent"),
        ("", 3, "nothing is sent yet"),
        (SECOND_FILE, 2, "the file that is being sent stays"),
        ("torn", 3, "a note that cannot be read covers nothing"),
    ],
)
def test_the_unsent_spool_outlives_raw_keep_days(tmp_path, noted, left, why):
    for name in (FIRST, SECOND_FILE, THIRD):
        (tmp_path / f"{name}.gz").write_bytes(capture(name, 1, packed=True))
    if noted is not None:
        text = b"{" if noted == "torn" else msgspec.json.encode({"source": noted, "line": 3})
        (tmp_path / PROGRESS_NAME).write_bytes(text)
    delete_old(tmp_path, 1, wire.START_NS + 400 * 86_400 * wire.SECOND, spool=True)
    assert len(names(tmp_path)) == left, why


def captured(line, sink, *arguments):
    """One capture of a short market to its end; what it printed."""
    exchange, url = line.exchange("--speed", "max", "--hours", 0.01)
    ingestor = line.ingestor(url, "--sink", sink, "--stop-on-close", *arguments)
    assert ingestor.wait(60) == 0, ingestor.log.read_text()
    line.end(exchange)
    return ingestor.log.read_text()


def test_sink_file_asks_no_broker_and_can_be_published_later(config, kafka_env, tmp_path):
    line = Line(tmp_path, kafka_env)
    try:
        line.environment["TICKVOL_KAFKA__BOOTSTRAP_SERVERS"] = "127.0.0.1:9"
        assert "published" not in captured(line, "file")
        assert not (line.raw_dir / PROGRESS_NAME).exists()
    finally:
        line.close()
    command = [sys.executable, "-m", "tickvol", "publish", "--raw-dir", str(line.raw_dir)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | kafka_env, capture_output=True, text=True, check=True)
    assert "complete    all lines of the archive are with the broker" in done.stdout
    line.environment |= kafka_env
    line.check_published()


def test_sink_kafka_keeps_no_file_that_is_sent(config, kafka_env, tmp_path):
    line = Line(tmp_path, kafka_env)
    try:
        for captures in (1, 2):
            assert "all of the archive is with the broker" in captured(line, "kafka")
            assert len(names(line.raw_dir)) == 1, captures
        counted = [len(distinct(records)) for records in line.published().values()]
        assert min(counted) > 2 * 36
    finally:
        line.close()


def test_a_slow_disk_under_the_note_holds_no_record_up(config, tmp_path, monkeypatch):
    slow_s, write, written = 2.0, ProgressFile.write, []

    def write_slowly(progress, published):
        if written:  # the first note goes before the first record
            time.sleep(slow_s)
        written.append(published.line)
        write(progress, published)

    monkeypatch.setattr(ProgressFile, "write", write_slowly)
    (tmp_path / FIRST).write_bytes(capture(FIRST, 1))
    over = threading.Event()
    with publisher(config, tmp_path, follow=lambda: not over.is_set()) as made:
        running = threading.Thread(target=made.run)
        running.start()
        try:
            wait_for(lambda: made.figures.line == 3, 30, "the first line is acknowledged, its note under way")
            lines = capture(FIRST, 2).splitlines(keepends=True)
            began = time.monotonic()
            with (tmp_path / FIRST).open("ab") as sink:
                sink.write(lines[-1])
            wait_for(lambda: 1 in held(config), 30, "the second line")
            assert time.monotonic() - began < slow_s / 2
        finally:
            over.set()
            running.join(60)
    assert note(tmp_path)["line"] == 4


def test_a_line_larger_than_a_message_is_a_letter_and_stops_nothing(config, tmp_path):
    lines = capture(FIRST, 3).splitlines(keepends=True)
    (tmp_path / FIRST).write_bytes(b"".join([*lines[:3], b"\0" * 5_000_000 + b"\n", *lines[3:]]))
    figures = publish(config, tmp_path)
    assert held(config) == [0, 1, 2]
    assert figures.letters == 1
    (letter,) = [
        decode_dead_letter(message.value) for message in topic_messages(config.kafka, config.kafka.topic_deadletter)
    ]
    assert (letter.source, letter.cut_from) == (f"{FIRST}:4", 5_000_000)


def test_a_damaged_file_is_told_and_kept_although_sent_files_go(config, tmp_path):
    whole = capture(FIRST, 500, packed=True)
    (tmp_path / f"{FIRST}.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / f"{SECOND_FILE}.gz").write_bytes(capture(SECOND_FILE, 3, packed=True))
    for _ in range(2):  # after a restart it is known from the note
        (tmp_path / f"{THIRD}.gz").write_bytes(capture(THIRD, 3, packed=True))
        publish(config, tmp_path, delete_sent=True)
        assert (tmp_path / f"{FIRST}.gz").exists()
    assert not (tmp_path / f"{SECOND_FILE}.gz").exists()
    letters = [
        decode_dead_letter(message.value) for message in topic_messages(config.kafka, config.kafka.topic_deadletter)
    ]
    assert "unreadable" in {letter.reason for letter in letters}


def test_what_nobody_expected_of_the_note_is_raised(config, tmp_path, monkeypatch):
    (tmp_path / FIRST).write_bytes(capture(FIRST, 3))
    write = ProgressFile.write

    def fail(progress, published):
        if published.line:
            raise RuntimeError("nobody expected this")
        write(progress, published)

    monkeypatch.setattr(ProgressFile, "write", fail)
    with publisher(config, tmp_path, follow=lambda: True) as made, pytest.raises(RuntimeError, match="nobody expected"):
        made.run()
