"""Files of any layout and packing as one log; what cannot be read is told, what came before it is used."""

import gzip
from collections import Counter
from contextlib import closing

import pytest
import zstandard

from tests.eventlog import wire
from tests.eventlog.wire import SECOND, START_NS
from tickvol.core.errors import InputError
from tickvol.eventlog import archive_reader
from tickvol.eventlog.archive_reader import (
    LineReader,
    MergedLog,
    archive_files,
    newest_capture,
    open_frames,
    source_names,
)
from tickvol.eventlog.frames import FrameDecoder, Kind, Reject

LIMIT = 1 << 16


def packed(name, content):
    if name.endswith(".gz"):
        return gzip.compress(content)
    return zstandard.compress(content) if name.endswith(".zst") else content


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 0x40]) + content[at + 1 :]


def read_log(*files, batch_size=7, products=(wire.BTC, wire.ETH)):
    """Counts by kind, rejects by reason, times of ticks in log order, the log."""
    log = MergedLog(files, FrameDecoder(products, LIMIT), batch_size=batch_size)
    kinds, rejects, times = Counter(), Counter(), []
    for batch in log:
        frames = batch.frames
        kinds.update(Kind(kind) for kind in frames.kind)
        rejects.update(Reject(reason) for reason in frames.reason[frames.kind == Kind.REJECTED])
        times += frames.event_time_ns[frames.kind == Kind.TICKER].tolist()
    return kinds, rejects, times, log


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.jsonl.zst"])
@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_every_packing_gives_the_same_frames(tmp_path, name, batch_size):
    (tmp_path / name).write_bytes(packed(name, wire.file_of(wire.minute_of_ticks())))
    kinds, rejects, times, log = read_log(tmp_path / name, batch_size=batch_size)
    assert kinds == {Kind.OPENED: 1, Kind.TICKER: 60, Kind.CLOSED: 1}
    assert not rejects
    assert not log.unreadable
    assert times == [START_NS + i * SECOND for i in range(60)]


def test_a_zst_of_two_frames_is_read_to_its_end(tmp_path):
    lines = wire.minute_of_ticks()
    halves = [zstandard.compress(wire.file_of(half)) for half in (lines[:30], lines[30:])]
    (tmp_path / "a.ndjson.zst").write_bytes(b"".join(halves))
    assert read_log(tmp_path / "a.ndjson.zst")[0][Kind.TICKER] == 60


def noisy_lines(count=2000):
    """Frames that do not pack well, so that half of the packed bytes hold about half of the lines."""
    return [wire.ticker(i, START_NS + i * SECOND, trade_id=str(pow(7, i + 50, 2**61 - 1) ** 3)) for i in range(count)]


