"""Calls of the HTTP client against real servers on the loopback: retries, waits, pace and limits."""

import gzip
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from email.utils import formatdate

import pytest

from tests.exchange.clients import (
    NOW_S,
    RULES,
    Clock,
    hangs_up,
    hangs_up_in_the_body,
    new_client,
    real_client,
    sleeps,
    talks_nonsense,
    url_of,
)
from tickvol.core.errors import RequestFailed
from tickvol.exchange.http import RETRY_STATUSES, HttpClient, HttpRules


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_response_has_status_headers_and_body(receive) -> None:
    receiver = receive((200, {"X-Name": "value"}, b"[1]"))
    with new_client() as client:
        response = client.request("GET", url_of(receiver))
    assert (response.status, response.body) == (200, b"[1]")
    assert response.headers["x-name"] == response.headers["X-NAME"] == "value"


def test_content_headers_and_parameters_reach_the_server(receive) -> None:
    receiver = receive(200)
    with new_client() as client:
        client.request(
            "POST", url_of(receiver, "/a?b=1"), content=b"{}", headers={"X-Key": "k"}, params={"c": "x y", "d": 2}
        )
    ((path, headers, body),) = receiver.requests
    assert (path, body) == ("/a?b=1&c=x+y&d=2", b"{}")
    assert (headers["X-Key"], headers["User-Agent"]) == ("k", "tickvol")


def test_url_without_parameters_keeps_its_query(receive) -> None:
    receiver = receive(200)
    with new_client() as client:
        client.request("GET", url_of(receiver, "/a?b=1"), params={})
    assert receiver.requests[0][0] == "/a?b=1"


@pytest.mark.parametrize("status", sorted(RETRY_STATUSES))
def test_status_that_may_pass_is_retried_with_growing_waits(receive, status: int) -> None:
    receiver, clock = receive(status, status, 200), Clock()
    with new_client(clock=clock) as client:
        assert client.request("GET", url_of(receiver)).status == 200
    assert clock.waits == [0.5, 1.0]


@pytest.mark.parametrize("status", [204, 301, 400, 401, 404, 418, 501])
def test_any_other_status_is_returned_after_one_attempt(receive, status: int) -> None:
    receiver = receive(status)
    with new_client() as client:
        assert client.request("GET", url_of(receiver)).status == status
    assert len(receiver.requests) == 1


def test_retried_statuses_are_configurable(receive) -> None:
    receiver = receive(418, 503)
    with new_client(replace(RULES, retry_statuses=frozenset({418}))) as client:
        assert client.request("GET", url_of(receiver)).status == 503
    assert len(receiver.requests) == 2


def test_one_attempt_returns_every_status(receive) -> None:
    receiver = receive(503)
    with new_client(HttpRules.one_attempt(5.0)) as client:
        assert client.request("GET", url_of(receiver)).status == 503
    assert len(receiver.requests) == 1


def test_exhausted_attempts_raise_with_place_attempts_and_last_reason(receive) -> None:
    receiver, clock = receive(500, 500, 503), Clock()
    with new_client(clock=clock) as client, pytest.raises(RequestFailed) as caught:
        client.request("GET", url_of(receiver))
    place = f"http://127.0.0.1:{receiver.port}"
    assert str(caught.value) == f"{place}: 3 attempts, the last: 503 Service Unavailable"
    assert (len(receiver.requests), clock.waits) == (3, [0.5, 1.0])
    assert (caught.value.attempts, caught.value.reason) == (3, "503 Service Unavailable")


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (hangs_up, "Server disconnected"),
        (hangs_up_in_the_body, "received 3 bytes, expected 10"),
        (talks_nonsense, "illegal status line"),
        ((200, {"Content-Encoding": "gzip"}, b"no gzip"), "incorrect header check"),
    ],
)
def test_broken_answer_is_retried(receive, does, says: str) -> None:
    receiver = receive(does, (200, {}, b"whole"))
    with new_client() as client:
        assert client.request("GET", url_of(receiver)).body == b"whole"
    assert len(receiver.requests) == 2
    with new_client() as client, pytest.raises(RequestFailed, match=f"3 attempts.*{says}") as caught:
        client.request("GET", url_of(receive(does)))
    assert str(caught.value).isprintable()


