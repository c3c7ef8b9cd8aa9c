"""Clients on a clock of the test's own, and servers that misbehave."""

import socket
import time
from http.server import BaseHTTPRequestHandler

from tests.support.receivers import Receiver
from tickvol.exchange.http import HttpClient, HttpRules
from tickvol.exchange.pacing import TokenBucket

NOW_S = 1_775_390_400.0
RULES = HttpRules(deadline_s=60.0, timeout_s=5.0, max_attempts=3, initial_backoff_s=0.5, max_backoff_s=2.0, jitter=0.0)


class Clock:
    """Time that passes only in `sleep`."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += seconds


def new_client(rules: HttpRules = RULES, clock: Clock | None = None, pacing: TokenBucket | None = None) -> HttpClient:
    clock = clock or Clock()
    return HttpClient(rules, pacing=pacing, clock=clock, now_s=lambda: NOW_S, sleep=clock.sleep, random=lambda: 0.0)


def real_client(rules: HttpRules) -> HttpClient:
    return HttpClient(rules, sleep=lambda _: None)


def url_of(receiver: Receiver, target: str = "/candles") -> str:
    return f"http://127.0.0.1:{receiver.port}{target}"


def hangs_up(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


def hangs_up_in_the_body(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")


def talks_nonsense(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.sendall(b"\x1b[31mhello\r\n\r\n")


def sleeps(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1.0)
