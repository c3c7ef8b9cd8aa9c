"""HTTP servers on the loopback that answer as a test says."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

Answer = int | tuple[int, dict[str, str]] | tuple[int, dict[str, str], bytes] | Callable[[BaseHTTPRequestHandler], None]
"""A status; with headers; with a body; or a function that writes to the handler's connection."""


class Receiver:
    """Answer each request with the next of `answers`, the last one forever; `requests` holds path, headers and body.

    `connections` counts the connections; `keeps_alive` lets them serve several requests.
    """

    def __init__(self, *answers: Answer, port: int = 0, keeps_alive: bool = False) -> None:
        self.answers = list(answers) or [200]
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1" if keeps_alive else "HTTP/1.0"

            def setup(self):
                super().setup()
                receiver.connections += 1

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                receiver.requests.append((self.path, dict(self.headers), body))
                answer = receiver.answers.pop(0) if len(receiver.answers) > 1 else receiver.answers[0]
                if callable(answer):
                    answer(self)
                    return
                status, headers, body, *_ = (*(answer if isinstance(answer, tuple) else (answer, {})), b"")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if body or keeps_alive:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *about):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receive() -> Iterator[Callable[..., Receiver]]:
    """Start receivers that are closed with the test."""
    started = []

    def start(*answers: Answer, **options: int) -> Receiver:
        started.append(Receiver(*answers, **options))
        return started[-1]

    yield start
    for receiver in started:
        receiver.close()


@contextlib.contextmanager
def unanswering_port() -> Iterator[int]:
    """A port whose queue of connections is full, so that a further connection hears nothing."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()[1]
