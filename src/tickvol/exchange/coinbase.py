"""The protocol of Coinbase Advanced Trade's market data feed: channels and the subscribe message.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels
"""

from collections.abc import Sequence

import msgspec

HEARTBEATS = "heartbeats"
TICKER = "ticker"
SUBSCRIPTIONS = "subscriptions"
CHANNELS = (HEARTBEATS, TICKER, "ticker_batch", "market_trades", "candles", "level2", "status")
"""Channels that a client can subscribe to."""
WIRE_CHANNELS = {"level2": "l2_data"}
"""Channels whose frames carry another name than the subscription."""


def subscribe_message(channel: str, products: Sequence[str]) -> str:
    """The message that subscribes to one channel.

    >>> subscribe_message("ticker", ["BTC-USD"])
    '{"type":"subscribe","product_ids":["BTC-USD"],"channel":"ticker"}'
    """
    return msgspec.json.encode({"type": "subscribe", "product_ids": list(products), "channel": channel}).decode()
