"""Frames in the exchange's own format: field order, timestamps and numbers without trailing zeros.

A frame is split around its sequence number, which only the connection that sends it knows::

    {"channel":"ticker","timestamp":"2026-04-05T22:35:14.009945409Z","sequence_num":     head
    2                                                                                    number
    ,"events":[{"type":"update","tickers":[{"type":"ticker","product_id":"BTC-USD",...}]}]}   tail
"""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from tickvol.core.times import NS_PER_S
from tickvol.exchange.coinbase import HEARTBEATS, SUBSCRIPTIONS


class ExchangeEvent(NamedTuple):
    """One frame before it is numbered; `tail` None means that `head` is sent unchanged, without a number."""

    time_ns: int
    channel: str
    product_ids: tuple[str, ...]
    head: str
    tail: str | None

    def frame(self, sequence_num: int) -> str:
        """The whole frame with a number of its connection."""
        return self.head if self.tail is None else f"{self.head}{sequence_num}{self.tail}"


@dataclass(frozen=True)
class EventSource:
    """Events of an exchange, from a seeded market or recorded files.

    `opening` holds the ticker of a product before the first of `events`, which are in order of time.
    """

    products: tuple[str, ...]
    start_ns: int
    opening: Mapping[str, ExchangeEvent]
    events: Iterator[ExchangeEvent]


@functools.lru_cache(maxsize=64)
def second_text(second: int) -> str:
    """Format seconds since the epoch as `2026-04-05T22:35:14`."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def timestamp_text(time_ns: int) -> str:
    """RFC 3339 in UTC with as many decimals as needed, none for a whole second: `2026-04-05T22:35:13.92532762Z`."""
    second, fraction = divmod(time_ns, NS_PER_S)
    if not fraction:
        return second_text(second) + "Z"
    return f"{second_text(second)}.{fraction:09d}".rstrip("0") + "Z"


def frame_head(channel: str, time_ns: int) -> str:
    """A frame up to its sequence number."""
    return f'{{"channel":"{channel}","timestamp":"{timestamp_text(time_ns)}","sequence_num":'


def ticker_tail(kind: str, tickers: Iterable[str]) -> str:
    """The part of a ticker frame after the number; `kind` is `snapshot` or `update`."""
    return f',"events":[{{"type":"{kind}","tickers":[{",".join(tickers)}]}}]}}'


def heartbeat_event(time_ns: int, counter: int, uptime_ns: int, *, simulated: bool) -> ExchangeEvent:
    """The heartbeat of one second; each heartbeat of a simulated market is marked as such."""
    clock = f"{second_text(time_ns // NS_PER_S).replace('T', ' ')}.{time_ns % NS_PER_S:09d} +0000 UTC"
    uptime = f"m=+{uptime_ns // NS_PER_S}.{uptime_ns % NS_PER_S:09d}"
    mark = ',"simulated":true' if simulated else ""
    tail = f',"events":[{{"current_time":"{clock} {uptime}","heartbeat_counter":{counter}{mark}}}]}}'
    return ExchangeEvent(time_ns, HEARTBEATS, (), frame_head(HEARTBEATS, time_ns), tail)


def subscriptions_event(time_ns: int, subscribed: Mapping[str, Iterable[str]]) -> ExchangeEvent:
    """The response to a subscribe message: all channels of the connection so far."""
    listed = {channel: sorted(products) for channel, products in sorted(subscribed.items())}
    tail = f',"events":[{{"subscriptions":{json.dumps(listed, separators=(",", ":"))}}}]}}'
    return ExchangeEvent(time_ns, SUBSCRIPTIONS, (), frame_head(SUBSCRIPTIONS, time_ns), tail)


def error_frame(message: str) -> str:
    """The response to a message that breaks a rule; it has no number."""
    return json.dumps({"type": "error", "message": message}, separators=(",", ":"))
