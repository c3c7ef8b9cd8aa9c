"""The archive while others write and pack it."""

import fcntl
import gzip

from tests.eventlog import wire
from tickvol.eventlog import archive_follow
from tickvol.eventlog.archive_follow import LinePosition
from tickvol.eventlog.archive_reader import LineReader, MergedLog, archive_files, open_frames
from tickvol.eventlog.archive_upkeep import pack
from tickvol.eventlog.frame_columns import Kind, Reject
from tickvol.eventlog.frames import FrameDecoder

NAME = "20260405T223513Z_20260405T22Z.ndjson"
LATER = "20260405T223513Z_20260405T23Z.ndjson"


def minute():
    return wire.file_of(wire.wrap(frame, wire.START_NS) for frame in wire.minute_of_ticks())


def follow(raw_dir, after=None):
    archive = archive_follow.FollowedArchive(raw_dir, FrameDecoder((wire.BTC,), 1 << 20), [], batch_size=16)
    return archive, list(archive.batches(None, follow=lambda: False, stopped=lambda: False, after=after))


def test_a_file_that_is_packed_between_the_look_and_the_opening_is_read_all_the_same(tmp_path, monkeypatch):
    path = tmp_path / NAME
    path.write_bytes(minute())

    def packed_at_the_last_moment(found):
        if found == path:
            pack(path)
        return open_frames(found)

    monkeypatch.setattr(archive_follow, "open_frames", packed_at_the_last_moment)
    _, items = follow(tmp_path)
    assert [item[0].line for item in items] == [16, 32, 48, 60]
    assert sum(len(item[1].frames) for item in items) == 60


def test_the_rest_of_a_damaged_file_is_one_rejected_line_as_in_a_replay(tmp_path):
    packed = gzip.compress(minute() * 20)
    (tmp_path / f"{NAME}.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / f"{LATER}.gz").write_bytes(gzip.compress(minute()))
    archive, items = follow(tmp_path)
    places = [place for place, _ in items]
    assert archive.unreadable == {NAME}
    assert [place.line for place in places if place.source == LATER] == [16, 32, 48, 60]
    (damage,) = [
        (place, batch.frames)
        for place, batch in items
        if batch.frames.kind[0] == Kind.REJECTED and batch.frames.reason[0] == Reject.UNREADABLE
    ]
    place, frames = damage
    assert place == max((place for place in places if place.source == NAME), key=lambda place: place.line)
    merged = MergedLog(archive_files([tmp_path]), FrameDecoder((wire.BTC,), 1 << 20), batch_size=16)
    replayed = [batch.frames for batch in merged]
    assert sum(map(len, replayed)) == sum(len(batch.frames) for _, batch in items)
    (same,) = [other for other in replayed if other.reason[0] == Reject.UNREADABLE]
    assert (int(same.line_number[0]), int(same.receive_time_ns[0])) == (place.line, int(frames.receive_time_ns[0]))
    _, behind = follow(tmp_path, after=place)
    assert {place.source for place, _ in behind} == {LATER}


def test_the_line_that_a_capture_is_writing_is_left_to_whoever_follows(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(minute()[:-10])
    with path.open("rb") as written:
        fcntl.flock(written, fcntl.LOCK_EX)
        _, items = follow(tmp_path)
        assert items[-1][0] == LinePosition(NAME, 59)
    _, items = follow(tmp_path)  # nobody writes it any more: the capture was killed in the middle of the line
    assert items[-1][0] == LinePosition(NAME, 60)
    assert items[-1][1].frames.reason[-1] == Reject.TORN_LINE


def test_a_piece_of_a_line_that_found_no_room_is_forgotten(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(b"first\nsecond that has no ro")
    reader = LineReader(open_frames(path), 1 << 20)
    assert reader.poll(10) == [b"first"]
    with path.open("r+b") as file:
        file.truncate(len(b"first\n"))
    assert reader.poll(10) == []
    with path.open("ab") as file:
        file.write(b"third\n")
    assert reader.poll(10) == [b"third"]
    reader.close()
