"""The raw archive: lines, rotation, packing, retention, and what a full disk does."""

import base64
import errno
import fcntl
import gzip
import json
import logging
import os

import pytest

from tickvol.core.errors import WorkError
from tickvol.core.records import GapReason
from tickvol.eventlog import raw_archive
from tickvol.eventlog.raw_archive import ArchiveSpec, RawArchive

HOUR_NS = 3600 * 10**9
NOW_NS = 1_775_428_513 * 10**9  # 2026-04-05T22:35:13Z


def started(directory, now_ns=NOW_NS, keep_days=30, min_free_disk_mb=1, on_line=None):
    archive = RawArchive(ArchiveSpec(directory, keep_days, min_free_disk_mb), on_line)
    archive.start(now_ns, ["BTC-USD"])
    return archive


def names(directory):
    return sorted(path.name for path in directory.glob("[!.]*"))


def lines(path):
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def test_a_capture_is_one_packed_file_with_its_events_in_order(tmp_path):
    archive = started(tmp_path)
    archive.connection_opened(NOW_NS + 1, f"{archive.capture_id}-1", ["BTC-USD"], "ws://x")
    archive.write_frame(NOW_NS + 2, f"{archive.capture_id}-1", b'{"channel":"ticker"}')
    archive.connection_closed(NOW_NS + 3, f"{archive.capture_id}-1", GapReason.SILENCE)
    archive.stop(NOW_NS + 4)
    assert names(tmp_path) == ["20260405T223513Z_20260405T22Z.ndjson.gz"]
    assert lines(tmp_path / names(tmp_path)[0]) == [
        {"receive_time_ns": NOW_NS, "control": "capture_started", "products": ["BTC-USD"]},
        {
            "receive_time_ns": NOW_NS + 1,
            "connection_id": "20260405T223513Z-1",
            "control": "connection_opened",
            "products": ["BTC-USD"],
            "url": "ws://x",
        },
        {"receive_time_ns": NOW_NS + 2, "connection_id": "20260405T223513Z-1", "frame": '{"channel":"ticker"}'},
        {
            "receive_time_ns": NOW_NS + 3,
            "connection_id": "20260405T223513Z-1",
            "control": "connection_closed",
            "reason": "silence",
        },
        {"receive_time_ns": NOW_NS + 4, "control": "capture_stopped"},
    ]
    assert (archive.counts.frames, archive.counts.control_lines, archive.counts.files) == (1, 4, 1)


def test_every_line_is_with_the_system_when_it_is_told(tmp_path):
    seen = []

    def look(line):
        (path,) = tmp_path.glob("*.ndjson")
        seen.append(path.read_bytes().endswith(line))

    archive = started(tmp_path, on_line=look)
    archive.write_frame(NOW_NS, "c", b"not json")
    archive.stop(NOW_NS)
    assert seen == [True, True, True]


def test_bytes_that_are_no_text_survive(tmp_path):
    archive = started(tmp_path)
    archive.write_frame(NOW_NS, "c", b"\xff\x00half")
    archive.stop(NOW_NS)
    assert base64.b64decode(lines(tmp_path / names(tmp_path)[0])[1]["frame_base64"]) == b"\xff\x00half"