@pytest.mark.parametrize("name", ["a.ndjson.gz", "a.ndjson.zst"])
def test_a_truncated_packed_file_gives_what_came_before_and_says_so(tmp_path, name):
    content = packed(name, wire.file_of(noisy_lines()))
    (tmp_path / name).write_bytes(content[: len(content) * 3 // 4])
    kinds, rejects, _, log = read_log(tmp_path / name)
    assert kinds[Kind.TICKER] > 1000
    assert rejects[Reject.UNREADABLE] == 1
    assert rejects[Reject.TORN_LINE] <= 1
    assert rejects.total() <= 2
    assert len(log.unreadable) == 1
    assert str(tmp_path / name) in log.unreadable[0]
    assert kinds[Kind.CLOSED] == 1


def test_a_zst_cut_between_two_lines_still_says_that_it_ends_too_early(tmp_path):
    compressor = zstandard.ZstdCompressor().compressobj()
    content = compressor.compress(wire.file_of(wire.minute_of_ticks()))
    content += compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    (tmp_path / "a.ndjson.zst").write_bytes(content)
    kinds, rejects, _, log = read_log(tmp_path / "a.ndjson.zst")
    assert kinds[Kind.TICKER] == 60
    assert rejects == {Reject.UNREADABLE: 1}
    assert "ends" in log.unreadable[0]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        pytest.param("a.ndjson.gz", lambda content: flipped(content, len(content) // 2), id="flipped byte in .gz"),
        pytest.param("a.ndjson.gz", lambda content: content[:-4], id=".gz without its length"),
        pytest.param("a.ndjson.gz", lambda content: content + b"junk", id="junk after .gz"),
        pytest.param("a.ndjson.gz", lambda _: b"plain text\n", id=".gz that is none"),
        pytest.param("a.ndjson.zst", lambda _: b"plain text\n", id=".zst that is none"),
        pytest.param("a.ndjson.zst", lambda content: flipped(content, 0), id="flipped byte in .zst's head"),
    ],
)
def test_a_damaged_packed_file_is_reported_once_and_does_not_stop_the_others(tmp_path, name, damage):
    (tmp_path / name).write_bytes(damage(packed(name, wire.file_of(noisy_lines()))))
    (tmp_path / "b.ndjson").write_bytes(wire.file_of(wire.minute_of_ticks(START_NS + 9000 * SECOND)))
    kinds, rejects, _, log = read_log(tmp_path / name, tmp_path / "b.ndjson")
    assert kinds[Kind.TICKER] >= 60
    assert rejects[Reject.UNREADABLE] == 1
    assert len(log.unreadable) == 1


def test_a_flipped_byte_in_a_zst_with_checksum_is_reported(tmp_path):
    content = zstandard.ZstdCompressor(write_checksum=True).compress(wire.file_of(noisy_lines()))
    (tmp_path / "a.ndjson.zst").write_bytes(flipped(content, len(content) // 2))
    _, rejects, _, log = read_log(tmp_path / "a.ndjson.zst")
    assert rejects[Reject.UNREADABLE] == 1
    assert len(log.unreadable) == 1


@pytest.mark.parametrize(
    ("content", "ticks", "rejects"),
    [
        pytest.param(b"", 0, {}, id="empty"),
        pytest.param(b"\n\n  \n", 0, {Reject.NOT_JSON: 3}, id="only blanks"),
        pytest.param(bytes(range(256)) * 40, 0, None, id="binary"),
        pytest.param(b"x" * 300_000, 0, {Reject.TOO_LONG: 1}, id="one endless line"),
        pytest.param(b"x" * 300_000 + b"\n" + wire.ticker(1, START_NS), 1, {Reject.TOO_LONG: 1}, id="long line first"),
        pytest.param(wire.ticker(1, START_NS), 1, {}, id="no line feed at the end"),
        pytest.param(
            wire.file_of([wire.ticker(1, START_NS)]) + b'{"channel":"tick', 1, {Reject.TORN_LINE: 1}, id="torn"
        ),
        pytest.param(wire.ticker(1, START_NS) + b"\r\n" + wire.ticker(2, START_NS) + b"\r\n", 2, {}, id="CRLF"),
        pytest.param(
            b"\xef\xbb\xbf" + wire.file_of([wire.ticker(1, START_NS), wire.ticker(2, START_NS)]),
            1,
            {Reject.NOT_JSON: 1},
            id="byte order mark",
        ),
        pytest.param(b"[" * 10_000 + b"\n" + wire.ticker(1, START_NS), 1, None, id="deep nesting first"),
        pytest.param(b'{"\xff":1}\n' + wire.ticker(1, START_NS), 1, None, id="no UTF-8 first"),
    ],
)
def test_odd_files_give_their_good_frames_and_count_the_rest(tmp_path, content, ticks, rejects):
    (tmp_path / "a.ndjson").write_bytes(content)
    kinds, found, _, log = read_log(tmp_path / "a.ndjson")
    assert kinds[Kind.TICKER] == ticks
    if rejects is not None:
        assert found == rejects
    else:
        assert found
    assert not log.unreadable


def test_memory_of_an_endless_line_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_reader, "_CHUNK", 1 << 12)
    (tmp_path / "a.ndjson").write_bytes(b"x" * (1 << 20) + b"\ny\n")
    with closing(open_frames(tmp_path / "a.ndjson")) as stream:
        lines = LineReader(stream, 1 << 13).read(10)
    assert [len(line) > 1 << 13 for line in lines] == [True, False]
    assert len(lines[0]) <= (1 << 13) + (1 << 12) + 1


def test_files_that_overlap_are_merged_by_receive_time(tmp_path):
    for name, shift in (("a.ndjson", 0), ("b.ndjson", SECOND // 2)):
        lines = [
            wire.wrap(wire.ticker(i, START_NS + i * SECOND + shift), START_NS + i * SECOND + shift, name)
            for i in range(30)
        ]
        (tmp_path / name).write_bytes(wire.file_of(lines))
    _, _, times, _ = read_log(tmp_path / "b.ndjson", tmp_path / "a.ndjson", batch_size=4)
    assert times == [START_NS + i * SECOND // 2 for i in range(60)]


def test_a_line_keeps_its_number_through_batches(tmp_path):
    (tmp_path / "a.ndjson").write_bytes(wire.file_of([*wire.minute_of_ticks(seconds=9), b"{", b"{}"]))
    log = MergedLog([tmp_path / "a.ndjson"], FrameDecoder([wire.BTC], LIMIT), batch_size=4)
    rejected = [
        number for batch in log for number in batch.frames.line_number[batch.frames.kind == Kind.REJECTED].tolist()
    ]
    assert rejected == [10, 11]


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.ndjson").write_bytes(wire.file_of(wire.minute_of_ticks()))
    files = [tmp_path / "x" / "a.ndjson", tmp_path / "y" / "a.ndjson"]
    assert source_names(files) == ["a.ndjson", "a.ndjson~2"]
    log = MergedLog(files, FrameDecoder([wire.BTC], LIMIT), batch_size=100)
    connections = {int(number) for batch in log for number in batch.frames.connection}
    assert len(connections) == 2


def test_open_files_are_closed_when_the_log_ends(tmp_path, recwarn):
    (tmp_path / "a.ndjson.zst").write_bytes(packed("a.zst", wire.file_of(wire.minute_of_ticks())))
    (tmp_path / "b.ndjson.gz").write_bytes(packed("b.gz", wire.file_of(wire.minute_of_ticks())))
    read_log(tmp_path / "a.ndjson.zst", tmp_path / "b.ndjson.gz")
    assert not [warning for warning in recwarn if issubclass(warning.category, ResourceWarning)]


def test_a_directory_stands_for_its_frame_files_in_order_of_name(tmp_path):
    for name in ("b.ndjson", "a.jsonl.zst", "notes.txt", "c.ndjson.gz"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in archive_files([tmp_path])] == ["a.jsonl.zst", "b.ndjson", "c.ndjson.gz"]


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        pytest.param(lambda path: None, "no such file or directory", id="absent"),
        pytest.param(lambda path: path.mkdir(), "holds no file ending in", id="empty directory"),
    ],
)
def test_a_path_that_cannot_be_used_is_named(tmp_path, make, rule):
    make(tmp_path / "x")
    with pytest.raises(InputError, match=f"--data-file: {tmp_path / 'x'}: {rule}"):
        archive_files([tmp_path / "x"])


def test_a_directory_without_permission_is_named(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(archive_reader.Path, "iterdir", refuse)
    with pytest.raises(InputError, match=f"--data-file: {tmp_path}: no permission to read it"):
        archive_files([tmp_path])


def test_the_newest_capture_is_all_files_of_the_last_id(tmp_path):
    for name in ("20260405T000000Z_20260405T00Z.ndjson.gz", "20260406T000000Z_20260406T00Z.ndjson.gz",
                 "20260406T000000Z_20260406T01Z.ndjson"):  # fmt: skip
        (tmp_path / name).write_bytes(b"")
    assert [path.name[:8] for path in newest_capture(tmp_path)] == ["20260406", "20260406"]


def test_no_capture_at_all_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="no such directory; capture something by `tickvol ws-ingest`"):
        newest_capture(tmp_path / "raw")
