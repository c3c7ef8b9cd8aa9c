"""Messages fit into the topics, whatever they carry."""

import random

import pytest

from tickvol.bus.client import MAX_MESSAGE_BYTES
from tickvol.bus.messages import dead_letter_message, decode_dead_letter

MB = 1 << 20


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (b"plain", True),
        ("\u00e4".encode() * MB, True),
        (b"\0" * 750_000, True),  # JSON makes six bytes of each
        (b"\x01" * MB, True),
        (b'"' * 2 * MB, True),
        (random.Random(1).randbytes(2 * MB), True),
        (random.Random(2).randbytes(5 * MB), False),
        (b"x" * 5 * MB, False),
        (b"\0" * 9 * MB, False),
    ],
    ids=["short", "text", "zeros", "control", "quotes", "bytes", "many_bytes", "long_line", "longest_line"],
)
def test_a_dead_letter_holds_as_much_as_fits_and_says_when_it_is_not_all(content, whole):
    message = dead_letter_message("20260405T223513Z_20260405T22Z.ndjson:4", "not_json", 1, content)
    assert len(message.value) + len(message.key) < MAX_MESSAGE_BYTES
    letter = decode_dead_letter(message.value)
    if whole:
        assert letter.cut_from is None
        assert letter.content() == content
    else:
        assert letter.cut_from == len(content)
        assert len(letter.content()) > 2 * MB
        assert content.startswith(letter.content())
