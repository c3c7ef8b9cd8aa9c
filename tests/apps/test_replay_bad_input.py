"""Files and flags that are wrong, through `tickvol replay`: exit codes, one clear line, the rest goes on."""

import errno
import gzip
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import zstandard

from tests.eventlog import wire
from tests.eventlog.test_frames import REJECTED
from tests.eventlog.wire import SECOND, START_NS
from tickvol.apps import replay
from tickvol.storage import parquet

MINUTE = wire.file_of(wire.minute_of_ticks())
CONFIG = os.path.abspath("config.yaml")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TICKVOL_FEATURES__WINDOWS_S", "[10, 60]")


@pytest.fixture
def run(capsys):
    """Run replay; gives exit code, standard output and error."""

    def run(*arguments):
        code = replay.main(["--config", CONFIG, "--out", "out.parquet", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return run


def frames_line(out):
    """The numbers of the line that says what became of the frames; asserts that they add up."""
    line = next(line for line in out.splitlines() if line.startswith("frames "))
    numbers = [int(text) for text in re.findall(r"(\d+)", re.sub(r"\([^)]*\)", "", line))]
    assert numbers[0] == sum(numbers[1:]), line
    reasons = {name: int(count) for name, count in re.findall(r"([a-z_0-9]+) (\d+)[,)]", line)}
    return numbers[0], reasons


def rows(root="out.parquet"):
    return {path.relative_to(root): path.read_bytes() for path in Path(root).rglob("*.parquet")}


def truncated(content):
    return content[: len(content) * 2 // 3]


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0x20]) + content[middle + 1 :]


def noisy():
    return wire.file_of(
        wire.ticker(i, START_NS + i * SECOND, trade_id=str(pow(7, i + 50, 2**61 - 1) ** 3)) for i in range(1500)
    )


@pytest.mark.parametrize(
    ("name", "content", "code", "told"),
    [
        pytest.param("a.ndjson", b"", 1, "not a single frame that can be used (empty)", id="empty file"),
        pytest.param("a.ndjson", b"\n \n\n", 1, "(not_json 3)", id="blanks"),
        pytest.param("a.ndjson", bytes(range(256)) * 99, 1, "not a single frame", id="binary"),
        pytest.param("a.ndjson", b"x" * 9_000_000, 1, "(too_long 1)", id="one line of 9 MB"),
        pytest.param("a.ndjson", b"<html>\n</html>\n", 1, "(not_json 2)", id="a web page"),
        pytest.param("a.ndjson", b'{"symbol":"BTCUSDT"}\n', 1, "(bad_field 1)", id="frames of another exchange"),
        pytest.param("a.ndjson.gz", b"", 1, "(empty)", id="empty .gz"),
        pytest.param("a.ndjson.gz", MINUTE, 1, "(unreadable 1)", id=".gz that is none"),
        pytest.param("a.ndjson.zst", MINUTE, 1, "(unreadable 1)", id=".zst that is none"),
        pytest.param("a.ndjson.gz", truncated(gzip.compress(noisy())), 0, "unreadable  a.nd", id="truncated .gz"),
        pytest.param("a.ndjson.gz", flipped(gzip.compress(noisy())), 0, "unreadable  a.ndjson.gz: ", id="flipped .gz"),
        pytest.param("a.ndjson.zst", truncated(zstandard.compress(noisy())), 0, "unreadable  a.ndjson.zst: ",
                     id="truncated .zst"),
        pytest.param("a.ndjson.zst", flipped(zstandard.ZstdCompressor(write_checksum=True).compress(noisy())), 0,
                     "unreadable  a.ndjson.zst: ", id="flipped .zst"),
        pytest.param("a.ndjson", MINUTE + b'{"channel":"ticker","tim', 0, "torn_line 1", id="torn last line"),
        pytest.param("a.ndjson", b"\xef\xbb\xbf" + MINUTE, 0, "not_json 1", id="byte order mark"),
        pytest.param("a.ndjson", MINUTE.replace(b"\n", b"\r\n"), 0, "0 rejected", id="CRLF"),
    ],
)  # fmt: skip
def test_a_bad_file_is_told_and_counted(run, tmp_path, name, content, code, told):
    (tmp_path / name).write_bytes(content)
    found, out, err = run("--data-file", name)
    assert (found, told in (out if code == 0 else err)) == (code, True), out + err
    if code == 0:
        frames_line(out)
        assert rows()
    else:
        assert len([line for line in err.splitlines() if line.startswith("tickvol replay: ")]) == 1


def test_a_bad_file_does_not_stop_the_good_one_beside_it(run, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(bytes(range(256)) * 99)
    (tmp_path / "b.ndjson.gz").write_bytes(MINUTE)
    (tmp_path / "c.ndjson").write_bytes(MINUTE)
    code, out, _ = run("--data-file", "a.ndjson", "b.ndjson.gz", "c.ndjson")
    assert code == 0
    assert rows()
    total, reasons = frames_line(out)
    assert reasons["unreadable"] == 1
    assert total - sum(reasons.values()) == 60


def test_every_bad_frame_is_counted_and_lies_among_the_dead_letters(run, tmp_path):
    good = wire.minute_of_ticks()
    (tmp_path / "a.ndjson").write_bytes(wire.file_of(good))
    run("--data-file", "a.ndjson")
    clean = rows()
    bad = [line for line, _ in REJECTED.values() if b"\n" not in line and len(line) < 50_000]
    (tmp_path / "a.ndjson").write_bytes(wire.file_of([*good[:8], *bad, *good[8:]]))
    code, out, _ = run("--data-file", "a.ndjson")
    assert code == 0
    assert rows() == clean
    total, reasons = frames_line(out)
    assert total == len(good) + len(bad)
    letters = [json.loads(line) for line in (tmp_path / "out.deadletters" / "a.ndjson").read_text().splitlines()]
    assert sum(reasons.values()) == len(bad)
    strangers = reasons["unknown_product"]  # of products not asked for: counted, but not kept
    assert strangers > 0
    assert len(letters) == len(bad) - strangers
    told = {letter["line"] for letter in letters}
    assert told <= set(range(9, 9 + len(bad)))


def test_a_time_far_ahead_changes_no_row(run, tmp_path):
    good = wire.minute_of_ticks()
    (tmp_path / "a.ndjson").write_bytes(wire.file_of(good))
    run("--data-file", "a.ndjson")
    clean = rows()
    ahead = wire.ticker(30, START_NS + 10**6 * SECOND)
    (tmp_path / "a.ndjson").write_bytes(wire.file_of([*good[:30], ahead, *good[30:]]))
    code, out, _ = run("--data-file", "a.ndjson")
    assert code == 0
    assert rows() == clean
    assert frames_line(out)[1] == {"unconfirmed_time": 1}


def test_input_that_cannot_be_used_leaves_the_old_dataset_alone(run, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(MINUTE)
    run("--data-file", "a.ndjson")
    before = rows()
    (tmp_path / "b.ndjson").write_bytes(b"\n")
    assert run("--data-file", "b.ndjson")[0] == 1
    assert rows() == before


def test_a_full_disk_is_one_line_and_leaves_the_old_dataset_alone(run, tmp_path, monkeypatch):
    (tmp_path / "a.ndjson").write_bytes(MINUTE)
    run("--data-file", "a.ndjson")
    before = rows()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(parquet.pq, "write_table", full)
    code, _, err = run("--data-file", "a.ndjson")
    assert code == 1
    assert "No space left on device" in err
    assert rows() == before


# Wrong use.


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        pytest.param(["--data-file", "none.ndjson"], 1, "--data-file: none.ndjson: no such file", id="no file"),
        pytest.param(["--data-file", "empty"], 1, "--data-file: empty: holds no file ending in", id="empty dir"),
        pytest.param(["--data-file", "a.ndjson/x"], 1, "a.ndjson/x: Not a directory", id="a file as a directory"),
        pytest.param([], 1, "ingestion.raw_dir: data/raw: no such directory; capture something", id="no capture"),
        pytest.param(["--batch-size", "0"], 2, "--batch-size: 0: must be at least 1", id="batch of nothing"),
        pytest.param(["--products", "../../x"], 2, "--products: '../../x': must be like BTC-USD", id="path as product"),
        pytest.param(["--products", ","], 2, "--products: ',': must name one product", id="no product"),
        pytest.param(["--config", "none.yaml"], 2, "--config: none.yaml: no such file", id="no configuration"),
        pytest.param(["--out", "a.ndjson"], 2, "exists and is no feature dataset", id="out is a file"),
        pytest.param(["--out", "mine"], 2, "exists and is no feature dataset", id="out holds other things"),
        pytest.param(["--out", "hidden"], 2, "exists and is no feature dataset", id="out holds hidden things"),
        pytest.param(["--out", "."], 2, "exists and is no feature dataset", id="out is here"),
        pytest.param(["--out", "/"], 2, "exists and is no feature dataset", id="out is the root"),
    ],
)
def test_wrong_use_is_one_line_with_field_value_and_rule(run, tmp_path, arguments, code, told):
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    (tmp_path / "hidden" / ".git").mkdir(parents=True)
    (tmp_path / "a.ndjson").write_bytes(MINUTE)
    if arguments and arguments[0] != "--data-file":
        arguments = ["--data-file", "a.ndjson", *arguments]
    found, out, err = run(*arguments)
    lines = [line for line in err.splitlines() if line.startswith("tickvol replay: ")]
    assert (found, len(lines), told in err) == (code, 1, True), out + err
    assert (tmp_path / "mine" / "thesis.tex").exists()
    assert (tmp_path / "hidden" / ".git").exists()


@pytest.mark.parametrize("arguments", [["--batch-size", "many"], ["--sequence", "guess"], ["--no-such-flag"]])
def test_what_the_parser_refuses_exits_with_2(run, arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    assert "usage: tickvol replay" in capsys.readouterr().err


def test_a_directory_without_permission_is_one_line(run, tmp_path, monkeypatch):
    (tmp_path / "raw").mkdir()
    real = os.scandir, os.listdir

    def refuse(function):
        def inner(path="."):
            if str(path).endswith("raw"):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return function(path)

        return inner

    monkeypatch.setattr(os, "scandir", refuse(real[0]))
    monkeypatch.setattr(os, "listdir", refuse(real[1]))
    code, _, err = run("--data-file", "raw")
    assert (code, "--data-file: raw: no permission to read it" in err) == (1, True)


def test_the_out_directory_may_be_absent_empty_or_a_dataset(run, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(MINUTE)
    for prepare in (lambda: None, lambda: (shutil.rmtree("out.parquet"), os.mkdir("out.parquet")), lambda: None):
        prepare()
        assert run("--data-file", "a.ndjson")[0] == 0
        assert rows()
