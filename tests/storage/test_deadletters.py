"""Dead letters: a sorted file for each file of the log, the same bytes however often and in what order they come."""

import json
import random

import pytest

from tickvol.storage.deadletters import MAX_TEXT_BYTES, DeadLetter, DeadLetterWriter


def letter(line, reason="not_json", text=b"{", source="a.ndjson"):
    return DeadLetter(source, line, reason, text)


def read(root, source="a.ndjson"):
    return [json.loads(line) for line in (root / source).read_text(encoding="utf-8").splitlines()]


def test_a_letter_names_place_reason_and_bytes(tmp_path):
    writer = DeadLetterWriter(tmp_path / "letters")
    writer.add([letter(17, "crossed_quotes", b'{"a":1}')])
    writer.flush()
    assert read(tmp_path / "letters") == [
        {"source": "a.ndjson", "line": 17, "reason": "crossed_quotes", "bytes": 7, "text": '{"a":1}'}
    ]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        pytest.param(b"\xff\xfe", {"text_base64": "//4="}, id="no UTF-8"),
        pytest.param("é\u2028\x85\r".encode(), {"text": "é\u2028\x85\r"}, id="what other readers take for line ends"),
        pytest.param(b"", {"text": ""}, id="empty"),
    ],
)
def test_any_bytes_survive_on_one_line(tmp_path, text, field):
    writer = DeadLetterWriter(tmp_path)
    writer.add([letter(1, text=text)])
    writer.flush()
    found = read(tmp_path)
    assert len(found) == 1
    assert field.items() <= found[0].items()


def test_a_long_text_is_cut_and_its_length_kept(tmp_path):
    writer = DeadLetterWriter(tmp_path)
    writer.add([letter(1, text=b"x" * 100_000)])
    writer.flush()
    assert (len(read(tmp_path)[0]["text"]), read(tmp_path)[0]["bytes"]) == (MAX_TEXT_BYTES, 100_000)


def test_order_repetition_and_restarts_change_no_byte(tmp_path):
    letters = [letter(line, reason, b"x" * line) for line in range(50) for reason in ("late", "bad_field")]
    once = DeadLetterWriter(tmp_path / "once")
    once.add(letters)
    once.flush()
    rng = random.Random(7)
    rng.shuffle(letters)
    for begin in range(0, 100, 9):
        writer = DeadLetterWriter(tmp_path / "often")  # a new process each time
        writer.add([*letters[begin : begin + 9], *rng.sample(letters, 3)])
        writer.flush()
    assert (tmp_path / "often" / "a.ndjson").read_bytes() == (tmp_path / "once" / "a.ndjson").read_bytes()


def test_two_rejects_of_one_line_are_two_letters_only_if_their_reasons_differ(tmp_path):
    writer = DeadLetterWriter(tmp_path)
    writer.add([letter(1, "late"), letter(1, "late"), letter(1, "unknown_product")])
    writer.flush()
    assert [found["reason"] for found in read(tmp_path)] == ["late", "unknown_product"]


def test_files_of_the_log_have_files_of_their_own_and_only_changed_ones_are_written(tmp_path):
    writer = DeadLetterWriter(tmp_path)
    writer.add([letter(1, source=f"{name}.ndjson") for name in "abcd"])
    writer.flush()
    before = (tmp_path / "a.ndjson").stat().st_mtime_ns
    writer.add([letter(2, source="d.ndjson"), letter(1, source="b.ndjson")])
    writer.flush()
    assert (tmp_path / "a.ndjson").stat().st_mtime_ns == before
    assert [found["line"] for found in read(tmp_path, "d.ndjson")] == [1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.ndjson" for name in "abcd"]


def test_damaged_letters_on_disk_are_dropped_and_stop_nothing(tmp_path):
    (tmp_path / "a.ndjson").write_bytes(b'{"source":"a.ndjson","line":1,"reas\n\xff\n[]\n')
    writer = DeadLetterWriter(tmp_path)
    writer.add([letter(5)])
    writer.flush()
    assert [found["line"] for found in read(tmp_path)] == [5]
