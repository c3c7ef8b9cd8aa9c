"""HTTP server of the dashboard: uvicorn with a pool of threads for the WSGI application."""

import socket
from typing import TYPE_CHECKING

from tickvol.core.errors import UsageError

if TYPE_CHECKING:
    from flask import Flask
    from uvicorn import Server

_THREADS = 8


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on an IP address.

    Parameters
    ----------
    port : 0: any free one.

    Raises
    ------
    UsageError
        If it cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise UsageError(f"--port: {port}: cannot listen on {host}: {error.strerror}; choose another") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Address of a listening socket for a browser."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def server_of(app: "Flask") -> "Server":
    """A server whose `run(sockets=[...])` ends at SIGINT or SIGTERM, or when `should_exit` is set."""
    from a2wsgi import WSGIMiddleware
    from uvicorn import Config, Server

    settings = Config(
        WSGIMiddleware(app, workers=_THREADS),  # type: ignore[arg-type]  # both describe ASGI, in different types
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    return Server(settings)
