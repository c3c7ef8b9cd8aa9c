"""Back-off on made-up draws."""

from hypothesis import given
from hypothesis import strategies as st

from tickvol.core.backoff import Backoff


def backoff(random, **changes):
    rules = {"initial_s": 0.5, "maximum_s": 30.0, "multiplier": 2.0, "jitter": 0.5} | changes
    return Backoff(**rules, random=random)


def test_waits_double_up_to_the_cap():
    wait = backoff(lambda: 0.0)
    assert [wait.next_wait_s() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_full_draw_takes_the_whole_jitter_off():
    wait = backoff(lambda: 1.0)
    assert [wait.next_wait_s() for _ in range(3)] == [0.25, 0.5, 1.0]


def test_reset_starts_over():
    wait = backoff(lambda: 0.0)
    for _ in range(5):
        wait.next_wait_s()
    wait.reset()
    assert wait.next_wait_s() == 0.5


def test_first_wait_keeps_to_the_cap_too():
    assert backoff(lambda: 0.0, maximum_s=0.1).next_wait_s() == 0.1


@given(
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=40),
    multiplier=st.floats(1, 10),
    jitter=st.floats(0, 1),
)
def test_every_wait_lies_between_jitter_and_cap(draws, multiplier, jitter):
    source = iter(draws)
    wait = backoff(lambda: next(source), multiplier=multiplier, jitter=jitter)
    for number in range(len(draws)):
        plain = min(0.5 * multiplier**number, 30.0)
        assert plain * (1 - jitter) * (1 - 1e-9) <= wait.next_wait_s() <= plain * (1 + 1e-9)
