"""Clients of kafka-python that leave no socket and no thread behind.

kafka-python (3.0.12) leaves them at three places, and our long-running commands would gather them until the garbage
collector comes by, or for good:

- The socket of a failed attempt to connect is dropped in a cycle of references (`KafkaNetSocket.connect`).
- A client that cannot bootstrap keeps its thread, which nobody can end any more, with three files that it has open.
- A connection that is closed while it has something to send is closed after that was sent (`KafkaTCPTransport.close`);
  the loop may end first.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket
from kafka.net.selector import NetworkSelector

_Client = TypeVar("_Client")


class DirectSocket(KafkaNetSocket):  # type: ignore[misc]
    """kafka-python's way to connect, cleaning up after itself; `proxy_url` is where it lets others make its sockets."""

    SCHEMES = ("direct",)

    async def sock_connect(self, net: Any, sock: Any, sockaddr: Any, timeout_at: float | None = None) -> Any:
        """The connected socket; a closed one stays behind a failure or a cancellation."""
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise


class ClosingLoop(NetworkSelector):  # type: ignore[misc]
    """kafka-python's loop of a client, which ends with all that it waits for closed."""

    def __init__(self, **configs: Any) -> None:
        super().__init__(**configs)
        self._left_open: list[Any] = []

    def drain(self, scheduled: bool = False) -> None:
        """Do all that is ready; the last time note what is waited for: an open connection waits for what comes."""
        super().drain(scheduled)
        if self._closed:
            self._left_open = [key.fileobj for key in self._selector.get_map().values()]

    def close(self) -> None:
        """End the thread, if there is one, and close every socket."""
        super().close()
        for sock in self._left_open:
            sock.close()


def new_client(make: Callable[..., _Client], **settings: Any) -> _Client:
    """`make(**settings)`, a producer, consumer or admin client; one that cannot be made is closed."""
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
