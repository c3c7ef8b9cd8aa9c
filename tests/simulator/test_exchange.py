"""The simulated exchange over loopback: subscribe rule, bytes, ends and closes."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tickvol.exchange.coinbase import subscribe_message
from tickvol.simulator.exchange import SimulatedExchange
from tickvol.simulator.faults import parse_fault
from tickvol.simulator.market import MarketSpec, market_products
from tickvol.simulator.market_events import market_source
from tickvol.simulator.session import market_frames

PRODUCTS = ("BTC-USD", "ETH-USD")
START_NS = 1_767_571_200_000_000_000


def market(seconds=60):
    return MarketSpec(market_products(PRODUCTS), 7, START_NS, seconds)


@asynccontextmanager
async def served(source, *, exit_when_done=False, **options):
    exchange = SimulatedExchange(source, **options)
    stop = asyncio.Event()
    port = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(exchange.run("127.0.0.1", 0, port.set_result, stop, exit_when_done=exit_when_done))
    try:
        yield f"ws://127.0.0.1:{await port}", task
    finally:
        stop.set()
        await task


async def everything(url, channels=("heartbeats", "ticker"), products=PRODUCTS):
    """All frames of one connection and how it ended."""
    frames = []
    async with connect(url) as socket:
        for channel in channels:
            await socket.send(subscribe_message(channel, products))
        try:
            while True:
                frames.append(await socket.recv(decode=False))
        except ConnectionClosed as closed:
            return frames, closed.rcvd.code if closed.rcvd else 1006, closed.rcvd.reason if closed.rcvd else ""


async def one_client(source, **options):
    async with served(source, **options) as (url, _):
        return await everything(url)


def test_wire_bytes_are_those_of_the_library():
    frames, code, reason = asyncio.run(one_client(market_source(market()), speed=None))
    assert frames == list(market_frames(market()))
    assert (code, reason) == (1000, "end of recording")


def test_same_faults_twice_give_the_same_bytes():
    faults = [parse_fault(text) for text in ("drop:0.02", "duplicate:0.05", "reorder:0.05", "bad-json:0.01")]
    runs = [asyncio.run(one_client(market_source(market()), speed=None, faults=faults, fault_seed=5)) for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0][0] != list(market_frames(market()))


def test_client_that_does_not_subscribe_is_closed():
    async def run():
        async with served(market_source(market()), subscribe_timeout_s=0.2) as (url, _), connect(url) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            return closed.value.rcvd

    assert asyncio.run(run()).code == 1008


def test_wrong_subscriptions_do_not_count_as_one():
    async def run():
        async with served(market_source(market()), subscribe_timeout_s=0.3) as (url, _), connect(url) as socket:
            await socket.send('{"type":"subscribe","channels":["ticker","heartbeats"]}')
            error = json.loads(await socket.recv())
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            return error, closed.value.rcvd.code

    error, code = asyncio.run(run())
    assert error["type"] == "error"
    assert code == 1008


def test_one_channel_alone_gets_data_after_a_moment():
    async def run():
        async with served(market_source(market()), speed=None) as (url, _):
            return await everything(url, channels=("ticker",), products=("ETH-USD",))

    frames, code, _ = asyncio.run(run())
    channels = {json.loads(frame)["channel"] for frame in frames}
    assert channels == {"ticker", "subscriptions"}
    assert [json.loads(frame)["sequence_num"] for frame in frames] == list(range(len(frames)))
    assert code == 1000


def test_two_clients_get_sequences_of_their_own():
    async def run():
        async with served(market_source(market()), speed=50.0) as (url, _):
            return await asyncio.gather(everything(url), everything(url, products=("BTC-USD",)))

    both = asyncio.run(run())
    for frames, _, _ in both:
        assert [json.loads(frame)["sequence_num"] for frame in frames] == list(range(len(frames)))
    assert len(both[0][0]) > len(both[1][0])


def test_given_speed_takes_its_time():
    async def run():
        loop = asyncio.get_running_loop()
        before = loop.time()
        await one_client(market_source(market(seconds=20)), speed=40.0)
        return loop.time() - before

    assert asyncio.run(run()) > 0.4


def test_market_goes_on_while_nobody_listens():
    async def run():
        async with served(market_source(market(seconds=60)), speed=60.0) as (url, _):
            async with connect(url) as socket:
                for channel in ("heartbeats", "ticker"):
                    await socket.send(subscribe_message(channel, PRODUCTS))
                while json.loads(await socket.recv())["channel"] != "heartbeats":
                    pass
            await asyncio.sleep(0.3)
            return await everything(url)

    frames, _, _ = asyncio.run(run())
    assert json.loads(frames[0])["sequence_num"] == 0
    beats = [json.loads(frame)["events"][0] for frame in frames if b'"heartbeats","timestamp' in frame]
    assert beats[0]["heartbeat_counter"] > 10
    assert beats[-1]["heartbeat_counter"] == 59


def test_full_speed_waits_for_a_listener_and_outage_is_lost():
    async def run():
        faults = [parse_fault("disconnect:every=20s:code=1011:for=5s")]
        async with served(market_source(market(seconds=60)), speed=None, faults=faults) as (url, _):
            return [await everything(url) for _ in range(3)]

    runs = asyncio.run(run())
    assert [code for _, code, _ in runs] == [1011, 1011, 1000]
    counters = [
        [json.loads(frame)["events"][0]["heartbeat_counter"] for frame in frames if b'"heartbeats","timestamp' in frame]
        for frames, _, _ in runs
    ]
    assert counters[0] == list(range(20))
    assert counters[1][0] == 25
    assert counters[2][-1] == 59


@pytest.mark.parametrize(("fault", "code"), [("disconnect:at=5s:code=1006", 1006), ("half-frame:at=5s", 1006)])
def test_abrupt_ends_have_no_close_frame(fault, code):
    frames, ended, _ = asyncio.run(one_client(market_source(market()), speed=None, faults=[parse_fault(fault)]))
    assert ended == code
    assert len(frames) < 100


def test_after_the_end_a_client_is_told_so():
    async def run():
        async with served(market_source(market(seconds=5)), speed=None) as (url, _):
            await everything(url)
            return await everything(url)

    frames, code, _ = asyncio.run(run())
    assert code == 1000
    assert {json.loads(frame)["channel"] for frame in frames} <= {"ticker", "subscriptions"}


def test_exits_when_done_if_asked():
    async def run():
        async with served(market_source(market(seconds=5)), speed=None, exit_when_done=True) as (url, task):
            await everything(url)
            await asyncio.wait_for(asyncio.shield(task), 5)

    asyncio.run(run())
