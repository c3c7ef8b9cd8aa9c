"""One client's connection to the simulated exchange without any network: subscriptions in, numbered frames out.

A subscribe message, its response::

    {"type":"subscribe","product_ids":["BTC-USD"],"channel":"ticker"}
    {"channel":"subscriptions","timestamp":"...","sequence_num":1,"events":[{"subscriptions":{"ticker":["BTC-USD"]}}]}
"""

from collections.abc import Collection, Iterator, Mapping

import msgspec

from tickvol.exchange.coinbase import CHANNELS, HEARTBEATS, TICKER, WIRE_CHANNELS, subscribe_message
from tickvol.simulator.frames import (
    ExchangeEvent,
    error_frame,
    frame_head,
    subscriptions_event,
)
from tickvol.simulator.market import MarketSpec
from tickvol.simulator.market_events import market_source

STEP_NS = 8_000
"""Time between two frames of the response to one message."""


class _Request(msgspec.Struct):
    type: str
    channel: str | None = None
    product_ids: list[str] = []
    channels: list[object] | None = None


_decode = msgspec.json.Decoder(_Request).decode


class ExchangeSession:
    """Subscriptions and numbering of one connection.

    Parameters
    ----------
    products : the exchange's products.
    """

    def __init__(self, products: Collection[str]) -> None:
        self._products = frozenset(products)
        self._subscribed: dict[str, set[str]] = {}
        self._wanted: dict[str, set[str]] = {}
        self._sequence_num = 0

    @property
    def channels(self) -> frozenset[str]:
        """Subscribed channels."""
        return frozenset(self._subscribed)

    def answer(self, message: str | bytes, now_ns: int, latest: Mapping[str, ExchangeEvent]) -> list[str]:
        """Frames in response to a client's message.

        Parameters
        ----------
        now_ns : the market's time.
        latest : last ticker event of each product, which a new subscriber gets as `snapshot`.
        """
        try:
            request = _decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return [error_frame(f"message is not understood: {error}")]
        problem = self._problem(request)
        if problem:
            return [error_frame(problem)]
        channel = request.channel or ""
        products = {HEARTBEATS} if channel == HEARTBEATS else set(request.product_ids) or set(self._products)
        if request.type == "unsubscribe":
            self._unsubscribe(channel, products)
        else:
            self._subscribed.setdefault(channel, set()).update(products)
        self._wanted = {WIRE_CHANNELS.get(name, name): listed for name, listed in self._subscribed.items()}
        events: list[ExchangeEvent] = []
        if channel == TICKER and request.type == "subscribe":
            known = dict.fromkeys(latest[product] for product in sorted(products) if product in latest)
            events += [_snapshot(event, now_ns + i * STEP_NS) for i, event in enumerate(known)]
        events.append(subscriptions_event(now_ns + len(events) * STEP_NS, self._subscribed))
        return [self.number(event) for event in events]

    def wants(self, event: ExchangeEvent) -> bool:
        """True if the client has subscribed to the event's channel and product."""
        if event.channel == HEARTBEATS:
            return HEARTBEATS in self._wanted
        products = self._wanted.get(event.channel)
        return products is not None and (not event.product_ids or not products.isdisjoint(event.product_ids))

    def number(self, event: ExchangeEvent) -> str:
        """Return the frame with this connection's next number."""
        text = event.frame(self._sequence_num)
        if event.tail is not None:
            self._sequence_num += 1
        return text

    def _problem(self, request: _Request) -> str | None:
        if request.type not in ("subscribe", "unsubscribe"):
            return f"type {request.type!r}: must be subscribe or unsubscribe"
        if request.channels is not None:
            return "channels: one channel a message, named by channel"
        if request.channel not in CHANNELS:
            return f"channel {request.channel!r}: unknown, one of {', '.join(CHANNELS)}"
        unknown = sorted(set(request.product_ids) - self._products)
        return f"product_ids {', '.join(unknown)}: unknown product" if unknown else None

    def _unsubscribe(self, channel: str, products: set[str]) -> None:
        left = self._subscribed.get(channel, set()) - products
        if left:
            self._subscribed[channel] = left
        else:
            self._subscribed.pop(channel, None)


def _snapshot(event: ExchangeEvent, now_ns: int) -> ExchangeEvent:
    tail = (event.tail or "").replace('"type":"update"', '"type":"snapshot"', 1)
    return ExchangeEvent(now_ns, TICKER, event.product_ids, frame_head(TICKER, now_ns), tail)


def market_frames(spec: MarketSpec) -> Iterator[bytes]:
    """The seeded market as sent to a client that subscribes to heartbeats, then to the ticker of all products.

    Bare frames without line feeds, the same bytes that the server sends to such a client at full speed; memory does not
    grow with their number.
    """
    source = market_source(spec)
    session = ExchangeSession(source.products)
    for channel in (HEARTBEATS, TICKER):
        for text in session.answer(subscribe_message(channel, source.products), source.start_ns, source.opening):
            yield text.encode()
    number = session.number
    for event in source.events:
        yield number(event).encode()
