"""The ledger and the file sink keep every line that was finished, and tell what was not."""

import json
import logging
import os
from pathlib import Path

import pytest

from tests.alerts.samples import NOON_NS, Box, Clock, new_dispatcher, reading, rule
from tickvol.alerts.hysteresis import decide
from tickvol.alerts.ledger import AlertLedger
from tickvol.alerts.line_file import LineFile
from tickvol.alerts.notifications import Alert, decode_notice, encode_notice
from tickvol.core.errors import DiskFull


@pytest.fixture
def alert() -> Alert:
    made = decide(None, rule(), reading(2.0), now_ns=NOON_NS, repeat_after_ns=1)
    assert made is not None
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def test_the_ledger_only_ever_grows(path: Path) -> None:
    desk, before = new_dispatcher(path, {"box": Box()}, Clock()), b""
    for step in range(4):
        desk.observe(rule(), [reading(2.0 - 2 * (step % 2), NOON_NS + step)])
        desk.deliver()
        assert path.read_bytes().startswith(before)
        before = path.read_bytes()
    assert [json.loads(line)["type"] for line in before.splitlines()] == ["made", "tried"] * 4


def test_a_line_that_a_kill_left_unfinished_is_told_and_costs_no_other(path: Path, caplog) -> None:
    new_dispatcher(path, {"box": Box()}, Clock()).observe(rule(), [reading(2.0)])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    desk = new_dispatcher(path, {"box": Box()}, Clock())
    assert (len(desk.book().entries), desk.unreadable) == (1, 0)  # it may still be being written
    with caplog.at_level(logging.WARNING):
        desk.observe(rule(), [reading(2.0, feature="robust_z")])
    again = new_dispatcher(path, {"box": Box()}, Clock())
    assert (len(again.book().entries), again.unreadable) == (2, 1)
    assert "cannot be read and is passed over" in caplog.text


@pytest.mark.parametrize("rubbish", [b"\xff\xfe", b"{}", b'{"type":"sold"}', b"[" * 5000, b""])
def test_a_line_that_is_no_line_of_ours_is_passed_over(path: Path, rubbish: bytes) -> None:
    new_dispatcher(path, {"box": Box()}, Clock()).observe(rule(), [reading(2.0)])
    path.write_bytes(rubbish + b"\n" + path.read_bytes() + rubbish + b"\n")
    box = Box()
    desk = new_dispatcher(path, {"box": box}, Clock())
    assert desk.deliver()[0].delivered == 1
    assert desk.unreadable == 2


def test_a_full_disk_is_told_and_leaves_no_part_of_a_line(path: Path, monkeypatch) -> None:
    desk = new_dispatcher(path, {"box": Box()}, Clock())
    desk.observe(rule(), [reading(2.0)])
    before, write = path.read_bytes(), os.write
    monkeypatch.setattr(os, "write", lambda handle, text: write(handle, text[:7]))
    with pytest.raises(DiskFull, match="no room"):
        desk.observe(rule(), [reading(2.0, feature="robust_z")])
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert len(desk.observe(rule(), [reading(2.0, feature="robust_z")])) == 1


def test_only_the_owner_reads_ledger_and_sink(path: Path, alert: Alert) -> None:
    new_dispatcher(path, {}, Clock()).observe(rule(), [reading(2.0)])
    LineFile(path.with_name("sink")).deliver(alert, "k1")
    assert path.stat().st_mode & 0o077 == path.with_name("sink").stat().st_mode & 0o077 == 0


def test_no_ledger_is_an_empty_book(path: Path) -> None:
    assert AlertLedger(path).refresh().entries == {}
    assert not path.exists()


def test_the_file_holds_each_notice_with_its_key(tmp_path: Path, alert: Alert) -> None:
    sink = LineFile(tmp_path / "deep" / "alerts.jsonl")
    sink.deliver(alert, "k1")
    sink.deliver(alert, "k2")
    lines = [json.loads(line) for line in (tmp_path / "deep" / "alerts.jsonl").read_bytes().splitlines()]
    assert [line["idempotency_key"] for line in lines] == ["k1", "k2"]
    assert decode_notice(json.dumps(lines[0]["notice"]).encode()) == alert


def test_the_file_goes_on_behind_an_unfinished_line(tmp_path: Path, alert: Alert) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(b'{"idempo')
    LineFile(path).deliver(alert, "k1")
    first, second = path.read_bytes().splitlines()
    assert first == b'{"idempo'
    assert json.loads(second)["notice"] == json.loads(encode_notice(alert))


def test_a_file_on_a_full_disk_is_as_it_was(tmp_path: Path, alert: Alert, monkeypatch) -> None:
    path = tmp_path / "alerts.jsonl"
    sink, write = LineFile(path), os.write
    sink.deliver(alert, "k1")
    before = path.read_bytes()
    monkeypatch.setattr(os, "write", lambda handle, text: write(handle, text[:7]))
    with pytest.raises(OSError, match="no room"):
        sink.deliver(alert, "k2")
    assert path.read_bytes() == before


def test_lines_are_on_disk_before_they_count(tmp_path: Path, alert: Alert, monkeypatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.fstat(handle).st_size))
    path = tmp_path / "alerts.jsonl"
    LineFile(path).deliver(alert, "k1")
    assert synced[-1] == path.stat().st_size
    ledger = tmp_path / "ledger"
    new_dispatcher(ledger, {}, Clock()).observe(rule(), [reading(2.0)])
    assert synced[-1] == ledger.stat().st_size
