"""The simulated REST exchange: an HTTP/1.1 server on the loopback with both public APIs of Coinbase."""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tickvol.simulator.rest.answer_faults import ANSWER_FAULTS
from tickvol.simulator.rest.book import BookModel, Wall
from tickvol.simulator.rest.book_answers import order_book
from tickvol.simulator.rest.candles import candles, window_s
from tickvol.simulator.rest.fault_plan import FaultPlan
from tickvol.simulator.rest.faults import Fault, FaultRates
from tickvol.simulator.rest.limits import LIMITED, RateLimit
from tickvol.simulator.rest.market import Market
from tickvol.simulator.rest.products import exchange_ticker, product, products, server_time
from tickvol.simulator.rest.request_log import LoggedRequest, RequestLog
from tickvol.simulator.rest.socket_faults import SOCKET_FAULTS, UNANSWERED, send
from tickvol.simulator.rest.trades import Tape, advanced_trade_ticker, exchange_trades
from tickvol.simulator.rest.wire import ADVANCED_TRADE_PATH, Answer, Request, head, refusal


class RestExchange:
    """A server in a thread of its own, from `__enter__` to `__exit__`.

    ::

        with RestExchange(market, now_s=1_764_460_800.0) as server:
            CoinbaseRest("exchange", base_url=server.url, rules=rules)
            server.now_s += 86_400

    Parameters
    ----------
    now_s : the exchange's clock, in s since the epoch: a moment, at which it stands until it is set, or a function.
    faults : names of kinds, faults with their parameters, or rates with a seed.
    limit : None answers every request.
    walls : large orders planted in the book. refuses_350 : whether Advanced Trade takes "less than 350" literally.
    """

    def __init__(
        self,
        market: Market,
        *,
        now_s: float | Callable[[], float] = time.time,
        faults: FaultPlan | FaultRates | Sequence[str | Fault] = (),
        limit: RateLimit | None = None,
        walls: Sequence[Wall] = (),
        refuses_350: bool = False,
        log: RequestLog | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self._market = market
        self._now: Callable[[], float] = now_s if callable(now_s) else lambda: now_s
        self._plan = faults if isinstance(faults, FaultPlan) else FaultPlan(faults)
        self._limit = limit
        self._refuses_350 = refuses_350
        self.book = BookModel(market, walls)
        self._tape = Tape(self.book)
        self.log = log or RequestLog()
        self._address = (host, port)
        self._server: _Server | None = None

    @property
    def now_s(self) -> float:
        """The exchange's clock in s since the epoch; it stands still once it is set."""
        return self._now()

    @now_s.setter
    def now_s(self, now_s: float) -> None:
        self._now = lambda: now_s

    @property
    def url(self) -> str:
        """Scheme, host and port, for both APIs."""
        assert self._server is not None, "enter the server first"
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def __enter__(self) -> Self:
        self._server = _Server(self._address, self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.stop()
        self._thread.join()
        self.log.close()

    def reply(self, target: str, *, no_cache: bool) -> tuple[Answer, Fault | None]:
        """Answer a request and log it; also the fault with which the answer is to be sent, if there is one."""
        request, now_s = _request(target), self.now_s
        faults = self._plan.hits(request)
        answer = self._answer(request, now_s, faults)
        for fault in faults:
            if fault.kind in ANSWER_FAULTS:
                answer = ANSWER_FAULTS[fault.kind][1](answer, request, fault, now_s)
        on_socket = next((fault for fault in faults if fault.kind in SOCKET_FAULTS), None)
        is_answered = on_socket is None or on_socket.kind not in UNANSWERED
        self.log.add(
            LoggedRequest(
                time_s=now_s,
                arrived_s=time.monotonic(),
                path=request.path,
                query=dict(request.query),
                product_id=request.product_id,
                window_s=request.window_s,
                status=answer.status if is_answered else 0,
                rows=answer.rows if is_answered else 0,
                faults=tuple(fault.kind for fault in faults),
                no_cache=no_cache,
            )
        )
        return answer, on_socket

    def _answer(self, request: Request, now_s: float, faults: Sequence[Fault]) -> Answer:
        if self._limit is not None and not self._limit.admits():
            return refusal(request, 429, "RESOURCE_EXHAUSTED", LIMITED)
        path, names, model, tape = request.path, self._market.products, self.book, self._tape
        if request.is_advanced_trade:
            path = path.removeprefix(ADVANCED_TRADE_PATH).removeprefix("/market")
        match path.strip("/").split("/"):
            case ["time"]:
                return server_time(request, now_s)
            case ["products"]:
                return products(request, names)
            case ["products", _]:
                return product(request, names)
            case ["products", _, "candles"]:
                return candles(self._market, request, now_s, faults=faults, refuses_350=self._refuses_350)
            case ["products", _, "ticker"] if request.is_advanced_trade:
                return advanced_trade_ticker(tape, model, request, now_s, faults, products=names)
            case ["products", _, "ticker"]:
                return exchange_ticker(tape, model, request, now_s, names)
            case ["products", _, "trades"] if not request.is_advanced_trade:
                return exchange_trades(tape, request, now_s, faults, products=names)
            case ["product_book"] if request.is_advanced_trade:
                return order_book(model, request, now_s, faults, products=names)
            case ["products", _, "book"] if not request.is_advanced_trade:
                return order_book(model, request, now_s, faults, products=names)
        return refusal(request, 404, "NOT_FOUND", "NotFound")


def _request(target: str) -> Request:
    split = urlsplit(target)
    query = dict(parse_qsl(split.query, keep_blank_values=True))
    path = unquote(split.path)
    _, _, rest = path.partition("/products/")
    return Request(target, path, query, rest.split("/")[0] or query.get("product_id", ""), window_s(query))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], exchange: RestExchange) -> None:
        self.exchange = exchange
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def stop(self) -> None:
        """Stop listening and close all connections."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Send head and body in one write: two writes would wait for the client's delayed acknowledgement."""
        exchange = self.server.exchange
        answer, fault = exchange.reply(self.path, no_cache="no-cache" in self.headers.get("Cache-Control", ""))
        if fault is None:
            self.connection.sendall(head(answer, exchange.now_s) + answer.body)
        elif not send(self.connection, answer, exchange.now_s, fault, self.server.stopping):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Log nothing: the request log has it."""
