"""The feed against the simulated exchange over loopback: every fault and close code, silence, refusals."""

import asyncio
import base64
import contextlib
import gzip
import json
import logging
import ssl
import time
from collections import Counter

import msgspec
import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from tests.capture.certificates import self_signed
from tickvol.capture.feed import Feed, FeedSpec
from tickvol.capture.live_counts import CaptureCounts, TrackerSpec
from tickvol.capture.reconnect import ConnectLimiter
from tickvol.core.backoff import Backoff
from tickvol.eventlog.archive_lines import ArchiveLine
from tickvol.eventlog.raw_archive import ArchiveSpec, RawArchive
from tickvol.simulator.exchange import SimulatedExchange
from tickvol.simulator.faults import parse_fault
from tickvol.simulator.market import MarketSpec, market_products
from tickvol.simulator.market_events import market_source
from tickvol.simulator.session import market_frames

PRODUCTS = ("BTC-USD", "ETH-USD")
START_NS = 1_767_571_200_000_000_000


class Capture:
    """A feed with its archive and figures, on a quick back-off."""

    def __init__(self, directory, url, *, products=PRODUCTS, stop_on_close=True, silence_s=5.0, max_bytes=1 << 20):
        tracker = TrackerSpec(PRODUCTS, 1 << 20, grace_ms=250, max_ahead_s=5.0)
        self.directory = directory
        self.figures = CaptureCounts(tracker)
        self.archive = RawArchive(ArchiveSpec(directory, 30, 1), self.figures.add)
        self.backoff = Backoff(initial_s=0.01, maximum_s=0.05, multiplier=2, jitter=0.5, random=lambda: 0.0)
        self.feed = Feed(
            FeedSpec(url, products, 5.0, silence_s, max_bytes),
            self.archive,
            self.backoff,
            ConnectLimiter(8, time.monotonic),
            stop_on_close=stop_on_close,
        )

    async def run(self, duration_s=20.0):
        self.archive.start(time.time_ns(), list(PRODUCTS))
        task = asyncio.create_task(self.feed.run())
        try:
            await asyncio.wait({task}, timeout=duration_s)
            if task.done():
                task.result()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self.archive.stop(time.time_ns())
            self.figures.settle()
        self.adds_up()

    def lines(self):
        texts = [gzip.decompress(path.read_bytes()) for path in sorted(self.directory.iterdir())]
        return [msgspec.json.decode(line, type=ArchiveLine) for text in texts for line in text.splitlines()]

    def frames(self):
        return [
            line.frame.encode() if line.frame is not None else base64.b64decode(line.frame_base64)
            for line in self.lines()
            if line.control is None
        ]

    def closings(self):
        return [line.reason for line in self.lines() if line.control == "connection_closed"]

    def adds_up(self):
        counts, lines = self.figures.frames, self.lines()
        assert counts.frames == self.archive.counts.frames == len(self.frames())
        assert counts.waiting == 0
        assert self.archive.counts.lines == len(lines)
        opened = Counter(line.control for line in lines)["connection_opened"]
        assert self.feed.counts.opened == opened
        assert self.feed.counts.closed == Counter(self.closings())


def captured(tmp_path, *faults, seconds=60, duration_s=20.0, **options):
    async def run():
        market = MarketSpec(market_products(PRODUCTS), 7, START_NS, seconds)
        exchange = SimulatedExchange(
            market_source(market), speed=None, faults=[parse_fault(text) for text in faults], fault_seed=5
        )
        stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
        server = asyncio.create_task(exchange.run("127.0.0.1", 0, port.set_result, stop, exit_when_done=False))
        capture = Capture(tmp_path / "raw", f"ws://127.0.0.1:{await port}", **options)
        try:
            await capture.run(duration_s)
        finally:
            stop.set()
            await server
        return capture

    return asyncio.run(run())


def market_length(seconds=60):
    return len(list(market_frames(MarketSpec(market_products(PRODUCTS), 7, START_NS, seconds))))


