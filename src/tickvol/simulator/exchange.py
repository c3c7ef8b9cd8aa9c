"""The simulated exchange: a local WebSocket server that speaks the protocol, one market clock for all clients.

The clock starts when the first client has subscribed. At a given speed it runs on its own, with or without clients, as
the real one does; at full speed it is driven by the frames sent and stands still while no client listens.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tickvol.core.times import NS_PER_S
from tickvol.exchange.coinbase import HEARTBEATS, TICKER
from tickvol.simulator.faults import ABRUPT, Action, Close, Cut, Fault, FaultLine
from tickvol.simulator.frames import EventSource, ExchangeEvent
from tickvol.simulator.session import ExchangeSession

log = logging.getLogger(__name__)

SETTLE_S = 0.2
"""A client that has not subscribed to heartbeats and ticker gets data this long after its last subscription."""
YIELD_EVERY = 64
NO_SUBSCRIPTION = 1008
END = 1000
END_REASON = "end of recording"
SHORT_FRAME, MEDIUM_FRAME = 126, 65536


@dataclass
class ExchangeCounts:
    """Counts of what was served."""

    connections: int = 0
    frames: int = 0
    events: int = 0


@dataclass(eq=False)
class _Link:
    socket: ServerConnection
    session: ExchangeSession
    faults: FaultLine | None
    settled: asyncio.TimerHandle | None = field(default=None)


class SimulatedExchange:
    """Serves one source of events to any number of clients.

    Parameters
    ----------
    speed : simulated seconds per second; None is as fast as the clients read.
    faults, fault_seed : faults of every connection, drawn from the seed and the connection's number.
    subscribe_timeout_s : a client without a subscription is closed after this long.
    """

    def __init__(
        self,
        source: EventSource,
        *,
        speed: float | None = 1.0,
        faults: Sequence[Fault] = (),
        fault_seed: int = 0,
        subscribe_timeout_s: float = 5.0,
    ) -> None:
        self.counts = ExchangeCounts()
        self._source = source
        self._speed = speed
        self._faults = tuple(faults)
        self._fault_seed = fault_seed
        self._subscribe_timeout_s = subscribe_timeout_s
        self._latest: dict[str, ExchangeEvent] = dict(source.opening)
        self._now_ns = source.start_ns
        self._alone_until_ns = 0
        self._links: set[_Link] = set()
        self._subscribers: list[_Link] = []
        self._audience_came = asyncio.Event()
        self._ended = False

    async def run(
        self, host: str, port: int, on_listening: Callable[[int], None], stop: asyncio.Event, *, exit_when_done: bool
    ) -> None:
        """Serve until `stop` is set, or with `exit_when_done` until the market has ended.

        Parameters
        ----------
        port : 0 chooses a free one.
        on_listening : called with the port once the server accepts connections.
        """
        async with serve(
            self._handle, host, port, compression=None, max_size=65536, close_timeout=2.0, logger=log.getChild("socket")
        ) as server:
            on_listening(server.sockets[0].getsockname()[1])
            market = asyncio.create_task(self._run_market())
            stopped = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({market, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if market.done():
                    market.result()
                    if not exit_when_done:
                        await stopped
            finally:
                market.cancel()
                stopped.cancel()

    async def _handle(self, socket: ServerConnection) -> None:
        number = self.counts.connections
        self.counts.connections += 1
        faults = FaultLine(self._faults, self._fault_seed, number, self._source.start_ns) if self._faults else None
        link = _Link(socket, ExchangeSession(self._source.products), faults)
        self._links.add(link)
        try:
            async with asyncio.timeout(self._subscribe_timeout_s):
                while not link.session.channels:
                    await self._answer(link, await socket.recv())
            if self._ended:
                await socket.close(END, END_REASON)
            while True:
                await self._answer(link, await socket.recv())
        except TimeoutError:
            await socket.close(NO_SUBSCRIPTION, f"no subscription within {self._subscribe_timeout_s:g} s")
        except ConnectionClosed:
            pass
        finally:
            self._links.discard(link)
            self._leave(link)

    async def _answer(self, link: _Link, message: str | bytes) -> None:
        for text in link.session.answer(message, self._now_ns, self._latest):
            await link.socket.send(text)
            self.counts.frames += 1
        if link in self._subscribers or not link.session.channels:
            return
        if link.settled is not None:
            link.settled.cancel()
        if {HEARTBEATS, TICKER} <= link.session.channels:
            self._enter(link)
        else:
            link.settled = asyncio.get_running_loop().call_later(SETTLE_S, self._enter, link)

    def _enter(self, link: _Link) -> None:
        if link in self._links and link not in self._subscribers:
            self._subscribers.append(link)
            self._audience_came.set()

    def _leave(self, link: _Link) -> None:
        if link.settled is not None:
            link.settled.cancel()
        if link in self._subscribers:
            self._subscribers.remove(link)
        if not self._subscribers:
            self._audience_came.clear()

    async def _run_market(self) -> None:
        await self._audience_came.wait()
        clock = asyncio.get_running_loop().time
        started_s = clock()
        for event in self._source.events:
            if self._speed is not None:
                due_s = started_s + (event.time_ns - self._source.start_ns) / (NS_PER_S * self._speed)
                if (wait_s := due_s - clock()) > 0:
                    await asyncio.sleep(wait_s)
            elif not self._subscribers and event.time_ns >= self._alone_until_ns:
                await self._audience_came.wait()
            self.counts.events += 1
            if self.counts.events % YIELD_EVERY == 0:
                await asyncio.sleep(0)
            self._now_ns = max(self._now_ns, event.time_ns)
            if event.channel == TICKER:
                for product_id in event.product_ids:
                    self._latest[product_id] = event
            for link in tuple(self._subscribers):
                await self._deliver(link, event)
        await self._end()

    async def _deliver(self, link: _Link, event: ExchangeEvent) -> None:
        if not link.session.wants(event):
            return
        text = link.session.number(event)
        try:
            if link.faults is None:
                await link.socket.send(text)
                self.counts.frames += 1
                return
            for action in link.faults.pass_frame(event.time_ns, text):
                await self._act(link, action)
        except ConnectionClosed:
            self._leave(link)

    async def _act(self, link: _Link, action: Action) -> None:
        if isinstance(action, str):
            await link.socket.send(action)
            self.counts.frames += 1
        elif isinstance(action, Close):
            self._leave(link)
            self._alone_until_ns = self._now_ns + action.outage_ns
            if action.code == ABRUPT:
                link.socket.transport.abort()
            else:
                await link.socket.close(action.code, "as asked for")
        elif isinstance(action, Cut):
            self._leave(link)
            link.socket.transport.write(_half_frame(action.text.encode()))
            link.socket.transport.close()
        elif self._speed is None:  # no clock but ours: the client must see real silence
            try:
                async with asyncio.timeout(action.for_ns / NS_PER_S):
                    await link.socket.wait_closed()
            except TimeoutError:
                return
            self._leave(link)

    async def _end(self) -> None:
        self._ended = True
        for link in tuple(self._links):
            try:
                for text in link.faults.flush() if link.faults else ():
                    await link.socket.send(text)
                    self.counts.frames += 1
                await link.socket.close(END, END_REASON)
            except ConnectionClosed:
                continue


def _half_frame(payload: bytes) -> bytes:
    """The first half of a WebSocket text frame: a header that announces all of `payload`, and half of it."""
    length = len(payload)
    if length < SHORT_FRAME:
        header = bytes([0x81, length])
    elif length < MEDIUM_FRAME:
        header = b"\x81\x7e" + length.to_bytes(2, "big")
    else:
        header = b"\x81\x7f" + length.to_bytes(8, "big")
    return header + payload[: length // 2]
