"""The httpx transport of the HTTP client: every connect, write and read of a request ends at one deadline.

httpx and httpcore limit each socket operation separately: a server that sends a byte now and then can hold a request
without limit. Here the `timeout` that httpcore passes through to the network carries the deadline of the request on the
clock, and each operation gets the time that is left. Only name resolution, for which the system has no timeout, can
take longer.
"""

import contextlib
import selectors
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator

import httpcore
import httpx

END_S = "tickvol.end_s"
"""Key of `httpx.Request.extensions`: the deadline of the request on the transport's clock, in seconds."""

_KEEPALIVE_S = 30.0


class DeadlineTransport(httpx.BaseTransport):
    """HTTP/1.1 without proxies; TLS trusts the certificates of the system, or of `SSL_CERT_FILE`.

    Parameters
    ----------
    clock : monotonic, in seconds.

    Notes
    -----
    Errors are httpcore's; the first argument of each is the socket's error, if there is one.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._network = _Network(clock)
        self._pools: dict[bool, httpcore.ConnectionPool] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and receive the headers of its response; the body is received as it is read."""
        url, end_s = request.url, request.extensions[END_S]
        response = self._pool(secure=url.scheme == "https").handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions={"timeout": dict.fromkeys(("connect", "write", "read"), end_s)},
            )
        )
        return httpx.Response(
            response.status, headers=response.headers, stream=_Body(response), extensions=response.extensions
        )

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.close()

    def _pool(self, *, secure: bool) -> httpcore.ConnectionPool:
        """Pool with or without TLS: loading certificates takes longer than many requests that need none."""
        found = self._pools.get(secure)
        if found is None:
            made = httpcore.ConnectionPool(
                ssl_context=ssl.create_default_context() if secure else None,
                max_connections=None,
                keepalive_expiry=_KEEPALIVE_S,
                network_backend=self._network,
            )
            found = self._pools.setdefault(secure, made)  # another thread may have been faster
        return found


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


class _Network(httpcore.NetworkBackend):
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the host, trying each of its addresses for an equal share of the time that is left."""
        with _translated(httpcore.ConnectTimeout, httpcore.ConnectError):
            addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            for number, (family, kind, protocol, _, address) in enumerate(addresses):
                sock = socket.socket(family, kind, protocol)
                try:
                    sock.settimeout(_left_s(timeout, self._clock) / (len(addresses) - number))
                    sock.connect(address)
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                except OSError:
                    sock.close()
                    if number == len(addresses) - 1:
                        raise
                else:
                    return _Stream(sock, self._clock)
            raise OSError(f"{host}: no address")


class _Stream(httpcore.NetworkStream):
    def __init__(self, sock: socket.socket, clock: Callable[[], float]) -> None:
        self._sock = sock
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _translated(httpcore.ReadTimeout, httpcore.ReadError):
            self._sock.settimeout(_left_s(timeout, self._clock))
            return self._sock.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _translated(httpcore.WriteTimeout, httpcore.WriteError):
            while buffer:
                self._sock.settimeout(_left_s(timeout, self._clock))
                buffer = buffer[self._sock.send(buffer) :]

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with _translated(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                self._sock.settimeout(_left_s(timeout, self._clock))
                return _Stream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname), self._clock)
            except BaseException:
                self._sock.close()
                raise

    def get_extra_info(self, info: str) -> object:
        """Answer `is_readable`, which shows that the server has closed an idle connection; None for all else."""
        if info != "is_readable":
            return None
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            return bool(selector.select(0))


def _left_s(end_s: float | None, clock: Callable[[], float]) -> float:
    assert end_s is not None, "httpcore passes through the deadline of the request"
    left_s = end_s - clock()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s


@contextlib.contextmanager
def _translated(timeout: type[Exception], failure: type[Exception]) -> Iterator[None]:
    """Translate socket errors to httpcore's; `UnicodeError` means a host name that cannot be encoded for DNS."""
    try:
        yield
    except TimeoutError as error:
        raise timeout(error) from error
    except (OSError, UnicodeError) as error:
        raise failure(error) from error
