"""The seeded market: deterministic, independent products, and statistics worth learning from."""

import hashlib
import json
import tracemalloc
from itertools import islice

import numpy as np
import pytest

from tickvol.eventlog.frame_columns import Kind
from tickvol.eventlog.frames import FrameDecoder, Layout
from tickvol.simulator.market import MarketProduct, MarketSpec, market_blocks, market_products
from tickvol.simulator.market_events import market_source
from tickvol.simulator.session import market_frames

START_NS = 1_767_571_200_000_000_000  # 2026-01-05T00:00:00Z


def spec(products=("BTC-USD", "ETH-USD"), seed=7, seconds=600, **options):
    return MarketSpec(market_products(products, **options), seed, START_NS, seconds)


def fingerprint(frames):
    digest = hashlib.sha256()
    for frame in frames:
        digest.update(frame + b"\n")
    return digest.hexdigest()


def ticker_objects(market, product_id):
    return [event.tail for event in market_source(market).events if event.product_ids == (product_id,)]


def columns(market):
    decoder = FrameDecoder([product.product_id for product in market.products], 1 << 20)
    return decoder.decode(list(market_frames(market)), Layout.BARE)


def test_same_seed_gives_the_same_bytes():
    assert fingerprint(market_frames(spec())) == fingerprint(market_frames(spec()))


def test_other_seed_gives_other_bytes():
    assert fingerprint(market_frames(spec())) != fingerprint(market_frames(spec(seed=8)))


def test_a_longer_market_begins_with_the_shorter_one():
    short = list(market_frames(spec(seconds=50)))
    assert list(islice(market_frames(spec(seconds=600)), len(short))) == short


def test_a_product_does_not_depend_on_the_others():
    alone = ticker_objects(spec(("ETH-USD",)), "ETH-USD")
    assert ticker_objects(spec(("BTC-USD", "ETH-USD", "SOL-USD")), "ETH-USD") == alone


def test_sequence_counts_from_zero_without_a_hole():
    numbers = [json.loads(frame)["sequence_num"] for frame in market_frames(spec(seconds=60))]
    assert numbers == list(range(len(numbers)))


def test_every_frame_is_read_without_a_reject_and_in_order_of_time():
    frames = columns(spec(seconds=900))
    assert not np.any(frames.kind == Kind.REJECTED)
    assert not frames.rejected_tickers
    updates = frames.event_time_ns[4:]  # two answers, two snapshots
    assert np.all(np.diff(updates) >= 0)
    assert updates[-1] < START_NS + 900 * 10**9


def test_heartbeats_come_once_a_second_and_say_simulated():
    beats = [frame for frame in map(json.loads, market_frames(spec(seconds=120))) if frame["channel"] == "heartbeats"]
    assert [beat["events"][0]["heartbeat_counter"] for beat in beats] == list(range(120))
    assert all(beat["events"][0]["simulated"] is True for beat in beats)


def test_quotes_never_cross_and_numbers_are_written_as_the_exchange_does():
    tickers = [
        event["tickers"][0]
        for frame in map(json.loads, market_frames(spec(seconds=900)))
        if frame["channel"] == "ticker"
        for event in frame["events"]
    ]
    for ticker in tickers:
        assert 0 < float(ticker["best_bid"]) < float(ticker["best_ask"])
        for key, digits in (("price", 2), ("best_bid", 2), ("best_ask_quantity", 8), ("volume_24_h", 8)):
            whole, _, fraction = ticker[key].partition(".")
            assert whole.isdecimal()
            assert len(fraction) <= digits
            assert not fraction.endswith("0")
        assert float(ticker["best_bid_quantity"]) > 0


def test_prices_follow_the_product_increment():
    product = MarketProduct("ABC-EUR", start_price=512.0, price_decimals=0)
    market = MarketSpec((product,), 1, START_NS, 30)
    texts = [json.loads(frame)["events"][0]["tickers"][0]["best_bid"] for frame in list(market_frames(market))[1:2]]
    assert texts == ["512"]


@pytest.mark.parametrize("rate", [0.5, 3.0, 40.0])
def test_mean_tick_rate_is_the_one_asked_for(rate):
    seconds = 4 * 3600 if rate < 40 else 2400
    market = spec(("BTC-USD", "ETH-USD", "SOL-USD"), seconds=seconds, ticks_per_s=rate)
    ticks = sum(len(block.time_ns) for _, blocks in market_blocks(market) for block in blocks)
    assert ticks / seconds / 3 == pytest.approx(rate, rel=0.15)


def minute_vols(market):
    frames = columns(market)
    rows = np.repeat(np.arange(len(frames)), np.diff(frames.tick_begin))
    btc = frames.product == 0
    times = (frames.event_time_ns[rows[btc]] - START_NS) / 1e9
    mid = (frames.bid[btc] + frames.ask[btc]) / 2
    at = np.searchsorted(times, np.arange(1, market.duration_s + 1)) - 1
    returns = np.diff(np.log(mid[at]))
    minutes = len(returns) // 60
    return np.sqrt(np.sum(returns[: minutes * 60].reshape(minutes, 60) ** 2, axis=1)), returns


def test_volatility_clusters_and_returns_have_fat_tails():
    vols, returns = minute_vols(spec(seconds=6 * 3600))
    log_vols = np.log(vols)
    assert 0.25 < np.corrcoef(log_vols[1:], log_vols[:-1])[0, 1] < 0.8  # partly predictable, not trivially
    assert 2e-4 < np.median(vols) < 5e-4
    assert np.mean(returns**4) / np.mean(returns**2) ** 2 > 6
    assert abs(np.corrcoef(returns[1:], returns[:-1])[0, 1]) < 0.1


def test_activity_tells_of_the_volatility_that_follows():
    blocks = [block for _, (block,) in market_blocks(spec(("BTC-USD",), seconds=6 * 3600))]
    activity = np.array([block.activity.mean() if len(block.activity) else np.nan for block in blocks])
    log_vol = np.log([block.second_vol.mean() if len(block.second_vol) else np.nan for block in blocks])
    lead = np.corrcoef(activity[:-2], log_vol[2:])[0, 1]
    lag = np.corrcoef(activity[2:], log_vol[:-2])[0, 1]
    assert lead > lag + 0.1


def test_memory_does_not_grow_with_the_length():
    tracemalloc.start()
    size = sum(len(frame) for frame in islice(market_frames(spec(seconds=None)), 15_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 5_000_000
    assert peak < 500_000
