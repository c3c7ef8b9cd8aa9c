"""The featurizer killed at random moments: each row is there once, and the first new one soon after the restart."""

import random
import statistics
import time

import pytest

from tests.faults.figures import record
from tests.faults.line import wait_for
from tests.faults.resources import crowding
from tests.faults.watching import Watcher

pytestmark = pytest.mark.kafka

WITHIN_S = 5.0


def run(line, seed, kills):
    """Kill and restart; each time the first new row must be there within seconds."""
    rng = random.Random(seed)
    _, url = line.exchange("--speed", 20, "--seed", seed)
    ingestor = line.ingestor(url)
    recoveries = []
    with Watcher(line) as watcher:
        featurizer = line.featurizer()
        wait_for(lambda: watcher.count, 30, "rows")
        for _ in range(kills):
            time.sleep(rng.uniform(0.0, 3.0))
            line.kill(featurizer)
            restarted = time.monotonic()
            featurizer = line.featurizer()
            if rng.random() < 0.8:  # else it is killed again while it recovers
                took = wait_for(lambda since=restarted: watcher.first_after(since), 30, "a new row")
                recoveries.append(took)
                assert took < WITHIN_S * crowding(), took
        line.end(ingestor)
        wait_for(lambda: line.lag() == 0, 30, "caught up")
        line.end(featurizer)
        watcher.check_once_in_order()
    twice, _ = line.check_all()
    record(
        "featurizer killed",
        repetitions=kills,
        records=line.records,
        twice=twice,
        recovery_s=max(recoveries, default=None),
        recovery_median_s=round(statistics.median(recoveries), 2) if recoveries else None,
        crowding=round(crowding(), 1),
    )


def test_featurizer_killed_at_random_moments_writes_each_row_once(line):
    run(line, 3, 3)


@pytest.mark.slow
def test_featurizer_killed_fifty_times_writes_each_row_once_and_is_back_in_time(line):
    run(line, 5, 50)
