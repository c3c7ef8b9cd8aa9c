"""Sockets that are closed when they cannot be connected.

kafka-python drops the socket of a failed attempt in a cycle of references, so that it stays open until the garbage
collector comes by: one a second and client while the broker is away, and our long-running commands collect rarely.
"""

from typing import Any

from kafka.net.inet import KafkaNetSocket

PROXY_URL = "direct://"
"""What clients are given as `proxy_url`, the place where kafka-python lets others make its sockets; no proxy at all."""


class DirectSocket(KafkaNetSocket):  # type: ignore[misc]
    """kafka-python's way to connect, cleaning up after itself."""

    SCHEMES = ("direct",)

    async def sock_connect(self, net: Any, sock: Any, sockaddr: Any, timeout_at: float | None = None) -> Any:
        """The connected socket; a closed one stays behind a failure or a cancellation."""
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise
