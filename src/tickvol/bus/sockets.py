"""Clients of kafka-python that leak no socket and no thread.

kafka-python (3.0.12) leaks them in three places, and our long-running commands would accumulate them until the next
garbage collection, or for good:

- The socket of a failed attempt to connect is dropped in a reference cycle (`KafkaNetSocket.connect`).
- A client that cannot bootstrap keeps its thread, which can no longer be ended, with three open files.
- A connection that is closed while it has something to send is closed only after sending it
  (`KafkaTCPTransport.close`); the loop may end first.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.net.selector import NetworkSelector

_Client = TypeVar("_Client")


class DirectSocket(KafkaNetSocket):  # type: ignore[misc]
    """kafka-python's connect with clean-up; `proxy_url` is its hook for other ways to make sockets."""

    SCHEMES = ("direct",)

    async def sock_connect(self, net: Any, sock: Any, sockaddr: Any, timeout_at: float | None = None) -> Any:
        """Connect the socket; close it on failure or cancellation."""
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise


class ClosingLoop(NetworkSelector):  # type: ignore[misc]
    """kafka-python's event loop of a client; at its end, closes every socket that it waits for."""

    def __init__(self, **configs: Any) -> None:
        super().__init__(**configs)
        self._left_open: list[Any] = []

    def drain(self, scheduled: bool = False) -> None:
        """Run all that is ready; the last time, record what is waited for: an open connection waits for input."""
        super().drain(scheduled)
        if self._closed:
            self._left_open = [key.fileobj for key in self._selector.get_map().values()]

    def close(self) -> None:
        """End the thread, if there is one, and close every socket."""
        super().close()
        for sock in self._left_open:
            sock.close()


def new_client(make: Callable[..., _Client], **settings: Any) -> _Client:
    """Create a producer, consumer or admin client by `make(**settings)`; close it if that fails."""
    inner: list[KafkaNetClient] = []

    def net_client(**configs: Any) -> KafkaNetClient:
        inner.append(KafkaNetClient(net=ClosingLoop(**configs), **configs))
        return inner[-1]

    try:
        return make(kafka_client=net_client, proxy_url="direct://", **settings)
    except BaseException:
        for client in inner:
            client.close()
        raise
