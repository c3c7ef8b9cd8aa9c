"""The live path as processes that a test may kill, pause and question, on a real broker.

After whatever happened, `Line.check_published` counts the topic of ticks against the archive, `Line.check_features` the
topic of features against the dataset, and `Line.check_dataset` the dataset against a replay of the archive.
"""

import contextlib
import filecmp
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from itertools import zip_longest
from pathlib import Path

import psutil
from kafka import TopicPartition

from tests.faults.received import ticks_received
from tests.support.brokers import ROOT, config_of, make_topics
from tickvol.bus.client import new_consumer
from tickvol.bus.messages import decode_dead_letter, decode_record
from tickvol.config import load_config
from tickvol.core.records import Gap, Tick
from tickvol.eventlog.archive_reader import MergedLog, archive_files, source_names
from tickvol.eventlog.frame_columns import Reject
from tickvol.eventlog.frames import FrameDecoder
from tickvol.eventlog.record_text import records_of
from tickvol.eventlog.tracker import FrameTracker
from tickvol.volatility.dataset import read_features
from tickvol.volatility.messages import decode_features

PRODUCTS = ("BTC-USD", "ETH-USD")


def wait_for(condition, seconds=30.0, what="condition"):
    """Poll until it holds; its value, and an error after `seconds`."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds:g} s")


class Line:
    """Processes of one live path with their own topics, group, archive and dataset below `root`."""

    def __init__(self, root, environment):
        self.root = root
        self.raw_dir, self.dataset = root / "raw", root / "features.parquet"
        self.environment = (
            os.environ
            | environment
            | {
                "TICKVOL_INGESTION__RAW_DIR": str(self.raw_dir),
                "TICKVOL_FEATURES__DATASET_DIR": str(self.dataset),
                "TICKVOL_FEATURES__FLUSH_INTERVAL_S": "1",
                "TICKVOL_INGESTION__METRICS_PORT": "0",
                "TICKVOL_FEATURES__METRICS_PORT": "0",
            }
        )
        self.kafka = config_of(environment)
        self.topics_made = make_topics(self.kafka)
        self.processes = []
        self.records = 0
        self.foreign = set()
        """Places, "topic-partition@offset", of messages of ticks that somebody else has put there."""

    def start(self, name, *arguments, environment=None):
        """A `tickvol` command; its output goes to a file of its own."""
        log = self.root / f"{len(self.processes):02}-{name}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "tickvol", name, *map(str, arguments)],
                cwd=ROOT,
                env=self.environment | (environment or {}),
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process.log = log
        self.processes.append(process)
        return process

    def exchange(self, *arguments):
        """A simulated exchange and its URL."""
        process = self.start("simulate-exchange", "--port", 0, *arguments)
        match = wait_for(lambda: re.search(r"ws://127\.0\.0\.1:\d+", process.log.read_text()), 30, "exchange")
        return process, match[0]

    def ingestor(self, url, *arguments, **options):
        """`ws-ingest` with its publisher."""
        return self.start("ws-ingest", "--url", url, *arguments, **options)

    def featurizer(self, *arguments, instance="1", **environment):
        """`featurize` from Kafka."""
        return self.start(
            "featurize", *arguments, environment={"TICKVOL_FEATURES__INSTANCE_ID": instance, **environment}
        )

    def kill(self, process):
        """kill -9 of a process and of those that it started (a publisher is a session of its own)."""
        family = [process]
        with contextlib.suppress(psutil.NoSuchProcess):
            family += psutil.Process(process.pid).children(recursive=True)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                member.kill()
        process.wait(30)

    def end(self, process, code=0):
        """SIGTERM, and the exit code that is expected."""
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == code, process.log.read_text()[-3000:]

    def close(self):
        """End whatever still runs."""
        for process in reversed(self.processes):
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGCONT)
                self.kill(process)
        for process in psutil.process_iter(["pid", "environ"]):  # publishers whose ingestor was killed
            environ = process.info["environ"] or {}
            if environ.get("TICKVOL_INGESTION__RAW_DIR") == str(self.raw_dir):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()

    def expected(self):
        """What the archive holds: records by product in order, and {(source, reason)} of what was rejected."""
        config = load_config(ROOT / "config.yaml", env_file=None)
        if not any(self.raw_dir.glob("*.ndjson*")):
            return {}, set()
        files = archive_files([self.raw_dir])
        names, decoder = source_names(files), FrameDecoder(PRODUCTS, config.ingestion.max_line_bytes)
        tracker = FrameTracker(PRODUCTS, grace_ms=config.features.grace_ms, max_ahead_s=config.ingestion.max_ahead_s)
        records, rejected = defaultdict(list), set()
        for batch in MergedLog(files, decoder, batch_size=2048):
            tracked = tracker.push(batch.frames, bare=batch.bare)
            for record in records_of(tracked, PRODUCTS, decoder.connection_id):
                records[record.product_id].append(record)
            for item in tracked.rejected:
                if item.reason is not Reject.UNKNOWN_PRODUCT:
                    source, line = tracked.frames.source[item.row], tracked.frames.line_number[item.row]
                    rejected.add((f"{names[source]}:{line}", item.reason.label))
        return dict(records), rejected

    def messages(self, topic, kafka=None):
        """All committed messages of a topic, by partition in order."""
        consumer = new_consumer(kafka or self.kafka, client_id="check", max_poll_records=100_000)
        try:
            places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            ends = consumer.end_offsets(places)
            found = []
            while any(consumer.position(place) < ends[place] for place in places):
                for batch in consumer.poll(timeout_ms=500).values():
                    found += batch
            return sorted(found, key=lambda message: (message.partition, message.offset))
        finally:
            consumer.close()

    def published(self):
        """Records of the topic of ticks by product, in order, as they stand there."""
        records = defaultdict(list)
        for message in self.messages(self.kafka.topic_ticks):
            if f"{message.topic}-{message.partition}@{message.offset}" in self.foreign:
                continue
            record = decode_record(message.value)
            assert message.key == record.product_id.encode()
            records[record.product_id].append(record)
        return dict(records)

    def caught_up(self):
        """Whether the topic holds what was the last record of the archive a moment ago."""
        try:
            records, _ = self.expected()
        except FileNotFoundError:  # packed while it was read
            return False
        held = self.published()
        return bool(records) and all(found[-1] in held.get(name, ()) for name, found in records.items())

    def check_published(self):
        """Every record of the archive is in the topic, in order, and nothing else; the number that came twice."""
        expected, rejected = self.expected()
        published = self.published()
        assert expected.keys() == published.keys()
        twice = self.records = 0
        for product_id, records in expected.items():
            once = distinct(records)
            differing = [pair for pair in zip_longest(distinct(published[product_id]), once) if pair[0] != pair[1]]
            assert not differing, f"{product_id}: {len(differing)} differ, first {differing[0]}"
            twice += len(published[product_id]) - len(records)
            self.records += len(once)
        letters = [decode_dead_letter(message.value) for message in self.messages(self.kafka.topic_deadletter)]
        assert {(letter.source, letter.reason) for letter in letters if "@" not in letter.source} == rejected
        self._check_received(published, {letter.source for letter in letters})
        return twice

    def _check_received(self, published, rejected):
        """Received = published + rejected, over distinct (connection, sequence) and counted from the archive's text."""
        received = ticks_received(self.raw_dir, PRODUCTS)
        held = {
            (record.product_id, record.connection_id, record.sequence_num)
            for records in published.values()
            for record in records
            if isinstance(record, Tick)
        }
        assert held <= received.keys()
        assert {key: place for key, place in received.items() if key not in held and place not in rejected} == {}

    def features(self):
        """(bar end, values) of each product in the topic of features, in order."""
        rows = defaultdict(list)
        for message in self.messages(self.kafka.topic_features):
            row = decode_features(message.value)
            rows[row.product_id].append((row.bar_end_ns, row.numbers()))
        return dict(rows)

    def check_features(self):
        """Each row of the dataset is in the topic once, in order; their number."""
        table, total = read_features(self.dataset), 0
        rows = self.features()
        for number, product_id in enumerate(table.products):
            own = table.product == number
            assert [end for end, _ in rows[product_id]] == table.bar_end_ns[own].tolist(), product_id
            values = [[repr(value) for value in numbers] for _, numbers in rows[product_id]]
            assert values == [[repr(value) for value in row] for row in table.values[own].tolist()], product_id
            total += len(values)
        return total

    def check_dataset(self):
        """The dataset equals, byte for byte, a replay of the archive."""
        out = self.root / "replayed.parquet"
        subprocess.run(
            [sys.executable, "-m", "tickvol", "replay", "--data-file", str(self.raw_dir), "--out", str(out)],
            cwd=ROOT,
            env=self.environment,
            check=True,
            capture_output=True,
        )
        assert_same_tree(self.dataset, out)

    def length(self, topic=None):
        """Messages of a topic, by default that of ticks."""
        topic = topic or self.kafka.topic_ticks
        with contextlib.closing(new_consumer(self.kafka, client_id="length")) as consumer:
            places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
            return sum(consumer.end_offsets(places).values())

    def lag(self):
        """Records of the topic of ticks that the group has not committed yet."""
        consumer = new_consumer(self.kafka, client_id="lag", group_id=self.environment["TICKVOL_FEATURES__GROUP_ID"])
        try:
            numbers = consumer.partitions_for_topic(self.kafka.topic_ticks)
            places = [TopicPartition(self.kafka.topic_ticks, number) for number in numbers]
            ends = consumer.end_offsets(places)
            return sum(end - (consumer.committed(place) or 0) for place, end in ends.items())
        finally:
            consumer.close()

    def check_all(self):
        """Published, features and dataset; call it when everything has ended in peace."""
        twice = self.check_published()
        rows = self.check_features()
        self.check_dataset()
        return twice, rows


def distinct(records):
    """Records without those that came before: ticks and heartbeats by connection and sequence, gaps by all they say."""
    seen = {}
    for record in records:
        identity = record if isinstance(record, Gap) else (type(record), record.connection_id, record.sequence_num)
        seen.setdefault(identity, record)
    return list(seen.values())


def assert_same_tree(one: Path, other: Path):
    """`diff -r` of two directories finds nothing; hidden files do not count."""
    trees = [
        sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file() and path.name[0] != ".")
        for root in (one, other)
    ]
    assert trees[0] == trees[1]
    assert trees[0], f"{one}: empty"
    different = [path for path in trees[0] if not filecmp.cmp(one / path, other / path, shallow=False)]
    assert not different, different
