"""Faults of a connection: silence, resets, answers that are cut, too slow or announced too long."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Mapping

from tickvol.simulator.rest.faults import Fault
from tickvol.simulator.rest.wire import Answer, head

SocketFault = Callable[[socket.socket, Answer, float, float, threading.Event], bool]
"""Takes the connection, the answer, the exchange's clock, the wait in s and the event that ends all waits.

Returns True if the connection stays open."""


def send(connection: socket.socket, answer: Answer, now_s: float, fault: Fault, stopping: threading.Event) -> bool:
    """Send an answer with a fault; True if the connection stays open."""
    _, wait_s, sends = SOCKET_FAULTS[fault.kind]
    with contextlib.suppress(OSError):  # a client that has given up
        return sends(connection, answer, now_s, wait_s if fault.for_s is None else fault.for_s, stopping)
    return False


def _no_answer(
    connection: socket.socket, answer: Answer, now_s: float, wait_s: float, stopping: threading.Event
) -> bool:
    stopping.wait(wait_s)
    return False


def _hang_up(connection: socket.socket, answer: Answer, now_s: float, wait_s: float, stopping: threading.Event) -> bool:
    return False


def _reset(connection: socket.socket, answer: Answer, now_s: float, wait_s: float, stopping: threading.Event) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False


def _truncated(
    connection: socket.socket, answer: Answer, now_s: float, wait_s: float, stopping: threading.Event
) -> bool:
    connection.sendall(head(answer, now_s) + answer.body[: len(answer.body) // 2])
    return False


def _long_length(
    connection: socket.socket, answer: Answer, now_s: float, wait_s: float, stopping: threading.Event
) -> bool:
    connection.sendall(head(answer, now_s, length=len(answer.body) + 100) + answer.body)
    stopping.wait(wait_s)
    return False


def _trickle(connection: socket.socket, answer: Answer, now_s: float, wait_s: float, stopping: threading.Event) -> bool:
    connection.sendall(head(answer, now_s))
    for at in range(len(answer.body)):
        if stopping.wait(wait_s):
            return False
        connection.sendall(answer.body[at : at + 1])
    return True


def _delay(connection: socket.socket, answer: Answer, now_s: float, wait_s: float, stopping: threading.Event) -> bool:
    if stopping.wait(wait_s):
        return False
    connection.sendall(head(answer, now_s) + answer.body)
    return True


SOCKET_FAULTS: Mapping[str, tuple[str, float, SocketFault]] = {
    "no-answer": ("no answer; the connection closes after this time (for=60s)", 60.0, _no_answer),
    "hang-up": ("the connection closes instead of an answer", 0.0, _hang_up),
    "reset": ("the connection is reset instead of an answer", 0.0, _reset),
    "truncated": ("the connection closes in the middle of the body", 0.0, _truncated),
    "long-length": (
        "Content-Length is 100 too large; the connection closes after this time (for=60s)",
        60.0,
        _long_length,
    ),
    "trickle": ("one byte of the body in this time (for=1s)", 1.0, _trickle),
    "delay": ("the answer comes late (for=10s)", 10.0, _delay),
}
UNANSWERED = frozenset({"no-answer", "hang-up", "reset"})
