"""The featurizer on a real broker: each row once and in order, the dataset the bytes of a replay, whatever happens."""

import random
import signal
import threading
import time

import pytest

from tests.kafka.featurizers import FeaturizerProcess, featurize_to_end, wait_until
from tests.kafka.filling import (
    archive_records,
    feature_rows,
    fill,
    producing,
    put,
    topic_messages,
)
from tests.parity.test_follow_parity import tree, write_archive
from tickvol.apps import replay
from tickvol.bus.messages import decode_dead_letter, event_time_ns, record_message
from tickvol.core.records import Tick
from tickvol.volatility.dataset import read_features

pytestmark = pytest.mark.kafka

FAST = {"TICKVOL_FEATURES__FLUSH_INTERVAL_S": "0.2", "TICKVOL_FEATURES__SESSION_TIMEOUT_MS": "6000"}


@pytest.fixture
def env(kafka_env):
    return kafka_env | FAST


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """(raw directory, its records, the tree of its replay)."""
    root = tmp_path_factory.mktemp("archive")
    write_archive(root / "raw", 1)
    assert replay.main(["--data-file", str(root / "raw"), "--out", str(root / "whole.parquet")]) == 0
    return root / "raw", archive_records(root / "raw"), root / "whole.parquet"


def assert_rows_once(kafka, whole):
    """Every row of the dataset is in the topic once, in order, and no other is."""
    table = read_features(whole)
    rows = feature_rows(kafka)
    assert set(rows) == set(table.products)
    for number, product_id in enumerate(table.products):
        own = table.product == number
        expected = [
            (end, repr(values))
            for end, values in zip(table.bar_end_ns[own].tolist(), table.values[own].tolist(), strict=True)
        ]
        assert [end for end, _ in rows[product_id]] == [end for end, _ in expected]
        assert rows[product_id] == expected


class Feed(threading.Thread):
    """Records onto the topic bit by bit, as a live feed; `share` of the time in pauses."""

    def __init__(self, kafka, records, *, seconds, chunk=100):
        super().__init__(daemon=True)
        self._kafka, self._records, self._chunk = kafka, records, chunk
        self._pause_s = seconds * chunk / len(records)

    def run(self):
        with producing(self._kafka) as producer:
            for begin in range(0, len(self._records), self._chunk):
                chunk = map(record_message, self._records[begin : begin + self._chunk])
                put(producer, self._kafka.topic_ticks, self._kafka.partitions, chunk)
                time.sleep(self._pause_s)


def test_topic_and_dataset_equal_a_replay_of_the_archive_and_of_the_topic(
    env, kafka_config, archive, tmp_path, monkeypatch
):
    _, records, whole = archive
    fill(kafka_config, records)
    out = tmp_path / "live.parquet"
    said = featurize_to_end(env, out, tmp_path / "log")
    assert tree(out) == tree(whole)
    assert_rows_once(kafka_config, whole)
    assert f"records     {len(records)} = " in said
    assert " 0 rejected + 0 waiting" in said
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert replay.main(["--from-kafka", "--out", str(tmp_path / "topic.parquet")]) == 0
    assert tree(tmp_path / "topic.parquet") == tree(whole)
    letters = [
        decode_dead_letter(message.value) for message in topic_messages(kafka_config, kafka_config.topic_deadletter)
    ]
    on_disk = b"".join(tree(tmp_path / "topic.deadletters").values()).splitlines()
    assert len(on_disk) == len(letters)
    assert {letter.reason for letter in letters} == {"late"}
    assert f"+ {len(letters)} late" in said
    places = {}
    for message in topic_messages(kafka_config, kafka_config.topic_ticks):
        places[f"{message.topic}-{message.partition}@{message.offset}"] = message.value
    assert all(places[letter.source] == letter.content() for letter in letters)


def test_a_deleted_dataset_is_made_again_without_a_second_row_in_the_topic(env, kafka_config, archive, tmp_path):
    _, records, whole = archive
    cut = len(records) * 2 // 3
    fill(kafka_config, records[:cut])
    featurize_to_end(env, tmp_path / "first.parquet", tmp_path / "log")
    fill(kafka_config, records[cut:])
    featurize_to_end(env, tmp_path / "second.parquet", tmp_path / "log")
    assert tree(tmp_path / "second.parquet") == tree(whole)
    assert_rows_once(kafka_config, whole)


def killed_at_random(env, kafka, archive, tmp_path, *, seed, kills):
    """Feed slowly, kill and restart; gives the seconds from each restart to the first new row."""
    _, records, whole = archive
    rng = random.Random(seed)
    out, log = tmp_path / "live.parquet", tmp_path / "log"
    feed = Feed(kafka, records, seconds=3.0 * kills + 2)
    feed.start()
    for _ in range(kills):
        with FeaturizerProcess(env, out, log) as featurizer:
            time.sleep(rng.uniform(0.5, 4.5))
            featurizer.kill()
    feed.join()
    featurize_to_end(env, out, log)
    assert tree(out) == tree(whole)
    assert_rows_once(kafka, whole)


@pytest.mark.slow  # tests/faults kills it on a live feed
def test_killed_at_random_moments_every_row_is_there_once(env, kafka_config, archive, tmp_path):
    killed_at_random(env, kafka_config, archive, tmp_path, seed=7, kills=3)


@pytest.mark.slow
def test_killed_at_fifty_random_moments_every_row_is_there_once(env, kafka_config, archive, tmp_path):
    killed_at_random(env, kafka_config, archive, tmp_path, seed=11, kills=50)


