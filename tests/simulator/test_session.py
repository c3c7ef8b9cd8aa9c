"""The protocol without a network: who may subscribe to what, and how frames are numbered."""

import json

import pytest

from tickvol.exchange.coinbase import subscribe_message
from tickvol.simulator.frames import timestamp_text
from tickvol.simulator.market import MarketSpec, market_products
from tickvol.simulator.market_events import market_source
from tickvol.simulator.session import ExchangeSession

PRODUCTS = ("BTC-USD", "ETH-USD")
START_NS = 1_767_571_200_000_000_000


@pytest.fixture
def source():
    return market_source(MarketSpec(market_products(PRODUCTS), 7, START_NS, 60))


@pytest.fixture
def session(source):
    return ExchangeSession(source.products)


def answers(session, source, message):
    return [json.loads(text) for text in session.answer(message, START_NS, source.opening)]


def test_ticker_is_answered_by_snapshots_then_by_subscriptions(session, source):
    frames = answers(session, source, subscribe_message("ticker", PRODUCTS))
    assert [frame["channel"] for frame in frames] == ["ticker", "ticker", "subscriptions"]
    assert [frame["sequence_num"] for frame in frames] == [0, 1, 2]
    assert [frame["events"][0]["type"] for frame in frames[:2]] == ["snapshot", "snapshot"]
    assert frames[2]["events"] == [{"subscriptions": {"ticker": ["BTC-USD", "ETH-USD"]}}]


def test_subscriptions_are_listed_cumulatively(session, source):
    answers(session, source, subscribe_message("heartbeats", PRODUCTS))
    frames = answers(session, source, subscribe_message("ticker", ["ETH-USD"]))
    assert frames[-1]["events"] == [{"subscriptions": {"heartbeats": ["heartbeats"], "ticker": ["ETH-USD"]}}]


def test_frames_have_the_fields_of_the_exchange_in_its_order(session, source):
    (snapshot, *_) = answers(session, source, subscribe_message("ticker", ["BTC-USD"]))
    assert list(snapshot) == ["channel", "timestamp", "sequence_num", "events"]
    assert list(snapshot["events"][0]["tickers"][0]) == [
        "type",
        "product_id",
        "price",
        "volume_24_h",
        "low_24_h",
        "high_24_h",
        "low_52_w",
        "high_52_w",
        "price_percent_chg_24_h",
        "best_bid",
        "best_ask",
        "best_bid_quantity",
        "best_ask_quantity",
    ]


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        ('{"type":"subscribe","channels":["ticker","heartbeats"],"product_ids":["BTC-USD"]}', "one channel a message"),
        ('{"type":"subscribe","channel":["ticker","heartbeats"]}', "not understood"),
        ('{"type":"subscribe","channel":"trades","product_ids":["BTC-USD"]}', "channel 'trades'"),
        ('{"type":"subscribe","product_ids":["BTC-USD"]}', "channel None"),
        ('{"type":"subscribe","channel":"ticker","product_ids":["DOGE-USD"]}', "DOGE-USD: unknown product"),
        ('{"type":"hello","channel":"ticker"}', "subscribe or unsubscribe"),
        ("subscribe please", "not understood"),
        ("[]", "not understood"),
        (b"\xff\xfe", "not understood"),
    ],
)
def test_wrong_messages_get_an_error_frame_without_a_number(session, source, message, rule):
    (frame,) = answers(session, source, message)
    assert frame["type"] == "error"
    assert rule in frame["message"]
    assert "sequence_num" not in frame
    assert not session.channels


def test_only_what_is_subscribed_is_wanted(session, source):
    answers(session, source, subscribe_message("ticker", ["ETH-USD"]))
    events = list(source.events)
    wanted = [event for event in events if session.wants(event)]
    assert {event.product_ids for event in wanted} == {("ETH-USD",)}
    assert len(wanted) < len(events)


def test_unsubscribed_products_are_no_longer_wanted(session, source):
    answers(session, source, subscribe_message("ticker", PRODUCTS))
    (frame,) = answers(session, source, '{"type":"unsubscribe","channel":"ticker","product_ids":["BTC-USD"]}')
    assert frame["events"] == [{"subscriptions": {"ticker": ["ETH-USD"]}}]
    answers(session, source, '{"type":"unsubscribe","channel":"ticker"}')
    assert not session.channels


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (1_775_428_513_925_327_620, "2026-04-05T22:35:13.92532762Z"),
        (1_775_428_513_000_000_000, "2026-04-05T22:35:13Z"),
        (1_775_428_513_000_000_001, "2026-04-05T22:35:13.000000001Z"),
    ],
)
def test_timestamps_have_as_many_decimals_as_needed(time_ns, text):
    assert timestamp_text(time_ns) == text
