import random

import pytest

from tickvol.bus.seen_numbers import SeenNumbers


def test_a_number_is_new_once_for_each_stream():
    seen = SeenNumbers()
    assert [seen.add("a", 7), seen.add("a", 7), seen.add("b", 7)] == [True, False, True]


@pytest.mark.parametrize("top", [100, 20_000, 2**61], ids=["one chunk", "many chunks", "far apart"])
def test_it_agrees_with_a_set_of_numbers(top):
    source = random.Random(7)
    seen, known = SeenNumbers(), set()
    for _ in range(3000):
        number = source.randrange(top)
        assert seen.add("a", number) == (number not in known)
        known.add(number)
    seen.add("b", 3)
    for low, high in [(0, top), (5, 5), (4095, 4096), (top // 3, top // 2)]:
        assert seen.count("a", low, high) == sum(low <= number <= high for number in known)


def test_memory_is_bounded_and_what_was_forgotten_is_told():
    seen = SeenNumbers(max_chunks=3)
    for chunk in range(5):
        assert seen.add("a", chunk * 4096 + 9)
    assert seen.forgotten_chunks == 2
    assert seen.reliable_from("a") == 2 * 4096
    assert seen.add("a", 9), "forgotten, so taken for new"
    assert not seen.add("a", 4 * 4096 + 9)


def test_streams_without_number_keep_no_trace_for_ever():
    seen = SeenNumbers(max_chunks=3)
    for stream in range(100):
        seen.add(stream, 1)
    assert (len(seen._chunks), len(seen._reliable_from)) == (3, 3)