def test_a_stopped_featurizer_commits_and_tells_counts_that_add_up(env, kafka_config, archive, tmp_path):
    _, records, whole = archive
    out = tmp_path / "live.parquet"
    half = len(records) // 2
    fill(kafka_config, records[:half])
    with FeaturizerProcess(env, out, tmp_path / "log") as featurizer:
        wait_until(lambda: len(topic_messages(kafka_config, kafka_config.topic_features)) > 0)
        assert featurizer.stop() == 0
        assert "records     " in featurizer.said()
    fill(kafka_config, records[half:])
    featurize_to_end(env, out, tmp_path / "log2")
    assert tree(out) == tree(whole)
    assert_rows_once(kafka_config, whole)


def test_two_instances_share_the_products_and_one_takes_over(env, kafka_config, archive, tmp_path):
    _, records, whole = archive
    out = tmp_path / "live.parquet"
    third = len(records) // 3
    with (
        FeaturizerProcess(env, out, tmp_path / "log1", instance_id="1") as one,
        FeaturizerProcess(env, out, tmp_path / "log2", instance_id="2") as two,
    ):
        wait_until(lambda: has_products(one) and has_products(two))
        fill(kafka_config, records[:third])
        wait_until(lambda: len(feature_rows(kafka_config)) == 2)
        two.kill()
        fill(kafka_config, records[third : 2 * third])
        wait_until(lambda: last_products(one) == {"BTC-USD", "ETH-USD"})
        fill(kafka_config, records[2 * third :])
        ends = {name: row[-1][0] for name, row in expected_ends(whole).items()}
        wait_until(lambda: {name: rows[-1][0] for name, rows in feature_rows(kafka_config).items()} == ends)
        assert one.stop() == 0
    assert tree(out) == tree(whole)
    assert_rows_once(kafka_config, whole)


def expected_ends(whole):
    table = read_features(whole)
    return {
        name: [(int(end), "") for end in table.bar_end_ns[table.product == number]]
        for number, name in enumerate(table.products)
    }


def last_products(featurizer):
    """The products of the newest assignment that the log tells of."""
    told = [line.rpartition("products=")[2] for line in featurizer.said().splitlines() if " assigned " in line]
    return set(told[-1].split(",")) - {"none"} if told else set()


def has_products(featurizer):
    return len(last_products(featurizer)) == 1


@pytest.mark.slow  # tests/faults puts one to sleep on a live feed
def test_a_paused_instance_that_wakes_is_fenced_and_writes_nothing(env, kafka_config, archive, tmp_path):
    _, records, whole = archive
    out = tmp_path / "live.parquet"
    third = len(records) // 3
    with (
        FeaturizerProcess(env, out, tmp_path / "log1", instance_id="1") as one,
        FeaturizerProcess(env, out, tmp_path / "log2", instance_id="2") as two,
    ):
        wait_until(lambda: has_products(one) and has_products(two))
        feed = Feed(kafka_config, records[: 2 * third], seconds=14)
        feed.start()
        wait_until(lambda: len(feature_rows(kafka_config)) == 2)
        time.sleep(1.0)
        one.send(signal.SIGSTOP)
        wait_until(lambda: last_products(two) == {"BTC-USD", "ETH-USD"})
        feed.join()
        one.send(signal.SIGCONT)
        fill(kafka_config, records[2 * third :])
        ends = {name: row[-1][0] for name, row in expected_ends(whole).items()}
        wait_until(lambda: {name: rows[-1][0] for name, rows in feature_rows(kafka_config).items()} == ends)
        assert one.stop() == 0
        assert two.stop() == 0
    assert_rows_once(kafka_config, whole)
    assert tree(out) == tree(whole)


def test_a_second_process_of_the_same_name_ends_the_first(env, kafka_config, archive, tmp_path):
    _, records, whole = archive
    out = tmp_path / "live.parquet"
    half = len(records) // 2
    fill(kafka_config, records[:half])
    with FeaturizerProcess(env, out, tmp_path / "log1") as one:
        wait_until(lambda: len(feature_rows(kafka_config)) == 2)
        with FeaturizerProcess(env, out, tmp_path / "log2") as two:
            two.wait_until_said("silent_until")
            fill(kafka_config, records[half:])
            assert one.process.wait(30) == 1
            assert "features.instance_id: 1: another process works under this name" in one.said()
            ends = {name: row[-1][0] for name, row in expected_ends(whole).items()}
            wait_until(lambda: {name: rows[-1][0] for name, rows in feature_rows(kafka_config).items()} == ends)
            assert two.stop() == 0
    assert_rows_once(kafka_config, whole)
    assert tree(out) == tree(whole)


def test_records_sent_again_change_nothing_and_are_counted(env, kafka_config, archive, tmp_path):
    _, records, whole = archive
    rng = random.Random(3)
    again, repeated = [], 0
    for place, record in enumerate(records):
        again.append(record)
        if rng.random() < 0.003:
            run = records[max(0, place - rng.randrange(1, 200)) : place + 1]
            run = [other for other in run if event_time_ns(record) - event_time_ns(other) < 600 * 10**9]
            again += run
            repeated += sum(isinstance(other, Tick) for other in run)
    fill(kafka_config, again)
    said = featurize_to_end(env, tmp_path / "live.parquet", tmp_path / "log")
    assert tree(tmp_path / "live.parquet") == tree(whole)
    assert_rows_once(kafka_config, whole)
    assert f"records     {len(again)} = " in said
    assert f"+ {repeated + 106} duplicates" in said
