"""Records of the event log: ticks, heartbeats and gaps, as they are sent (JSON, prices as the exchange's text).

A tick on the wire::

    {"type":"tick","product_id":"BTC-USD","event_time_ns":1775427313925327620,"receive_time_ns":1775427313930000000,
     "connection_id":"20260405T223513Z.1","sequence_num":0,"price":"67468.26","best_bid":"67468.26","best_ask":"67469.62",
     "best_bid_quantity":"0.00275905","best_ask_quantity":"0.17950856","volume_24_h":"3057.53218222"}
"""

import enum

import msgspec


class GapReason(enum.IntEnum):
    """Reason why a stretch of the log is unknown."""

    JUMP = 0
    RECONNECT = 1
    SILENCE = 2
    CAPTURE_DOWN = 3

    @property
    def label(self) -> str:
        """The reason as records and reports spell it."""
        return self.name.lower()


class Tick(msgspec.Struct, frozen=True, tag_field="type", tag="tick", omit_defaults=True, gc=False):
    """One change of a product's top of book; times in ns since the epoch (UTC)."""

    product_id: str
    event_time_ns: int
    receive_time_ns: int
    connection_id: str
    sequence_num: int
    price: str
    best_bid: str
    best_ask: str
    best_bid_quantity: str | None = None
    best_ask_quantity: str | None = None
    volume_24_h: str | None = None


class Heartbeat(msgspec.Struct, frozen=True, tag_field="type", tag="heartbeat", omit_defaults=True, gc=False):
    """A sign that time passes without trades, one per subscribed product; `simulated` marks a simulated market."""

    product_id: str
    event_time_ns: int
    receive_time_ns: int
    connection_id: str
    sequence_num: int
    simulated: bool = False


class Gap(msgspec.Struct, frozen=True, tag_field="type", tag="gap", omit_defaults=True, gc=False):
    """A stretch in which data were or may have been lost; both bounds are event times and inclusive."""

    product_id: str
    from_time_ns: int
    to_time_ns: int
    reason: str
    first_missing: int | None = None
    last_missing: int | None = None


Record = Tick | Heartbeat | Gap

PRODUCT_PATTERN = r"^[A-Z0-9]{1,16}-[A-Z0-9]{1,16}$"

VOUCHED = ("origin", b"tracker")
"""Header of messages whose record the tracker made: it has confirmed the time with all products of the connection."""
