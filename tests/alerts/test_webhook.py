"""The webhook against a real HTTP server on the loopback: failures, slow answers, restarts, forgeries."""

import hashlib
import hmac
import logging
import random
import re
import socket
import ssl
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.alerts.samples import NOON_NS, Clock, new_dispatcher, reading, rule
from tests.capture.certificates import self_signed
from tests.support import ROOT
from tests.support.receivers import unanswering_port
from tickvol.alerts.hysteresis import decide
from tickvol.alerts.notifications import Alert, decode_notice, notice_key
from tickvol.alerts.webhook import RetryPolicy, Webhook
from tickvol.core.errors import DeliveryRefused, NotDelivered

SECRET = b"a secret that both know"
QUICK = RetryPolicy(timeout_s=0.3, max_attempts=3, initial_backoff_s=0.5, max_backoff_s=2.0, multiplier=2.0, jitter=0.5)


@pytest.fixture
def alert() -> Alert:
    made = decide(None, rule(), reading(2.0), now_ns=NOON_NS, repeat_after_ns=1)
    assert made is not None
    return made


def new_webhook(
    port: int, waits: list[float] | None = None, patience: RetryPolicy = QUICK, draw: float = 0.0
) -> Webhook:
    return Webhook(
        f"http://127.0.0.1:{port}/hook?token=t",
        SECRET,
        patience,
        now_s=lambda: 1_775_390_400.7,
        sleep=(waits if waits is not None else []).append,
        random=lambda: draw,
    )


def test_a_post_is_json_signed_over_time_and_body_and_names_its_key(receive, alert: Alert) -> None:
    receiver = receive(204)
    new_webhook(receiver.port).deliver(alert, notice_key(alert))
    ((path, headers, body),) = receiver.requests
    assert path == "/hook?token=t"
    assert decode_notice(body) == alert
    assert (headers["Content-Type"], headers["Idempotency-Key"]) == ("application/json", notice_key(alert))
    expected = hmac.new(SECRET, b"1775390400." + body, hashlib.sha256).hexdigest()
    assert (headers["Tickvol-Timestamp"], headers["Tickvol-Signature"]) == ("1775390400", f"v1={expected}")


def test_the_receiver_of_the_docs_believes_us_and_no_forgery(receive, alert: Alert) -> None:
    page = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    namespace: dict = {}
    exec(code, namespace)
    believes = namespace["is_genuine"]
    receiver = receive(200)
    new_webhook(receiver.port).deliver(alert, "k")
    ((_, headers, body),) = receiver.requests
    now_s = 1_775_390_410.0
    assert believes(SECRET, headers, body, now_s)
    assert not believes(SECRET, headers, body + b" ", now_s)
    assert not believes(b"another", headers, body, now_s)
    assert not believes(SECRET, headers, body, now_s + 3600)
    assert not believes(SECRET, headers | {"Tickvol-Timestamp": "1775390401"}, body, now_s)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_what_may_pass_is_tried_again_with_growing_waits_and_the_same_key(receive, alert: Alert, status: int) -> None:
    receiver, waits = receive(status, status, 200), []
    new_webhook(receiver.port, waits).deliver(alert, "k")
    assert waits == [0.5, 1.0]
    assert [headers["Idempotency-Key"] for _, headers, _ in receiver.requests] == ["k"] * 3


def test_each_attempt_is_signed_with_its_own_time(receive, alert: Alert) -> None:
    receiver, seconds = receive(500, 200), iter(range(1_775_390_400, 1_775_390_410))
    webhook = Webhook(
        f"http://127.0.0.1:{receiver.port}/",
        SECRET,
        QUICK,
        now_s=lambda: next(seconds),
        sleep=[].append,
        random=lambda: 0.0,
    )
    webhook.deliver(alert, "k")
    first, second = (headers for _, headers, _ in receiver.requests)
    assert first["Tickvol-Timestamp"] < second["Tickvol-Timestamp"]
    assert first["Tickvol-Signature"] != second["Tickvol-Signature"]


def test_waits_are_jittered(receive, alert: Alert) -> None:
    receiver, waits = receive(500, 500, 200), []
    new_webhook(receiver.port, waits, draw=1.0).deliver(alert, "k")
    assert waits == [0.25, 0.5]


def test_attempts_have_a_limit_and_no_wait_follows_the_last(receive, alert: Alert) -> None:
    receiver, waits = receive(500), []
    with pytest.raises(NotDelivered, match="3 attempts, the last: 500") as caught:
        new_webhook(receiver.port, waits).deliver(alert, "k")
    assert not isinstance(caught.value, DeliveryRefused)
    assert (len(receiver.requests), len(waits)) == (3, 2)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422, 301, 307])
def test_a_refusal_is_not_tried_again(receive, alert: Alert, status: int) -> None:
    receiver = receive((status, {"Location": "/elsewhere"}))
    with pytest.raises(DeliveryRefused, match=str(status)):
        new_webhook(receiver.port).deliver(alert, "k")
    assert len(receiver.requests) == 1


