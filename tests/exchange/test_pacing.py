"""The bucket that paces all requests to a host."""

import random
from dataclasses import replace

import pytest

from tests.exchange.clients import RULES, Clock, new_client, url_of
from tickvol.core.errors import RequestFailed
from tickvol.exchange.http import HttpClient
from tickvol.exchange.pacing import TokenBucket


def starts(bucket: TokenBucket, clock: Clock, count: int) -> list[float]:
    """Start of each of `count` requests that are made one after the other, as soon as they may."""
    found = []
    for _ in range(count):
        wait_s = bucket.take(1e9)
        assert wait_s is not None
        clock.now_s += wait_s
        found.append(clock.now_s - 1000.0)
    return found


def test_a_burst_starts_at_once_and_the_rest_at_the_rate() -> None:
    clock = Clock()
    found = starts(TokenBucket(5, 8, clock=clock), clock, 28)
    assert found[:8] == [0.0] * 8
    assert found[8] == pytest.approx(1.0)
    assert all(number <= 8 + 5 * start_s + 1e-6 for number, start_s in enumerate(found, 1))
    assert found[-1] == pytest.approx(4.0)


@pytest.mark.parametrize(("rate", "burst"), [(5, 8), (10, 1), (0.5, 3), (3, 3)])
def test_no_second_holds_more_than_the_burst_or_the_rate(rate: float, burst: int) -> None:
    clock, draws = Clock(), random.Random(1)
    bucket, found = TokenBucket(rate, burst, clock=clock), []
    for _ in range(400):
        clock.now_s += draws.choice([0.0, 0.0, 0.05, 0.4, 3.0])
        if draws.random() < 0.02:
            bucket.slow_down()
        wait_s = bucket.take(1e9)
        assert wait_s is not None
        found.append(clock.now_s + wait_s)
        if draws.random() < 0.5:  # else another thread asks before this request starts
            clock.now_s = found[-1]
    assert found == sorted(found)
    most = max(burst, rate)
    for at, start_s in enumerate(found):
        assert sum(start_s <= other < start_s + 1 - 1e-9 for other in found[at:]) <= most


def test_a_bucket_fills_again_up_to_its_burst_alone() -> None:
    clock = Clock()
    bucket = TokenBucket(5, 8, clock=clock)
    starts(bucket, clock, 8)
    clock.now_s += 1000
    before = clock.now_s - 1000
    assert [start - before for start in starts(bucket, clock, 9)][-2:] == pytest.approx([0.0, 1.0])


def test_after_a_429_the_bucket_is_empty_and_the_rate_is_half_for_60_s() -> None:
    clock = Clock()
    bucket = TokenBucket(5, 8, clock=clock)
    bucket.slow_down()
    found = starts(bucket, clock, 400)
    assert found[0] == pytest.approx(0.4)
    assert sum(start <= 60.0 + 1e-6 for start in found) == 150
    assert sum(60.0 + 1e-6 < start <= 70.0 + 1e-6 for start in found) == 50


def test_a_wait_that_the_server_asks_for_holds_back_all_clients_but_at_most_60_s() -> None:
    clock = Clock()
    bucket = TokenBucket(5, 8, clock=clock)
    bucket.slow_down(7.0)
    assert bucket.take(100) == 7.0
    bucket.slow_down(9e9)
    assert bucket.take(100) == 60.0


def test_a_request_that_would_wait_too_long_takes_no_token() -> None:
    clock = Clock()
    bucket = TokenBucket(1, 1, clock=clock)
    assert bucket.take(0.5) == 0.0
    assert [bucket.take(0.5), bucket.take(1.0)] == [None, None]
    assert bucket.take(1.1) == 1.0


def test_every_attempt_of_every_client_takes_a_token(receive) -> None:
    receiver, clock = receive(500, 500, 200), Clock()
    bucket = TokenBucket(1, 3, clock=clock)
    with new_client(clock=clock, pacing=bucket) as one, new_client(clock=clock, pacing=bucket) as other:
        one.request("GET", url_of(receiver))
        assert clock.waits == [0.5, 1.0]
        for _ in range(3):
            other.request("GET", url_of(receiver))
    assert clock.waits == pytest.approx([0.5, 1.0, 0.5, 1.0])


@pytest.mark.parametrize(("headers", "wait_s"), [({}, 0.4), ({"Retry-After": "20"}, 20.0)])
def test_a_429_holds_back_the_other_clients(receive, headers: dict[str, str], wait_s: float) -> None:
    receiver, clock = receive((429, headers), 200), Clock()
    bucket, once = TokenBucket(5, 8, clock=clock), replace(RULES, max_attempts=1)
    with new_client(once, clock, bucket) as one, new_client(clock=clock, pacing=bucket) as other:
        with pytest.raises(RequestFailed, match="429"):
            one.request("GET", url_of(receiver))
        other.request("GET", url_of(receiver))
    assert clock.waits == pytest.approx([wait_s])


def test_a_call_ends_if_its_turn_comes_after_its_deadline(receive) -> None:
    receiver, clock = receive(200), Clock()
    bucket = TokenBucket(0.01, 1, clock=clock)
    with HttpClient(RULES, clock=clock, sleep=clock.sleep, pacing=bucket) as client:
        client.request("GET", url_of(receiver))
        with pytest.raises(RequestFailed, match="no time for it within 60 s"):
            client.request("GET", url_of(receiver))
    assert len(receiver.requests) == 1
