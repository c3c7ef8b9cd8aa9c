"""The clock jumping by an hour, forward and back, while capturing and between captures: no row depends on it."""

import asyncio
import contextlib
import time
from itertools import pairwise

import pytest

from tests.faults import figures
from tests.faults.line import PRODUCTS, wait_for
from tests.faults.received import archive_lines
from tickvol.capture.feed import Feed, FeedSpec
from tickvol.capture.reconnect import ConnectLimiter
from tickvol.core.backoff import Backoff
from tickvol.eventlog.archive_follow import FollowedArchive
from tickvol.eventlog.archive_reader import MergedLog, archive_files
from tickvol.eventlog.frames import FrameDecoder
from tickvol.eventlog.raw_archive import ArchiveSpec, RawArchive
from tickvol.eventlog.receive_clock import ReceiveClock, last_receive_time_ns
from tickvol.simulator.exchange import SimulatedExchange
from tickvol.simulator.market import MarketSpec, market_products
from tickvol.simulator.market_events import market_source

pytestmark = pytest.mark.kafka

HOUR_NS = 3600 * 10**9
START_NS = 1_767_571_200_000_000_000
LIMIT = 1 << 20
SET_CLOCK = """
import time

_time_ns, _time = time.time_ns, time.time


def off_s():
    with open({path!r}) as told:
        return int(told.read())


time.time_ns = lambda: _time_ns() + off_s() * 10**9
time.time = lambda: _time() + off_s()
"""


class JumpingClock:
    """The wall clock of a host that somebody sets."""

    def __init__(self):
        self.off_ns = 0

    def __call__(self):
        return time.time_ns() + self.off_ns


async def capture(raw_dir, url, wall, hours, seconds):
    """One capture; before each part of it the clock is set to so many hours off."""
    wall.off_ns = hours[0] * HOUR_NS
    clock = ReceiveClock(last_receive_time_ns(raw_dir), wall)
    archive = RawArchive(ArchiveSpec(raw_dir, 30, 1, spool=True))
    archive.start(clock.now_ns(), list(PRODUCTS), alone=True)
    backoff = Backoff(initial_s=0.05, maximum_s=0.1, multiplier=2, jitter=0.5, random=lambda: 0.0)
    spec = FeedSpec(url, PRODUCTS, 5.0, 5.0, LIMIT)
    feed = Feed(spec, archive, backoff, ConnectLimiter(8, time.monotonic), now_ns=clock.now_ns)
    running = asyncio.create_task(feed.run())
    for off in hours:
        wall.off_ns = off * HOUR_NS
        await asyncio.sleep(seconds)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    archive.stop(clock.now_ns())
    assert (feed.counts.opened, feed.counts.failed, feed.counts.closed.total()) == (1, 0, 0)
    return archive.capture_id


def captures(raw_dir, plan, seconds):
    """Captures one after the other on a market that goes on; their ids."""

    async def run():
        market = market_source(MarketSpec(market_products(PRODUCTS), 10, START_NS, None))
        exchange = SimulatedExchange(market, speed=40)
        stop, port, wall = asyncio.Event(), asyncio.get_running_loop().create_future(), JumpingClock()
        server = asyncio.create_task(exchange.run("127.0.0.1", 0, port.set_result, stop, exit_when_done=False))
        url = f"ws://127.0.0.1:{await port}"
        ids = [await capture(raw_dir, url, wall, hours, seconds) for hours in plan]
        stop.set()
        await server
        return ids

    return asyncio.run(run())


def order_of_replay(raw_dir):
    files = archive_files([raw_dir])
    log = MergedLog(files, FrameDecoder(PRODUCTS, LIMIT), batch_size=64)
    rows = (batch.frames for batch in log)
    return [place for frames in rows for place in zip(frames.source.tolist(), frames.line_number.tolist(), strict=True)]


def order_of_publication(raw_dir):
    archive = FollowedArchive(raw_dir, FrameDecoder(PRODUCTS, LIMIT), [], batch_size=64)
    items = archive.batches(None, follow=lambda: False, stopped=lambda: False)
    rows = (item[1].frames for item in items)
    return [place for frames in rows for place in zip(frames.source.tolist(), frames.line_number.tolist(), strict=True)]


def check_archive(raw_dir, ids):
    assert ids == sorted(set(ids))
    times = [line["receive_time_ns"] for _, _, line in archive_lines(raw_dir)]
    assert all(before <= after for before, after in pairwise(times))
    assert order_of_replay(raw_dir) == order_of_publication(raw_dir)


def jump_and_count(line, fault, plan, seconds):
    ids = captures(line.raw_dir, plan, seconds)
    check_archive(line.raw_dir, ids)
    publisher = line.start("publish")
    assert publisher.wait(120) == 0, publisher.log.read_text()
    featurizer = line.featurizer("--until-end")
    assert featurizer.wait(120) == 0, featurizer.log.read_text()
    twice, rows = line.check_all()
    jumps = sum(before != after for before, after in pairwise(off for hours in plan for off in hours))
    figures.record(fault, repetitions=jumps, records=line.records, twice=twice, rows=rows)


def test_a_clock_that_jumps_by_an_hour_changes_neither_order_nor_rows(line):
    plan = [(0, 1, 0, -1), (-1, 0), (1, -1)]
    jump_and_count(line, "clock jumps by an hour (injected)", plan, 0.4)


@pytest.mark.slow
def test_a_clock_that_jumps_all_the_time_changes_neither_order_nor_rows(line):
    plan = [(0, 1, 0, -1, 2, -2, 0, 1), (-1, 0, 3), (1, -1), (-3, 2), (0, 0), (5, -5, 0)] * 3
    jump_and_count(line, "clock jumps by an hour (injected)", plan, 1.0)


def rows_come(line):
    """Seconds until there is a new row in the topic of features."""
    held, since = line.length(line.kafka.topic_features), time.monotonic()
    wait_for(lambda: line.length(line.kafka.topic_features) > held, 60, "rows")
    return time.monotonic() - since


@pytest.mark.slow
def test_the_processes_live_through_a_clock_that_jumps_by_an_hour(line, tmp_path):
    told = tmp_path / "off_s"
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(SET_CLOCK.format(path=str(told)))
    fake = {"PYTHONPATH": str(tmp_path / "clock")}

    def set_clock(off_s):
        told.with_suffix(".new").write_text(str(off_s))
        told.with_suffix(".new").replace(told)

    set_clock(0)
    _, url = line.exchange("--speed", 30)
    featurizer, ingestor = line.featurizer(**fake), line.ingestor(url, environment=fake)
    rows_come(line)
    jumps = [3600, 0, -3600, 0, 3600, -3600]
    again_s = []
    for number, off_s in enumerate(jumps):
        set_clock(off_s)
        again_s.append(rows_come(line))
        time.sleep(2)
        if number % 2:
            line.kill(ingestor)
            ingestor = line.ingestor(url, environment=fake)
            rows_come(line)
    wait_for(line.caught_up, 60, "published")
    line.end(ingestor)
    wait_for(lambda: line.lag() == 0, 60, "featurized")
    line.end(featurizer)
    twice, rows = line.check_all()
    times = [item["receive_time_ns"] for _, _, item in archive_lines(line.raw_dir)]
    assert all(before <= after for before, after in pairwise(times))
    assert times[-1] - times[0] > 3600 * 10**9
    assert max(again_s) <= 5.0
    figures.record(
        "clock jumps by an hour (processes)",
        repetitions=len(jumps),
        records=line.records,
        twice=twice,
        recovery_s=max(again_s),
        rows=rows,
    )