def test_every_frame_is_archived_as_it_was_sent(tmp_path):
    capture = captured(tmp_path)
    assert capture.frames() == list(market_frames(MarketSpec(market_products(PRODUCTS), 7, START_NS, 60)))
    assert capture.figures.frames.jumps == 0
    assert [line.control for line in capture.lines() if line.control] == [
        "capture_started",
        "connection_opened",
        "connection_closed",
        "capture_stopped",
    ]
    assert {line.connection_id for line in capture.lines() if line.control is None} == {
        capture.archive.capture_id + "-1"
    }


def test_figures_name_ticks_prices_and_simulation(tmp_path):
    capture = captured(tmp_path)
    tickers = [
        ticker
        for frame in map(json.loads, capture.frames())
        if frame["channel"] == "ticker"
        for event in frame["events"]
        for ticker in event["tickers"]
    ]
    assert capture.figures.ticks == Counter(ticker["product_id"] for ticker in tickers)
    assert capture.figures.prices == {ticker["product_id"]: ticker["price"] for ticker in tickers}
    assert sum(capture.figures.rates().values()) > 0


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011])
def test_closed_connection_is_made_again(tmp_path, code):
    options = {"stop_on_close": False, "duration_s": 1.0} if code == 1000 else {}
    capture = captured(tmp_path, f"disconnect:at=20s:code={code}", **options)
    assert capture.feed.counts.opened >= 2
    assert capture.closings()[0] == "reconnect"
    assert capture.figures.ticks.total() > 100


def test_connection_broken_in_the_middle_of_a_frame_loses_only_that_frame(tmp_path):
    capture = captured(tmp_path, "half-frame:every=25s")
    assert capture.closings() == ["reconnect"] * 3
    assert not capture.figures.frames.rejected
    # Each new connection is greeted by two snapshots and two answers; each break loses a frame.
    assert len(capture.frames()) == market_length() + 2 * 4 - 2


def test_silence_is_a_dead_feed(tmp_path):
    capture = captured(tmp_path, "silence:at=20s:for=30s", silence_s=0.3)
    assert capture.closings() == ["silence", "reconnect"]
    assert capture.figures.gaps["silence"] == 2  # each product ends its own gap


def test_reconnect_is_a_gap_up_to_the_next_tick(tmp_path):
    capture = captured(tmp_path, "disconnect:at=20s:for=10s:code=1011")
    assert capture.figures.gaps == {"reconnect": 2}


def test_drops_are_counted_as_jumps(tmp_path):
    capture = captured(tmp_path, "drop:0.05", seconds=300)
    missing = market_length(300) - len(capture.frames())
    assert capture.figures.frames.missing == missing > 50
    assert 0 < capture.figures.frames.jumps <= missing
    assert capture.figures.gaps["jump"] == 2 * capture.figures.frames.jumps


def test_duplicates_and_disorder_within_the_grace_are_no_gap(tmp_path):
    capture = captured(tmp_path, "duplicate:0.1", "reorder:0.1:200ms")
    assert capture.figures.frames.missing == 0
    assert not capture.figures.gaps
    assert len(capture.frames()) > market_length()


def test_bad_json_is_archived_and_counted(tmp_path):
    capture = captured(tmp_path, "bad-json:0.05", seconds=300)
    rejected = capture.figures.frames.rejected
    assert rejected["not_json"] > 50
    assert len(capture.frames()) == market_length(300)


def test_skewed_clocks_are_not_confirmed(tmp_path):
    capture = captured(tmp_path, "skewed-clock:0.01:300s", seconds=300)
    assert capture.figures.frames.rejected["unconfirmed_time"] > 5