def test_hour_rotates_and_the_new_file_continues_the_open_connection(tmp_path):
    archive = started(tmp_path)
    archive.connection_opened(NOW_NS, "a-1", ["BTC-USD"], "ws://x")
    archive.write_frame(NOW_NS, "a-1", b"1")
    next_hour = (NOW_NS // HOUR_NS + 1) * HOUR_NS
    archive.write_frame(next_hour - 1, "a-1", b"2")
    archive.write_frame(next_hour, "a-1", b"3")
    archive.stop(next_hour + 1)
    first, second = (lines(tmp_path / name) for name in names(tmp_path))
    assert names(tmp_path)[1] == "20260405T223513Z_20260405T23Z.ndjson.gz"
    assert [line.get("frame") for line in first if "frame" in line] == ["1", "2"]
    assert second[0] == {
        "receive_time_ns": next_hour,
        "connection_id": "a-1",
        "control": "connection_continued",
        "products": ["BTC-USD"],
        "url": "ws://x",
    }
    assert second[1]["frame"] == "3"


def test_a_closed_connection_is_not_continued(tmp_path):
    archive = started(tmp_path)
    archive.connection_opened(NOW_NS, "a-1", ["BTC-USD"], "ws://x")
    archive.connection_closed(NOW_NS, "a-1", GapReason.RECONNECT)
    archive.connection_opened(NOW_NS + HOUR_NS, "a-2", ["BTC-USD"], "ws://x")
    archive.stop(NOW_NS + HOUR_NS)
    assert [line["control"] for line in lines(tmp_path / names(tmp_path)[1])] == [
        "connection_opened",
        "capture_stopped",
    ]


def test_a_clock_set_back_goes_on_in_the_open_file(tmp_path):
    archive = started(tmp_path)
    archive.write_frame(NOW_NS - 2 * HOUR_NS, "c", b"1")
    archive.write_frame(NOW_NS, "c", b"2")
    archive.stop(NOW_NS)
    assert len(names(tmp_path)) == 1


def test_names_sort_by_capture_where_the_clock_was_set_back_between_two(tmp_path):
    for now_ns in (NOW_NS, NOW_NS - HOUR_NS, NOW_NS + 1, NOW_NS - 2 * HOUR_NS):
        before = names(tmp_path)
        started(tmp_path, now_ns).stop(now_ns)
        assert names(tmp_path)[:-1] == before


def test_a_taken_capture_id_gives_way_to_the_next_second(tmp_path):
    first = started(tmp_path)
    second = started(tmp_path)
    third = started(tmp_path)
    assert [archive.capture_id for archive in (first, second, third)] == [
        "20260405T223513Z",
        "20260405T223514Z",
        "20260405T223515Z",
    ]
    for archive in (first, second, third):
        archive.stop(NOW_NS)


def test_leftovers_of_a_killed_capture_are_packed_with_their_torn_line(tmp_path):
    torn = b'{"receive_time_ns":1,"control":"capture_started"}\n{"receive_ti'
    (tmp_path / "20260404T000000Z_20260404T00Z.ndjson").write_bytes(torn)
    (tmp_path / "20260404T000000Z_20260404T00Z.ndjson.gz.tmp").write_bytes(b"half")
    (tmp_path / "notes.ndjson").write_bytes(b"mine")
    started(tmp_path).stop(NOW_NS)
    assert names(tmp_path) == [
        "20260404T000000Z_20260404T00Z.ndjson.gz",
        "20260405T223513Z_20260405T22Z.ndjson.gz",
        "notes.ndjson",
    ]
    assert gzip.decompress((tmp_path / "20260404T000000Z_20260404T00Z.ndjson.gz").read_bytes()) == torn


def test_a_file_that_another_capture_writes_is_left_alone(tmp_path):
    live = tmp_path / "20260405T220000Z_20260405T22Z.ndjson"
    with live.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        started(tmp_path).stop(NOW_NS)
        assert live.exists()
    started(tmp_path).stop(NOW_NS)
    assert not live.exists()


@pytest.mark.parametrize(("first_alone", "second_alone"), [(True, False), (False, True), (True, True)])
def test_a_capture_that_publishes_is_alone_in_its_directory(tmp_path, first_alone, second_alone):
    first, second = RawArchive(ArchiveSpec(tmp_path, 30, 1)), RawArchive(ArchiveSpec(tmp_path, 30, 1))
    first.start(NOW_NS, ["BTC-USD"], alone=first_alone)
    with pytest.raises(WorkError, match="another capture writes it"):
        second.start(NOW_NS, ["BTC-USD"], alone=second_alone)
    first.stop(NOW_NS)
    second.stop(NOW_NS)


def test_packing_the_same_lines_gives_the_same_bytes(tmp_path):
    for directory in ("a", "b"):
        archive = started(tmp_path / directory)
        archive.write_frame(NOW_NS, "c", b"1")
        archive.stop(NOW_NS)
    (first,) = (tmp_path / "a").glob("*.gz")
    (second,) = (tmp_path / "b").glob("*.gz")
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[4:8] == b"\0\0\0\0"  # no time in the header


def test_only_packed_files_beyond_the_keeping_time_are_deleted(tmp_path):
    for name in (
        "20260301T000000Z_20260306T21Z.ndjson.gz",  # ended 30 days and 35 minutes ago
        "20260301T000000Z_20260306T22Z.ndjson.gz",  # ended less than 30 days ago
        "20260101T000000Z_20260101T00Z.txt.gz",
        "holiday.ndjson.gz",
    ):
        (tmp_path / name).write_bytes(b"")
    started(tmp_path, keep_days=30).stop(NOW_NS)
    assert "20260301T000000Z_20260306T21Z.ndjson.gz" not in names(tmp_path)
    assert len(names(tmp_path)) == 4


def test_a_full_disk_is_a_clear_error_and_the_file_stays_whole(tmp_path, monkeypatch):
    archive = started(tmp_path)
    archive.write_frame(NOW_NS, "c", b"kept")
    write = os.write

    def full(descriptor, line):
        if b"lost" not in line:
            return write(descriptor, line)
        if len(line) < 60:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, line[:20])

    monkeypatch.setattr(raw_archive.os, "write", full)
    with pytest.raises(WorkError, match=r"raw_dir: .* cannot be written: No space left on device; free space"):
        archive.write_frame(NOW_NS, "c", b"lost" * 20)
    archive.write_frame(NOW_NS, "c", b"there is room again")
    archive.stop(NOW_NS)
    frames = [line.get("frame") for line in lines(tmp_path / names(tmp_path)[0])]
    assert frames == [None, "kept", "there is room again", None]


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WorkError, match=r"raw_dir: .*file: cannot be written"):
        started(tmp_path / "file")


def test_short_disk_is_warned_of(tmp_path, caplog):
    archive = started(tmp_path, min_free_disk_mb=10**9)
    with caplog.at_level(logging.WARNING):
        assert archive.warn_if_short()
    assert "below ingestion.min_free_disk_mb" in caplog.text
    archive.stop(NOW_NS)
    plenty = started(tmp_path, min_free_disk_mb=1)
    assert not plenty.warn_if_short()
    plenty.stop(NOW_NS)
