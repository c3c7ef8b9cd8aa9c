"""The ledger: what is appended stays, and whatever else is done to it is found at the line where it was done."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tickvol.core.errors import LedgerBroken
from tickvol.storage.journal import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    found = Ledger(tmp_path / "ledgers" / "champions.jsonl")
    for number in range(5):
        found.append("kind", {"at": f"2026-01-0{number + 1}", "figure": 0.1 * number, "words": "ä\n\u2028"})
    return found


def lines_of(ledger: Ledger) -> list[bytes]:
    return ledger.path.read_bytes().splitlines(keepends=True)


def write(ledger: Ledger, lines: list[bytes]) -> None:
    ledger.path.write_bytes(b"".join(lines))


def rehashed(line: bytes, **changes: object) -> bytes:
    """A line that was changed by someone who knows how to hash."""
    from tickvol.storage import journal as module

    values = json.loads(line) | changes
    entry = module._entry(values["number"], values["kind"], values["content"], values["previous"])
    return module._encode(entry)


def test_an_absent_ledger_is_empty_and_leaves_no_trace(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "none" / "a.jsonl").entries() == ()
    assert list(tmp_path.iterdir()) == []


def test_entries_come_back_in_order_and_each_names_the_one_before(ledger: Ledger) -> None:
    entries = Ledger(ledger.path).entries()
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5]
    assert entries[2].content == {"at": "2026-01-03", "figure": 0.2, "words": "ä\n\u2028"}
    assert [entry.previous for entry in entries] == ["0" * 64, *(entry.sha256 for entry in entries[:-1])]
    assert ledger.verify() == 5


def test_appending_changes_no_byte_that_was_there(ledger: Ledger) -> None:
    before = ledger.path.read_bytes()
    ledger.append("more", {})
    assert ledger.path.read_bytes().startswith(before)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_an_edited_byte_is_found_in_its_own_line(ledger: Ledger, number: int) -> None:
    lines = lines_of(ledger)
    lines[number - 1] = lines[number - 1].replace(b"2026", b"2027")
    write(ledger, lines)
    with pytest.raises(LedgerBroken, match=rf"champions\.jsonl: line {number}: does not fit its own SHA-256"):
        ledger.verify()


def test_a_single_changed_bit_is_found(ledger: Ledger) -> None:
    whole = ledger.path.read_bytes()
    for place in range(0, len(whole), 3):
        ledger.path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert ledger.read().problem is not None, place


def edit_with_hash(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], rehashed(lines[2], content={"figure": 9}), *lines[3:]]


def edit_last_with_hash(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], rehashed(lines[4], content={"figure": 9})]


def insert_a_copy(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[1], *lines[2:]]


def insert_with_hash(lines: list[bytes]) -> list[bytes]:
    new = rehashed(lines[2], content={"figure": 9})
    return [*lines[:2], new, *lines[2:]]


def append_with_hash(lines: list[bytes]) -> list[bytes]:
    last = json.loads(lines[4])["sha256"]
    return [*lines, rehashed(lines[4], number=6, previous=last)]


@pytest.mark.parametrize(
    ("tamper", "line", "what"),
    [
        pytest.param(edit_with_hash, 4, "does not follow line 3", id="edited and hashed anew"),
        pytest.param(edit_last_with_hash, 5, "is not the one that the head names", id="last one, hashed anew"),
        pytest.param(lambda lines: lines[1:], 1, "is number 2", id="first one deleted"),
        pytest.param(lambda lines: lines[:2] + lines[3:], 3, "is number 4", id="deleted"),
        pytest.param(lambda lines: lines[:4], 5, "is gone, the head counts 5", id="tail cut off"),
        pytest.param(lambda lines: [], 1, "is gone, the head counts 5", id="emptied"),
        pytest.param(insert_a_copy, 3, "is number 2", id="inserted copy"),
        pytest.param(insert_with_hash, 4, "is number 3", id="inserted with a right hash"),
        pytest.param(append_with_hash, 6, "was not counted", id="appended with a right hash"),
        pytest.param(lambda lines: [lines[1], lines[0], *lines[2:]], 1, "is number 2", id="reordered"),
        pytest.param(lambda lines: [*lines[:4], lines[4][:40]], 5, "is no entry", id="last one torn"),
        pytest.param(lambda lines: [*lines[:4], lines[4][:-1]], 5, "the head names", id="last line feed gone"),
        pytest.param(lambda lines: [*lines, b"\n"], 6, "is no entry", id="empty line"),
        pytest.param(lambda lines: [lines[0].replace(b":", b": ", 1), *lines[1:]], 1, "edited", id="a blank more"),
    ],
)
def test_what_was_not_appended_is_found_at_its_line_and_nothing_follows_it(
    ledger: Ledger, tamper: Callable[[list[bytes]], list[bytes]], line: int, what: str
) -> None:
    write(ledger, tamper(lines_of(ledger)))
    with pytest.raises(LedgerBroken, match=rf"champions\.jsonl: line {line}: .*{what}"):
        ledger.verify()
    assert len(ledger.read().entries) >= line - 1


@pytest.mark.parametrize("keep", [0, 3])
def test_a_file_that_ends_elsewhere_is_not_appended_to(ledger: Ledger, keep: int) -> None:
    write(ledger, lines_of(ledger)[:keep])
    with pytest.raises(LedgerBroken, match="does not end with line 5"):
        ledger.append("more", {})
    assert len(lines_of(ledger)) == keep


def test_a_deleted_ledger_is_found_by_its_head_and_a_deleted_head_by_the_ledger(ledger: Ledger) -> None:
    whole = ledger.path.read_bytes()
    ledger.path.unlink()
    with pytest.raises(LedgerBroken, match="line 1: is gone"):
        ledger.verify()
    ledger.path.write_bytes(whole)
    ledger.head_path.unlink()
    for act in (ledger.verify, lambda: ledger.append("more", {})):
        with pytest.raises(LedgerBroken, match=r"head champions\.jsonl\.head is gone"):
            act()


def test_a_head_that_is_none_is_an_error(ledger: Ledger) -> None:
    ledger.head_path.write_text("{}x")
    with pytest.raises(LedgerBroken, match="is no head"):
        ledger.verify()


@pytest.mark.parametrize("written", range(0, 200, 7))
@pytest.mark.parametrize("step", ["torn", "not counted"])
def test_a_writer_killed_anywhere_leaves_a_ledger_that_holds_and_the_next_one_finishes(
    ledger: Ledger, step: str, written: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def tear(line: bytes) -> None:
        with ledger.path.open("ab") as file:
            file.write(line[:written] if step == "torn" else line)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_extend", tear)
        with pytest.raises(Killed):
            ledger.append("sixth", {"a": "b" * 100})
    assert ledger.verify() == (5 if step == "torn" else 6)
    ledger.append("seventh", {})
    assert [entry.kind for entry in ledger.entries()] == ["kind"] * 5 + ["sixth", "seventh"]


def test_a_number_that_json_does_not_know_is_refused_and_nothing_is_written(ledger: Ledger) -> None:
    before = ledger.path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        ledger.append("kind", {"figure": float("nan")})
    assert ledger.path.read_bytes() == before
    assert ledger.verify() == 5


def test_several_writers_take_turns(tmp_path: Path) -> None:
    def write_some(who: int) -> None:
        for number in range(20):
            Ledger(tmp_path / "a.jsonl").append("kind", {"who": who, "number": number})

    threads = [threading.Thread(target=write_some, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = Ledger(tmp_path / "a.jsonl").entries()
    assert len(entries) == 80
    for who in range(4):
        assert [entry.content["number"] for entry in entries if entry.content["who"] == who] == list(range(20))