def test_refused_connection_is_retried(closed_port: int) -> None:
    clock = Clock()
    with new_client(clock=clock) as client, pytest.raises(RequestFailed, match=r"3 attempts.*ConnectionRefusedError"):
        client.request("GET", f"http://127.0.0.1:{closed_port}/")
    assert clock.waits == [0.5, 1.0]


def test_timeout_of_an_attempt_is_retried(receive) -> None:
    receiver = receive(sleeps, 200)
    with real_client(replace(RULES, timeout_s=0.2)) as client:
        assert client.request("GET", url_of(receiver)).status == 200
        receiver.answers = [sleeps]
        with pytest.raises(RequestFailed, match=r"no answer within 0\.2 s"):
            client.request("GET", url_of(receiver))


def test_deadline_covers_all_attempts_and_waits(receive) -> None:
    receiver, clock = receive(500), Clock()
    rules = replace(RULES, deadline_s=4.0, max_attempts=99)
    with new_client(rules, clock) as client, pytest.raises(RequestFailed) as caught:
        client.request("GET", url_of(receiver))
    assert clock.waits == [0.5, 1.0, 2.0]
    assert str(caught.value).endswith("4 attempts, the last: 500 Internal Server Error; no time for another within 4 s")


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("2", 2.0),
        (" 7 ", 7.0),
        (formatdate(NOW_S + 9, usegmt=True), 9.0),
        (formatdate(NOW_S - 9, usegmt=True), 0.5),
        ("0", 0.5),
        ("-3", 0.5),
        ("1.5", 0.5),
        ("²", 0.5),
        ("soon", 0.5),
        ("9" * 10, 0.5),
        ("Mon, 99 Foo 2026 00:00:00 GMT", 0.5),
        ("Thu, 01 Jan 2026 00:00:00 +99999999999999999", 0.5),
    ],
    ids=lambda value: repr(value),
)
def test_retry_after_lengthens_the_wait(receive, text: str, wait_s: float) -> None:
    receiver, clock = receive((429, {"Retry-After": text.encode().decode("latin-1")}), 200), Clock()
    with new_client(clock=clock) as client:
        client.request("GET", url_of(receiver))
    assert clock.waits == [wait_s]


