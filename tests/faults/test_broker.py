"""The broker paused, and killed and restarted: nothing is lost or written twice, and memory stays bounded."""

import random
import time

import pytest

from tests.faults.figures import record
from tests.faults.line import wait_for
from tests.faults.resources import Resources, crowding, publisher_of, settled
from tests.faults.watching import Watcher

pytestmark = pytest.mark.kafka

GROWTH_MB = 100
WITHIN_S = 5.0


def run(breakable, fault, disturbances):
    """Disturb the broker by each in turn, and let the line go on in between; growth of memory in MB."""
    line, broker = breakable
    _, url = line.exchange("--speed", 10)
    ingestor, featurizer = line.ingestor(url), line.featurizer()
    longest = 0.0
    with Watcher(line) as watcher:
        wait_for(lambda: watcher.count, 60, "rows")
        pids = {"capture": ingestor.pid, "publisher": publisher_of(ingestor), "featurizer": featurizer.pid}
        wait_for(line.dataset.exists, 30, "the dataset's first files")
        wait_for(lambda: settled(pids.values()), 30, "no more libraries to load")
        with Resources(**pids) as resources:
            time.sleep(1)
            before = resources.handles_now()
            for disturb in disturbances:
                disturb(broker)
                back = time.monotonic()
                took = wait_for(lambda since=back: watcher.first_after(since), 60, "a new row")
                longest = max(longest, took)
                assert took < WITHIN_S * crowding()
                time.sleep(1)
            wait_for(lambda: fewer(resources.handles_now(), before), 10, f"handles as before: {before}")
        assert publisher_of(ingestor) == pids["publisher"]
        assert featurizer.poll() is None
        line.end(ingestor)
        wait_for(lambda: line.lag() == 0, 60, "caught up")
        line.end(featurizer)
        watcher.check_once_in_order()
    twice, _ = line.check_all()
    growth_mb = resources.growth_mb()
    record(
        fault,
        repetitions=len(disturbances),
        records=line.records,
        twice=twice,
        recovery_s=longest,
        growth_mb=round(growth_mb, 1),
        **{f"{role}_mb": round(mb, 1) for role, mb in resources.growths_mb().items()},
    )
    assert growth_mb <= GROWTH_MB, resources.growths_mb()


def fewer(handles, before):
    """Whether no role holds more than it did; a client may be about to replace a connection."""
    return all(handles[role] <= count + 1 for role, count in before.items())


def pause_for(seconds):
    def disturb(broker):
        broker.pause()
        time.sleep(seconds)
        broker.resume()

    return disturb


def killed(rng):
    def disturb(broker):
        time.sleep(rng.uniform(0, 2))
        broker.kill()
        time.sleep(rng.uniform(0, 2))
        broker.start()

    return disturb


def test_broker_paused_for_eight_seconds_costs_nothing(breakable):
    run(breakable, "broker paused 8 s", [pause_for(8)])


def test_broker_killed_and_restarted_costs_nothing(breakable):
    run(breakable, "broker killed", [killed(random.Random(3))])


@pytest.mark.slow
def test_broker_paused_for_a_minute_costs_nothing(breakable):
    run(breakable, "broker paused 60 s", [pause_for(60)])


@pytest.mark.slow
def test_broker_killed_and_restarted_ten_times_costs_nothing(breakable):
    rng = random.Random(5)
    run(breakable, "broker killed", [killed(rng) for _ in range(10)])