def test_the_receiver_may_ask_for_more_time_and_for_so_much_that_it_is_left_alone(receive, alert: Alert) -> None:
    receiver, waits = receive((429, {"Retry-After": "2"}), 200), []
    new_webhook(receiver.port, waits).deliver(alert, "k")
    assert waits == [2.0]
    for asked_s in (3, 3600):
        long = receive((503, {"Retry-After": str(asked_s)}))
        with pytest.raises(NotDelivered, match=f"503 Service Unavailable, asks for {asked_s} s; tried later$"):
            new_webhook(long.port, waits).deliver(alert, "k")
        assert len(long.requests) == 1
    assert waits == [2.0]


def sleeps(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1.0)


def drips(handler: BaseHTTPRequestHandler) -> None:
    """A byte each tenth of a second: no single read of it takes too long."""
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    for _ in range(30):
        try:
            handler.connection.sendall(b"x")
        except OSError:
            return
        time.sleep(0.1)


def never_ends_its_body(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    time.sleep(1.0)


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def talks_nonsense(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.sendall(b"\x1b[31mhello\r\n\r\n")


@pytest.mark.parametrize(
    ("does", "says"),
    [(sleeps, "no answer within 0.3 s"), (drips, "no answer within 0.3 s"), (hangs_up, "Remote"),
     (talks_nonsense, "illegal status line")],
)  # fmt: skip
def test_an_answer_that_does_not_come_is_tried_again(receive, alert: Alert, does, says: str) -> None:
    receiver = receive(does, 200)
    new_webhook(receiver.port).deliver(alert, "k")
    assert len(receiver.requests) == 2
    never = receive(does)
    with pytest.raises(NotDelivered, match=says) as caught:
        new_webhook(never.port).deliver(alert, "k")
    assert str(caught.value).isprintable()
    assert len(never.requests) == 3


def test_body_of_an_answer_is_not_waited_for(receive, alert: Alert) -> None:
    receiver = receive(never_ends_its_body)
    new_webhook(receiver.port).deliver(alert, "k")
    assert len(receiver.requests) == 1


def test_an_address_that_swallows_all_leaves_time_for_the_next(
    receive, alert: Alert, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, asked = receive(200), socket.getaddrinfo
    with unanswering_port() as port:

        def two(host, port_asked, *more, **options):
            return [*asked("127.0.0.1", port, type=socket.SOCK_STREAM), *asked(host, port_asked, **options)]

        monkeypatch.setattr(socket, "getaddrinfo", two)
        new_webhook(receiver.port).deliver(alert, "k")
    assert len(receiver.requests) == 1


def test_over_tls_only_a_receiver_that_is_vouched_for_is_believed(
    receive, alert: Alert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = self_signed(tmp_path / "tls")
    receiver = receive(200)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    patience = replace(QUICK, timeout_s=5.0, max_attempts=1)
    webhook = Webhook(
        f"https://localhost:{receiver.port}/hook",
        SECRET,
        patience,
        now_s=time.time,
        sleep=time.sleep,
        random=random.random,
    )
    with pytest.raises(NotDelivered, match="CERTIFICATE_VERIFY_FAILED"):
        webhook.deliver(alert, "k")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    webhook.deliver(alert, "k")
    assert len(receiver.requests) == 1


def test_nobody_there_is_not_delivered(alert: Alert) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotDelivered, match="refused"):
            new_webhook(taken.getsockname()[1]).deliver(alert, "k")


def test_neither_secret_nor_path_shows_in_what_goes_wrong_or_is_logged(receive, alert: Alert, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DeliveryRefused) as caught:
        new_webhook(receive(500, 404).port).deliver(alert, "k")
    assert "attempt 1 of 3: 500 Internal Server Error" in caplog.text
    for text in (str(caught.value), caplog.text):
        assert "token" not in text
        assert SECRET.decode() not in text


def test_a_receiver_that_was_down_gets_all_of_it_after_its_restart_and_ours(receive, tmp_path: Path) -> None:
    receiver = receive(500)
    ledger = tmp_path / "ledger"
    desk = new_dispatcher(ledger, {"webhook": new_webhook(receiver.port)}, Clock())
    desk.observe(rule(), [reading(2.0)])
    desk.observe(rule(), [reading(0.0)])
    assert desk.deliver()[0].open == 2
    receiver.close()
    assert desk.deliver()[0].open == 2
    back = receive(200, port=receiver.port)
    again = new_dispatcher(ledger, {"webhook": new_webhook(back.port)}, Clock())
    assert again.deliver()[0].delivered == 2
    bodies = [decode_notice(body) for _, _, body in back.requests]
    assert [notice.state for notice in bodies if isinstance(notice, Alert)] == ["raised", "cleared"]
    keys = {headers["Idempotency-Key"] for _, headers, _ in receiver.requests}
    assert keys == {back.requests[0][1]["Idempotency-Key"]}
