"""What `tickvol kafka rebuild` refuses, and that it makes topics and dataset anew from the archive."""

import gzip
import io
import os
import subprocess
import sys

import pytest

from tests.kafka.featurizers import FeaturizerProcess, featurize_to_end, wait_until
from tests.kafka.filling import archive_records, feature_rows, fill, topic_messages
from tests.parity.test_follow_parity import tree, write_archive
from tickvol.apps import kafka_rebuild, replay

pytestmark = pytest.mark.kafka


@pytest.fixture
def raw_dir(kafka_config, kafka_env, monkeypatch, tmp_path):
    """An archive, the configuration of this process pointing at it and at topics of this test."""
    raw_dir = tmp_path / "raw"
    settings = kafka_env | {
        "TICKVOL_INGESTION__RAW_DIR": str(raw_dir),
        "TICKVOL_FEATURES__DATASET_DIR": str(tmp_path / "live.parquet"),
        "TICKVOL_FEATURES__SESSION_TIMEOUT_MS": "6000",
        "TICKVOL_FEATURES__METRICS_PORT": "0",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    write_archive(raw_dir, 1)
    return raw_dir


def refused(capsys, *arguments):
    code = kafka_rebuild.main(list(arguments))
    assert code != 0
    return capsys.readouterr().err


def test_without_an_archive_nothing_is_deleted(raw_dir, kafka_config, capsys):
    fill(kafka_config, archive_records(raw_dir)[:10])
    for path in raw_dir.iterdir():
        path.unlink()
    assert "holds no capture to rebuild from" in refused(capsys, "--yes")
    assert len(topic_messages(kafka_config, kafka_config.topic_ticks)) == 10


def test_without_a_terminal_it_asks_for_yes_and_deletes_nothing(raw_dir, kafka_config, capsys, monkeypatch):
    fill(kafka_config, archive_records(raw_dir)[:10])
    monkeypatch.setattr("sys.stdin", io.StringIO("yes"))
    assert "--yes" in refused(capsys)
    assert len(topic_messages(kafka_config, kafka_config.topic_ticks)) == 10


def test_records_of_captures_that_the_archive_lost_are_kept(raw_dir, kafka_config, capsys):
    fill(kafka_config, archive_records(raw_dir)[:10])
    oldest = min(raw_dir.iterdir())
    capture = oldest.name.partition("_")[0]
    for path in raw_dir.glob(f"{capture}_*"):
        path.rename(path.with_name(path.name.replace(capture, "20991231T000000Z")))
    said = refused(capsys, "--yes")
    assert capture in said
    assert "--accept-loss" in said
    assert len(topic_messages(kafka_config, kafka_config.topic_ticks)) == 10


def test_a_file_that_cannot_be_read_to_its_end_deletes_nothing(raw_dir, kafka_config, capsys):
    fill(kafka_config, archive_records(raw_dir)[:10])
    path = max(raw_dir.glob("*.ndjson*"))
    packed = gzip.compress(path.read_bytes()) if path.suffix == ".ndjson" else path.read_bytes()
    path.unlink()
    (raw_dir / f"{path.name.removesuffix('.gz')}.gz").write_bytes(packed[: len(packed) // 2])
    said = refused(capsys, "--yes")
    assert path.name in said
    assert "--accept-loss" in said
    assert len(topic_messages(kafka_config, kafka_config.topic_ticks)) == 10


def test_featurizer_that_is_alive_is_named(raw_dir, kafka_config, kafka_env, tmp_path, capsys):
    fill(kafka_config, archive_records(raw_dir))
    with FeaturizerProcess(os.environ, tmp_path / "live.parquet", tmp_path / "log", instance_id="7"):
        wait_until(lambda: feature_rows(kafka_config))
        assert "instance 7 is alive" in refused(capsys, "--yes")
    assert topic_messages(kafka_config, kafka_config.topic_ticks)


def test_topics_and_dataset_are_those_of_the_archive_afterwards(raw_dir, kafka_config, tmp_path):
    fill(kafka_config, archive_records(raw_dir)[:5000])  # the rest was lost
    featurize_to_end(os.environ, tmp_path / "live.parquet", tmp_path / "log")
    subprocess.run([sys.executable, "-m", "tickvol", "kafka", "rebuild", "--yes"], check=True)
    assert replay.main(["--data-file", str(raw_dir), "--out", str(tmp_path / "whole.parquet")]) == 0
    assert tree(tmp_path / "live.parquet") == tree(tmp_path / "whole.parquet")
    assert len(topic_messages(kafka_config, kafka_config.topic_ticks)) == len(archive_records(raw_dir))
