"""Full disks under archive, dataset and broker: a clear error, no half file, and it goes on when there is room."""

import os
import subprocess
import sys
import time

import pytest

from tests.faults import figures
from tests.faults.line import Line, wait_for
from tests.faults.received import controls
from tests.faults.small_disk import SmallDisk
from tests.kafka.conftest import ROOT
from tests.support.brokers import environment_of
from tickvol.volatility.dataset import read_features

pytestmark = pytest.mark.kafka

SPEED = 30


@pytest.fixture
def small_disk(tmp_path):
    """`small_disk(megabytes)`: a disk of its own; asked for before `line`, it is there until all processes are gone."""
    disks = []

    def make(megabytes):
        disks.append(SmallDisk(tmp_path / f"disk{len(disks)}", megabytes))
        return disks[-1]

    yield make
    for disk in disks:
        disk.close()


def said(process, text, count=1):
    return lambda: process.log.read_text().count(text) >= count


def finish(line, *processes):
    """Everything is sent and featurized; end it and count."""
    wait_for(line.caught_up, 90, "published")
    ingestor, featurizer = processes
    line.end(ingestor)
    wait_for(lambda: line.lag() == 0, 60, "featurized")
    line.end(featurizer)
    return line.check_all()


def archive_full(small_disk, line, times):
    disk = small_disk(16)
    line.raw_dir = disk.path / "raw"
    line.environment["TICKVOL_INGESTION__RAW_DIR"] = str(line.raw_dir)
    _, url = line.exchange("--speed", SPEED)
    featurizer, ingestor = line.featurizer(), line.ingestor(url)
    again_s = []
    for number in range(1, times + 1):
        wait_for(line.caught_up, 60, "published")
        disk.fill(ingestor)
        wait_for(said(ingestor, "free space or name another directory", number), 30, "capture says that it is full")
        if disk.real:
            wait_for(said(ingestor, "after a restart more is sent again", number), 30, "publisher says so")
        disk.free()
        freed = time.monotonic()
        wait_for(said(ingestor, "there is room again: capture goes on", number), 30, "capture goes on")
        again_s.append(time.monotonic() - freed)
        time.sleep(1.0)
    if times > 1:
        line.kill(ingestor)
        ingestor = line.ingestor(url)
        wait_for(lambda: sum(item["control"] == "capture_started" for item in controls(line.raw_dir)) == 2, 30, "start")
    twice, rows = finish(line, ingestor, featurizer)
    closed = [item["reason"] for item in controls(line.raw_dir) if item["control"] == "connection_closed"]
    assert closed.count("capture_down") == times
    assert max(again_s) <= 3.0
    figures.record(
        "full disk under the archive",
        repetitions=times,
        records=line.records,
        twice=twice,
        recovery_s=max(again_s),
        rows=rows,
        real_disk=disk.real,
    )


def dataset_full(small_disk, line, times):
    disk = small_disk(16)
    line.dataset = disk.path / "features.parquet"
    line.environment["TICKVOL_FEATURES__DATASET_DIR"] = str(line.dataset)
    _, url = line.exchange("--speed", SPEED)
    featurizer, ingestor = line.featurizer(), line.ingestor(url)
    again_s = []
    for number in range(1, times + 1):
        wait_for(lambda: any(line.dataset.rglob("*.parquet")), 60, "dataset")
        disk.fill(featurizer)
        wait_for(said(featurizer, "rows wait in memory", number), 30, "featurizer says that it is full")
        before = line.length(line.kafka.topic_features)
        whole = read_features(line.dataset)
        assert len(whole.bar_end_ns) > 0
        assert not any(path.name.endswith(".tmp") for path in line.dataset.rglob("*"))
        wait_for(lambda before=before: line.length(line.kafka.topic_features) > before, 30, "rows in the topic")
        disk.free()
        freed = time.monotonic()
        wait_for(said(featurizer, "written again", number), 30, "dataset goes on")
        again_s.append(time.monotonic() - freed)
    disk.fill(featurizer)
    wait_for(said(featurizer, "rows wait in memory", times + 1), 30, "featurizer says that it is full")
    line.end(featurizer, code=1)
    assert "the next start computes them again" in featurizer.log.read_text()
    disk.free()
    twice, rows = finish(line, ingestor, line.featurizer())
    figures.record(
        "full disk under the dataset",
        repetitions=times + 1,
        records=line.records,
        twice=twice,
        recovery_s=max(again_s),
        rows=rows,
        real_disk=disk.real,
    )


def broker_full(small_disk, own_broker, tmp_path, times):
    disk = small_disk(160)
    broker = own_broker(disk.path / "broker")
    line = Line(tmp_path, environment_of(broker))
    start = [sys.executable, "-m", "tickvol", "kafka", "start"]
    options = {"cwd": ROOT, "env": os.environ | line.environment, "capture_output": True, "text": True, "check": False}
    again_s = []
    try:
        _, url = line.exchange("--speed", SPEED)
        featurizer, ingestor = line.featurizer(), line.ingestor(url)
        for _ in range(times):
            wait_for(line.caught_up, 60, "published")
            held = line.length()
            disk.fill(broker.process())
            wait_for(lambda: not broker.is_running(), 90, "broker stops by itself")
            if disk.real:
                refused = subprocess.run(start, **options)
                assert refused.returncode == 1
                assert "no room" in refused.stderr
            disk.free()
            freed = time.monotonic()
            done = subprocess.run(start, **options)
            assert done.returncode == 0, done.stderr
            wait_for(lambda before=held: line.length() > before, 60, "published")
            again_s.append(time.monotonic() - freed)
        twice, rows = finish(line, ingestor, featurizer)
    finally:
        line.close()
    figures.record(
        "full disk under the broker",
        repetitions=times,
        records=line.records,
        twice=twice,
        recovery_s=max(again_s),
        rows=rows,
        real_disk=disk.real,
    )


def test_a_full_disk_under_the_archive_stops_capture_until_there_is_room(small_disk, line):
    archive_full(small_disk, line, 1)


def test_a_full_disk_under_the_dataset_leaves_whole_files_and_loses_no_row(small_disk, line):
    dataset_full(small_disk, line, 1)


@pytest.mark.launcher
def test_a_broker_that_stopped_on_a_full_disk_comes_back_by_one_command(small_disk, own_broker, tmp_path):
    broker_full(small_disk, own_broker, tmp_path, 1)


@pytest.mark.slow
def test_a_disk_under_the_archive_full_again_and_again(small_disk, line):
    archive_full(small_disk, line, 5)


@pytest.mark.slow
def test_a_disk_under_the_dataset_full_again_and_again(small_disk, line):
    dataset_full(small_disk, line, 5)


@pytest.mark.slow
def test_a_disk_under_the_broker_full_again_and_again(small_disk, own_broker, tmp_path):
    broker_full(small_disk, own_broker, tmp_path, 5)
