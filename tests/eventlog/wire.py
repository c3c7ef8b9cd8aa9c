"""Frames and archive lines as the exchange and the capture write them, for tests of what reads them."""

import json
from datetime import UTC, datetime

from tickvol.eventlog.archive_lines import Control, control_line, frame_line

START_NS = 1_775_347_200 * 10**9
"""2026-04-05T00:00:00Z."""
SECOND = 10**9
MS = 10**6
BTC, ETH = "BTC-USD", "ETH-USD"


def stamp(time_ns):
    """RFC 3339 with nine fractional digits."""
    seconds, fraction = divmod(time_ns, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def quote(product_id=BTC, bid="67223.49", ask="67223.50", **changes):
    fields = {
        "type": "ticker",
        "product_id": product_id,
        "price": ask,
        "best_bid": bid,
        "best_ask": ask,
        "best_bid_quantity": "0.56309243",
        "best_ask_quantity": "0.25094364",
    } | changes
    return {name: value for name, value in fields.items() if value is not ...}


def frame(channel, sequence_num, time_ns, events, **changes):
    fields = {
        "channel": channel,
        "client_id": "",
        "timestamp": stamp(time_ns),
        "sequence_num": sequence_num,
        "events": events,
    } | changes
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def ticker(sequence_num, time_ns, *products, **changes):
    """A ticker frame with one quote for each product (default BTC-USD); `changes` are made to each quote."""
    quotes = [quote(product_id, **changes) for product_id in products or (BTC,)]
    return frame("ticker", sequence_num, time_ns, [{"type": "update", "tickers": quotes}])


def heartbeat(sequence_num, time_ns):
    return frame("heartbeats", sequence_num, time_ns, [{"heartbeat_counter": str(sequence_num)}])


def wrap(bare, receive_time_ns, connection_id="c1"):
    """A line of the raw archive, without its line feed."""
    return frame_line(receive_time_ns, connection_id, bare).rstrip(b"\n")


def control(name, receive_time_ns=START_NS, connection_id="c1", reason=None):
    """A control line of the raw archive; a connection id for those that need one."""
    named = connection_id if name.startswith("connection") else None
    return control_line(receive_time_ns, Control(name), connection_id=named, reason=reason).rstrip(b"\n")


def minute_of_ticks(start_ns=START_NS, seconds=60, first=0, product_id=BTC):
    """One bare ticker frame a second, the mid moving a little."""
    return [
        ticker(first + i, start_ns + i * SECOND, product_id, bid=f"{67000 + i % 7}.10", ask=f"{67000 + i % 7}.30")
        for i in range(seconds)
    ]


def file_of(lines):
    return b"".join(line + b"\n" for line in lines)