def test_retry_after_without_a_time_zone_is_utc(receive, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver, clock = receive((429, {"Retry-After": formatdate(NOW_S + 9)}), 200), Clock()
    with ExitStack() as undone, monkeypatch.context() as patched, new_client(clock=clock) as client:
        undone.callback(time.tzset)
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        client.request("GET", url_of(receiver))
    assert clock.waits == [9.0]


@pytest.mark.parametrize("text", ["60", formatdate(NOW_S + 60, usegmt=True)])
def test_retry_after_beyond_the_deadline_ends_the_call_at_once(receive, text: str) -> None:
    receiver, clock = receive((503, {"Retry-After": text})), Clock()
    with new_client(clock=clock) as client, pytest.raises(RequestFailed, match="asks for 60 s") as caught:
        client.request("GET", url_of(receiver))
    assert (len(receiver.requests), clock.waits, caught.value.retry_after_s) == (1, [], 60.0)


def test_retry_after_has_a_limit_of_its_own(receive) -> None:
    receiver, clock = receive((503, {"Retry-After": "11"})), Clock()
    rules = replace(RULES, max_retry_after_s=10.0)
    with new_client(rules, clock) as client, pytest.raises(RequestFailed, match="asks for 11 s"):
        client.request("GET", url_of(receiver))
    assert clock.waits == []


def test_requests_keep_their_pace(receive) -> None:
    receiver, clock = receive(200), Clock()
    with new_client(replace(RULES, min_interval_s=2.0), clock) as client:
        client.request("GET", url_of(receiver))
        client.request("GET", url_of(receiver))
        clock.now_s += 0.75
        client.request("GET", url_of(receiver))
        clock.now_s += 60.0
        client.request("GET", url_of(receiver))
        client.request("GET", url_of(receiver))
    assert clock.waits == [2.0, 1.25, 2.0]


def test_retries_keep_the_pace_too(receive) -> None:
    receiver, clock = receive(500, 500, 200), Clock()
    with new_client(replace(RULES, min_interval_s=0.75), clock) as client:
        client.request("GET", url_of(receiver))
    assert clock.waits == [0.5, 0.25, 1.0]


def test_threads_share_one_pace(receive) -> None:
    receiver, waits = receive(200), []
    client = HttpClient(replace(RULES, min_interval_s=1.0), clock=lambda: 1000.0, sleep=waits.append)
    with client:
        threads = [threading.Thread(target=client.request, args=("GET", url_of(receiver))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(waits) == [1.0, 2.0, 3.0]


def test_pace_that_leaves_no_time_sends_nothing(receive) -> None:
    receiver, clock = receive(200), Clock()
    with new_client(replace(RULES, min_interval_s=9.0, deadline_s=5.0), clock) as client:
        client.request("GET", url_of(receiver))
        with pytest.raises(RequestFailed, match="not sent; no time for it within 5 s") as caught:
            client.request("GET", url_of(receiver))
        assert (len(receiver.requests), clock.waits, caught.value.attempts) == (1, [], 0)
        clock.now_s += 9.0
        client.request("GET", url_of(receiver))
    assert (len(receiver.requests), clock.waits) == (2, [])


def test_body_may_be_as_large_as_its_limit_and_no_larger(receive) -> None:
    receiver = receive((200, {}, b"x" * 1000), (200, {}, b"x" * 1001))
    with new_client(replace(RULES, max_body_bytes=1000)) as client:
        assert len(client.request("GET", url_of(receiver)).body) == 1000
        with pytest.raises(RequestFailed, match="1 attempt, the last: answer of more than 1,000 bytes"):
            client.request("GET", url_of(receiver))
    assert len(receiver.requests) == 2


def test_limit_counts_what_a_compressed_body_unpacks_to(receive) -> None:
    body = gzip.compress(bytes(100_000))
    assert len(body) < 1000
    receiver = receive((200, {"Content-Encoding": "gzip"}, body))
    with new_client() as client:
        assert client.request("GET", url_of(receiver)).body == bytes(100_000)
    with new_client(replace(RULES, max_body_bytes=99_999)) as client, pytest.raises(RequestFailed, match="more than"):
        client.request("GET", url_of(receiver))


def test_headers_may_be_made_for_each_attempt(receive) -> None:
    receiver, stamps = receive(500, 200), iter("ab")
    with new_client() as client:
        client.request("GET", url_of(receiver), headers=lambda: {"X-Stamp": next(stamps)})
    assert [headers["X-Stamp"] for _, headers, _ in receiver.requests] == ["a", "b"]


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_proxy_of_the_environment_is_ignored(receive, monkeypatch, closed_port: int, name: str) -> None:
    monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with new_client() as client:
        assert client.request("GET", url_of(receive(200))).status == 200


def test_redirect_is_followed_only_when_asked(receive) -> None:
    receiver = receive((302, {"Location": "/elsewhere"}), (302, {"Location": "/elsewhere"}), (200, {}, b"there"))
    with new_client() as client:
        assert client.request("GET", url_of(receiver)).status == 302
    assert len(receiver.requests) == 1
    with new_client(replace(RULES, follow_redirects=True)) as client:
        assert client.request("GET", url_of(receiver)).body == b"there"
    assert [path for path, _, _ in receiver.requests] == ["/candles", "/candles", "/elsewhere"]


def test_host_without_an_address_is_retried() -> None:
    clock = Clock()
    with new_client(clock=clock) as client, pytest.raises(RequestFailed, match=r"http://a\.\.b: 3 attempts"):
        client.request("GET", "http://a..b/")
    assert clock.waits == [0.5, 1.0]


def test_import_loads_neither_httpx_nor_other_parts_of_the_project() -> None:
    code = "import sys, tickvol.exchange.http; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"httpx", "httpcore", "h11", "anyio", "ssl"} & set(loaded)
    ours = {name for name in loaded if name.startswith("tickvol.")}
    assert {name.partition(".")[2].partition(".")[0] for name in ours} <= {"core", "settings", "exchange"}