def test_unknown_product_is_said_and_tried_again(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        capture = captured_for(tmp_path, 0.6, products=("BTC-USD", "DOGE-USD"), silence_s=0.1)
    assert "the exchange refuses" in caplog.text
    assert "DOGE-USD: unknown product" in caplog.text
    assert capture.feed.counts.opened > 1


def captured_for(tmp_path, duration_s, **options):
    async def run():
        market = MarketSpec(market_products(PRODUCTS), 7, START_NS, 60)
        exchange = SimulatedExchange(market_source(market), speed=None)
        stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
        server = asyncio.create_task(exchange.run("127.0.0.1", 0, port.set_result, stop, exit_when_done=False))
        capture = Capture(tmp_path / "raw", f"ws://127.0.0.1:{await port}", stop_on_close=False, **options)
        await capture.run(duration_s)
        stop.set()
        await server
        return capture

    return asyncio.run(run())


def test_too_large_a_message_closes_the_connection(tmp_path):
    capture = captured_for(tmp_path, 0.3, max_bytes=300)
    assert capture.feed.counts.closed["reconnect"] >= 1
    assert all(len(frame) <= 300 for frame in capture.frames())


def against(handler, tmp_path, duration_s=1.0, **options):
    async def run():
        async with serve(handler, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            capture = Capture(tmp_path / "raw", f"ws://127.0.0.1:{port}", stop_on_close=False, **options)
            await capture.run(duration_s)
            return capture

    return asyncio.run(run())


def test_never_more_than_eight_connects_a_second(tmp_path):
    async def slam(socket):
        await socket.close(1013)

    capture = against(slam, tmp_path, duration_s=0.9)
    assert 2 <= capture.feed.counts.opened <= 8


def test_a_connect_counts_from_when_the_server_has_seen_it(tmp_path):
    events = []

    def seen(connection, request):
        events.append("seen")

    class Watched(ConnectLimiter):
        def note(self):
            events.append("counted")
            super().note()

    async def run():
        async with serve(lambda socket: socket.close(1013), "127.0.0.1", 0, process_request=seen) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            capture = Capture(tmp_path / "raw", url, stop_on_close=False)
            capture.feed._limiter = Watched(8, time.monotonic)
            await capture.run(0.4)

    asyncio.run(run())
    assert events[:6] == ["seen", "counted"] * 3


def test_backoff_starts_over_only_after_data(tmp_path):
    waits = []

    async def refuse_then_deliver(socket):
        await socket.recv()
        if len(waits) >= 3:
            await socket.send(
                '{"channel":"heartbeats","timestamp":"2026-01-05T00:00:00Z","sequence_num":0,"events":[]}'
            )
        else:
            await socket.send('{"type":"error","message":"not today"}')
        await socket.close(1011)

    class Watched(Backoff):
        def next_wait_s(self):
            waits.append(super().next_wait_s())
            return 0.0

    async def run():
        async with serve(refuse_then_deliver, "127.0.0.1", 0) as server:
            capture = Capture(
                tmp_path / "raw", f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", stop_on_close=False
            )
            capture.feed._backoff = Watched(initial_s=1, maximum_s=60, multiplier=2, jitter=0, random=lambda: 0)
            await capture.run(0.6)

    asyncio.run(run())
    assert waits[:4] == [1, 2, 4, 1]


def test_nothing_listens_is_tried_for_ever(tmp_path):
    async def run():
        async with serve(lambda socket: None, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
        capture = Capture(tmp_path / "raw", f"ws://127.0.0.1:{port}")
        await capture.run(0.5)
        return capture

    capture = asyncio.run(run())
    assert capture.feed.counts.failed >= 3
    assert [line.control for line in capture.lines()] == ["capture_started", "capture_stopped"]


def test_stop_keeps_what_had_arrived_and_closes_no_connection(tmp_path):
    sent = 0

    async def flood(socket):
        nonlocal sent
        with contextlib.suppress(ConnectionClosed):
            for number in range(1_000_000):
                await socket.send(f'{{"channel":"x","timestamp":"2026-01-05T00:00:00Z","sequence_num":{number}}}')
                sent = number + 1
                if number % 16 == 0:
                    await asyncio.sleep(0)  # let the client, in the same loop, have its turn

    capture = against(flood, tmp_path, duration_s=0.3)
    numbers = [json.loads(frame)["sequence_num"] for frame in capture.frames()]
    assert numbers == list(range(sent))
    assert sent > 100
    assert capture.closings() == []
    assert capture.lines()[-1].control == "capture_stopped"


def test_certificate_that_nobody_vouches_for_is_refused(tmp_path, caplog):
    certificate, key = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def run():
        async with serve(lambda socket: socket.wait_closed(), "127.0.0.1", 0, ssl=context) as server:
            url = f"wss://localhost:{server.sockets[0].getsockname()[1]}"
            capture = Capture(tmp_path / "raw", url)
            await capture.run(0.3)
            return capture

    with caplog.at_level(logging.WARNING):
        capture = asyncio.run(run())
    assert capture.feed.counts.opened == 0
    assert "certificate verify failed" in caplog.text.lower()
