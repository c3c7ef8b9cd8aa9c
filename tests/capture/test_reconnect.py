"""The rate limit of connects on made-up clocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickvol.capture.reconnect import ConnectLimiter


@given(st.lists(st.floats(0, 2), min_size=1, max_size=60), st.integers(1, 8))
def test_no_second_holds_more_connects_than_allowed(pauses, max_per_s):
    now = 0.0
    limiter = ConnectLimiter(max_per_s, lambda: now)
    connects = []
    for pause in pauses:
        now += pause
        now += limiter.wait_s()
        limiter.note()
        connects.append(now)
    for i in range(max_per_s, len(connects)):
        assert connects[i] - connects[i - max_per_s] >= 1.0 - 1e-9


def test_connects_below_the_limit_do_not_wait():
    limiter = ConnectLimiter(8, lambda: 5.0)
    for _ in range(8):
        assert limiter.wait_s() == 0.0
        limiter.note()
    assert limiter.wait_s() == pytest.approx(1.0)
