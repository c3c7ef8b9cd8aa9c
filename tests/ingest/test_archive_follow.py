"""The archive while others write and pack it."""

from tests.ingest import wire
from tickvol.ingest import archive_follow
from tickvol.ingest.archive_reader import open_frames
from tickvol.ingest.archive_upkeep import pack
from tickvol.ingest.frames import FrameDecoder

NAME = "20260405T223513Z_20260405T22Z.ndjson"


def test_a_file_that_is_packed_between_the_look_and_the_opening_is_read_all_the_same(tmp_path, monkeypatch):
    path = tmp_path / NAME
    path.write_bytes(wire.file_of(wire.wrap(frame, wire.START_NS) for frame in wire.minute_of_ticks()))

    def packed_at_the_last_moment(found):
        if found == path:
            pack(path)
        return open_frames(found)

    monkeypatch.setattr(archive_follow, "open_frames", packed_at_the_last_moment)
    archive = archive_follow.FollowedArchive(tmp_path, FrameDecoder((wire.BTC,), 1 << 20), [], batch_size=16)
    items = list(archive.batches(None, follow=lambda: False, stopped=lambda: False))
    assert [item[0].line for item in items] == [16, 32, 48, 60]
    assert sum(len(item[1].frames) for item in items) == 60
