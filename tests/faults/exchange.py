"""An exchange that misbehaves when it is told to, and knows what it sent, when, and to whom it could not.

Its market goes on by our clock whether anyone listens or not: a ticker every 25 ms, the products in turn, and a
heartbeat each second. It runs in a thread of its own.
"""

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from tests.eventlog import wire
from tickvol.simulator.exchange import _half_frame

TICK_S = 0.025
PRODUCTS = (wire.BTC, wire.ETH)


@dataclass(frozen=True)
class Said:
    """One event of the market; `connection` counts those that were accepted, None where nobody got it."""

    time_ns: int
    product_id: str | None
    connection: int | None
    sequence_num: int | None


class UnrulyExchange:
    """Serves one client at a time on a fixed port of the loopback.

    Attributes
    ----------
    said : the market's events in order.
    accepted : monotonic seconds of each TCP connection.
    """

    def __init__(self, certificate=None, key=None):
        self.said = []
        self.accepted = []
        self.port = 0
        self._context = _context(certificate, key) if certificate else None
        self._server = None
        self._client = None
        self._number = 0
        self._sequence = 0
        self._drop = 0
        self._answers = True
        self._speaks = True
        self._mute = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._do(self._listen(self._context))
        self._market = asyncio.run_coroutine_threadsafe(self._run_market(), self._loop)
        return self

    def __exit__(self, *_):
        self._market.cancel()
        self._do(self._deafen())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self):
        return f"{'wss' if self._context else 'ws'}://localhost:{self.port}"

    @property
    def connections(self):
        """How many were opened."""
        return self._number

    def heard(self, connection):
        """Events that a connection, or one after it, got."""
        return sum(said.connection is not None and said.connection >= connection for said in self.said)

    def close(self, code):
        """End the connection with a close code; 1006 ends it without a word."""
        self._do(self._end(code))

    def reset(self):
        """End it by a TCP reset."""
        self._do(self._reset())

    def cut(self):
        """Break off in the middle of a frame."""
        self._do(self._cut())

    def jump(self, count):
        """Number the next events but do not send them."""
        self._drop = count

    def fall_silent(self):
        """Say nothing more on this connection, which stays open."""
        self._mute = True

    def ignore_subscriptions(self, *, on):
        """Take connections and answer nothing on them."""
        self._answers = not on

    def refuse(self, seconds):
        """Nobody listens for a while; the moment of the return, in ns."""
        return self._do(self._away(seconds, None), seconds)

    def show_other_certificate(self, seconds, certificate, key):
        """Another server answers for a while; the moment of the return, in ns."""
        return self._do(self._away(seconds, _context(certificate, key)), seconds)

    def _do(self, coroutine, seconds=0.0):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(seconds + 20)

    async def _listen(self, context):
        self._server = await serve(
            self._handle,
            "localhost",
            self.port,
            family=socket.AF_INET,
            ssl=context,
            compression=None,
            close_timeout=0.2,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _deafen(self):
        client = await self._leave()
        if client is not None:
            client.transport.abort()
        self._server.close()
        await self._server.wait_closed()

    async def _away(self, seconds, context):
        await self._deafen()
        if context is not None:
            await self._listen(context)
        await asyncio.sleep(seconds)
        if context is not None:
            await self._deafen()
        await self._listen(self._context)
        return time.time_ns()

    async def _handle(self, client):
        self.accepted.append(time.monotonic())
        number, self._number = self._number, self._number + 1
        self._sequence, self._mute, answers = 0, False, self._answers
        with contextlib.suppress(ConnectionClosed):
            wanted = set()
            while len(wanted) < 2:
                wanted.add(json.loads(await client.recv())["channel"])
            if answers:
                now = time.time_ns()
                await client.send(self._numbered(wire.frame("subscriptions", 0, now, [])))
                self._client, self._speaks = client, number
            await client.wait_closed()
        if self._client is client:
            self._client = None

    def _numbered(self, frame):
        self._sequence += 1
        return frame.decode().replace('"sequence_num": 0', f'"sequence_num": {self._sequence - 1}', 1)

    async def _run_market(self):
        begun, count = time.monotonic(), 0
        while True:
            await asyncio.sleep(max(0.0, begun + count * TICK_S - time.monotonic()))
            product_id = None if count % 40 == 39 else PRODUCTS[count % 2]
            await self._say(product_id, count)
            count += 1

    async def _say(self, product_id, count):
        now = time.time_ns()
        client, connection, sequence = self._client, None, None
        if client is not None and not self._mute:
            quote = {"bid": f"{67000 + count % 7}.10", "ask": f"{67000 + count % 7}.30"}
            frame = wire.heartbeat(0, now) if product_id is None else wire.ticker(0, now, product_id, **quote)
            text, sequence = self._numbered(frame), self._sequence - 1
            if self._drop:
                self._drop -= 1
            else:
                with contextlib.suppress(ConnectionClosed):
                    await client.send(text)
                    connection = self._speaks
        self.said.append(Said(now, product_id, connection, sequence))

    async def _leave(self):
        """Whoever is cut off has read what was sent before."""
        client, self._client = self._client, None
        await asyncio.sleep(0.2)
        return client

    async def _end(self, code):
        client = await self._leave()
        if code == 1006:
            client.transport.abort()
        else:
            await client.close(code, "as asked for")

    async def _reset(self):
        client = await self._leave()
        raw = client.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.transport.abort()

    async def _cut(self):
        client = await self._leave()
        client.transport.write(_half_frame(wire.ticker(self._sequence, time.time_ns(), wire.BTC)))
        await asyncio.sleep(0.05)
        client.transport.abort()


def _context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
