"""The featurizer killed at random moments: each row is there once, and the first new one soon after the restart."""

import random
import time

import pytest

from tests.faults.figures import record
from tests.faults.line import wait_for
from tests.faults.watching import Watcher

pytestmark = pytest.mark.kafka

WITHIN_S = 5.0


def run(line, seed, kills):
    """Longest time from a restart to the first new row."""
    rng = random.Random(seed)
    _, url = line.exchange("--speed", 20, "--seed", seed)
    ingestor = line.ingestor(url)
    longest = 0.0
    with Watcher(line) as watcher:
        featurizer = line.featurizer()
        wait_for(lambda: watcher.count, 30, "rows")
        for _ in range(kills):
            time.sleep(rng.uniform(0.0, 3.0))
            line.kill(featurizer)
            restarted = time.monotonic()
            featurizer = line.featurizer()
            if rng.random() < 0.8:  # else it is killed again while it recovers
                longest = max(longest, wait_for(lambda since=restarted: watcher.first_after(since), 30, "a new row"))
        line.end(ingestor)
        wait_for(lambda: line.lag() == 0, 30, "caught up")
        line.end(featurizer)
        watcher.check_once_in_order()
    twice, _ = line.check_all()
    record("featurizer killed", repetitions=kills, records=line.records, twice=twice, recovery_s=longest)
    return longest


def test_featurizer_killed_at_random_moments_writes_each_row_once(line):
    assert run(line, 3, 3) < 2 * WITHIN_S  # the machine may be busy with other tests


@pytest.mark.slow
def test_featurizer_killed_fifty_times_writes_each_row_once_and_is_back_in_time(line):
    assert run(line, 5, 50) < WITHIN_S
