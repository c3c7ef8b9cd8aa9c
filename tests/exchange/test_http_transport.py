"""Connections of the HTTP client: deadlines against slow servers, TLS, addresses, reuse."""

import select
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.capture.certificates import self_signed
from tests.exchange.clients import RULES, Clock, new_client, real_client, url_of
from tests.support.receivers import unanswering_port
from tickvol.core.errors import RequestFailed
from tickvol.exchange.http import HttpClient

DRIPPED_BYTES = 16


def drips(handler: BaseHTTPRequestHandler, start: bytes, end: bytes) -> None:
    """A byte every 50 ms, so that no single read takes long, then a proper end."""
    with suppress(OSError):
        handler.connection.sendall(start)
        for _ in range(DRIPPED_BYTES):
            time.sleep(0.05)
            handler.connection.sendall(b"x")
        handler.connection.sendall(end)


def drips_headers(handler: BaseHTTPRequestHandler) -> None:
    drips(handler, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Slow: ", b"\r\n\r\n")


def drips_a_body(handler: BaseHTTPRequestHandler) -> None:
    drips(handler, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % DRIPPED_BYTES, b"")


@pytest.mark.parametrize("does", [drips_headers, drips_a_body])
@pytest.mark.parametrize(("timeout_s", "deadline_s"), [(0.3, 60.0), (60.0, 0.3)], ids=["attempt", "call"])
def test_dripping_answer_meets_the_timeout_and_the_deadline(receive, does, timeout_s: float, deadline_s: float) -> None:
    receiver = receive(does)
    rules = replace(RULES, timeout_s=timeout_s, deadline_s=deadline_s, max_attempts=1)
    within = r"no answer within 0\.[23]\d* s"  # of the deadline what is left when the request is sent
    with real_client(rules) as client, pytest.raises(RequestFailed, match=within):
        client.request("GET", url_of(receiver))


@pytest.mark.parametrize(
    ("scheme", "content"), [("http", bytes(10_000_000)), ("https", b"")], ids=["upload", "handshake"]
)
def test_server_that_does_not_read_meets_the_timeout(scheme: str, content: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        hangs_up_later = threading.Timer(3.0, lambda: listener.accept()[0].close())
        hangs_up_later.start()
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"
        rules = replace(RULES, timeout_s=0.2, max_attempts=1)
        with real_client(rules) as client, pytest.raises(RequestFailed, match=r"no answer within 0\.2 s"):
            client.request("POST", url, content=content)
        assert not hangs_up_later.finished.is_set()
        hangs_up_later.cancel()
        hangs_up_later.join()


def test_timeout_before_the_tls_handshake_leaves_no_connection_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def clock() -> float:
            """Jump when the server has been reached."""
            return 1e6 if select.select([listener], [], [], 0)[0] else 0.0

        with HttpClient(RULES, clock=clock) as client, pytest.raises(RequestFailed, match="no answer within 5 s"):
            client.request("GET", f"https://127.0.0.1:{listener.getsockname()[1]}/")
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(1) == b""


def test_dripping_answer_is_whole_where_time_allows(receive) -> None:
    with real_client(RULES) as client:
        assert client.request("GET", url_of(receive(drips_a_body))).body == b"x" * DRIPPED_BYTES


def test_body_that_is_not_wanted_is_not_waited_for(receive) -> None:
    rules = replace(RULES, reads_body=False, timeout_s=0.5, max_attempts=1)
    with real_client(rules) as client:
        response = client.request("GET", url_of(receive(drips_a_body)))
    assert (response.status, response.body) == (200, b"")


def test_connection_is_used_again_until_the_server_closes_it(receive) -> None:
    receiver = receive(200, 200, (200, {"Connection": "close"}), 200, keeps_alive=True)
    with new_client() as client:
        for _ in range(3):
            client.request("GET", url_of(receiver))
        assert receiver.connections == 1
        client.request("GET", url_of(receiver))
    assert (receiver.connections, len(receiver.requests)) == (2, 4)


def test_server_that_closed_an_idle_connection_costs_no_attempt(receive) -> None:
    def answers_and_leaves(handler: BaseHTTPRequestHandler) -> None:
        handler.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        handler.connection.shutdown(socket.SHUT_RDWR)
        left.set()

    receiver, clock, left = receive(answers_and_leaves, 200, keeps_alive=True), Clock(), threading.Event()
    with new_client(clock=clock) as client:
        client.request("GET", url_of(receiver))
        assert left.wait(5)
        assert client.request("GET", url_of(receiver)).status == 200
    assert clock.waits == []


def test_address_that_does_not_answer_leaves_time_for_the_next(receive, monkeypatch: pytest.MonkeyPatch) -> None:
    receiver, asked = receive(200), socket.getaddrinfo
    with unanswering_port() as port:
        first = asked("127.0.0.1", port, type=socket.SOCK_STREAM)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *about, **more: [*first, *asked(*about, **more)])
        with real_client(replace(RULES, timeout_s=0.4, max_attempts=1)) as client:
            assert client.request("GET", url_of(receiver)).status == 200


def test_server_without_a_trusted_certificate_is_not_believed(receive, monkeypatch, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path / "tls")
    receiver = receive(200)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    with new_client() as client, pytest.raises(RequestFailed, match="CERTIFICATE_VERIFY_FAILED"):
        client.request("GET", f"https://localhost:{receiver.port}/")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with new_client() as client:
        assert client.request("GET", f"https://localhost:{receiver.port}/").status == 200
        with pytest.raises(RequestFailed, match="IP address mismatch"):
            client.request("GET", f"https://127.0.0.1:{receiver.port}/")
