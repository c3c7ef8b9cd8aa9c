"""Capture and publisher killed at random moments, together and each alone, with the broker up and down."""

import contextlib
import random
import time

import psutil
import pytest

from tests.faults import figures
from tests.faults.line import wait_for
from tests.faults.received import controls

pytestmark = pytest.mark.kafka


def publishers_of(process):
    """What a capture runs beside it, without those that have ended."""
    found = []
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.Error):
            found += [child] if "publish" in child.cmdline() else []
    return found


def publisher_of(process):
    return wait_for(lambda: publishers_of(process), 30, "publisher")[0]


def kill_both(line, process):
    line.kill(process)


def kill_capture(line, process):
    """Its publisher sends what the archive holds and ends by itself; the next one waits for it."""
    process.kill()
    process.wait(30)


def kill_publisher(line, process):
    """The capture starts another one."""
    publisher = publisher_of(process)
    publisher.kill()
    wait_for(lambda: publisher_of(process) != publisher, 30, "another publisher")
    assert process.poll() is None
    line.kill(process)


def starts(line):
    """Captures that have opened a connection."""
    opened = [item for item in controls(line.raw_dir) if item["control"] == "connection_opened"]
    return {item["connection_id"].rpartition("-")[0] for item in opened}


def kill_and_count(line, fault, seed, ways, broker=None):
    """One kill for each way; where a broker is given it dies by turns before the ingestor starts and while it sends."""
    rng = random.Random(seed)
    _, url = line.exchange("--speed", 30, "--seed", seed)
    for number, way in enumerate(ways):
        down = broker is not None and number % 2 == 0
        held = line.length()
        if down:
            broker.kill()
        process = line.ingestor(url)
        if not down and (broker is not None or number % 3 == 0):
            wait_for(lambda before=held: line.length() > before, 30, "published")
        elif number % 3 == 1:  # a start takes a while by itself, and is a moment for a kill as well
            wait_for(lambda: line.raw_dir.is_dir() and any(line.raw_dir.glob("*.ndjson")), 30, "capture")
        if broker is not None and not down:
            broker.kill()
        time.sleep(rng.uniform(0.0, 3.0))
        way(line, process)
        if broker is not None:
            broker.start()
    captures, started = len(starts(line)), time.monotonic()
    process = line.ingestor(url)
    wait_for(lambda: len(starts(line)) > captures, 30, "capture")
    wait_for(line.caught_up, 60, "published")
    recovery_s = time.monotonic() - started
    line.end(process)
    featurizer = line.featurizer("--until-end")
    assert featurizer.wait(120) == 0, featurizer.log.read_text()[-3000:]
    twice, rows = line.check_all()
    told = {"records": line.records, "twice": twice, "recovery_s": recovery_s, "rows": rows, "seed": seed}
    figures.record(fault, repetitions=len(ways), **told)


def test_capture_and_publisher_killed_at_random_moments_lose_nothing(line):
    kill_and_count(line, "ingestor killed, broker up", 3, [kill_both, kill_publisher])


def test_capture_and_publisher_killed_while_the_broker_is_down_send_the_spool_later(breakable):
    line, broker = breakable
    kill_and_count(line, "ingestor killed, broker down", 5, [kill_capture, kill_both], broker)


@pytest.mark.slow
def test_a_publisher_whose_capture_was_killed_sends_what_the_archive_holds_and_ends(line):
    _, url = line.exchange("--speed", 30)
    process = line.ingestor(url)
    publisher = publisher_of(process)
    wait_for(line.caught_up, 30, "published")
    process.kill()
    process.wait(30)
    with contextlib.suppress(psutil.NoSuchProcess):
        publisher.wait(30)
    line.check_published()


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("seed", [11, 12])
def test_ingestor_killed_twenty_times_loses_nothing(breakable, seed):
    line, broker = breakable
    ways = random.Random(seed).choices([kill_both, kill_both, kill_capture, kill_publisher], k=20)
    down = broker if seed == 12 else None
    kill_and_count(line, f"ingestor killed, broker {'down' if down else 'up'}", seed, ways, down)
