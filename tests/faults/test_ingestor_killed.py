"""The ingestor killed at random moments, with the broker up and down: nothing is lost and the order holds."""

import random
import time

import pytest

from tests.faults.line import wait_for

pytestmark = pytest.mark.kafka


def run(line, seed, kills, broker=None):
    rng = random.Random(seed)
    _, url = line.exchange("--speed", 30, "--seed", seed)
    for number in range(kills):
        if broker is not None and number % 2:
            broker.kill()
        process = line.ingestor(url)
        time.sleep(rng.uniform(0.3, 3.0))
        line.kill(process)
        if broker is not None and number % 2:
            broker.start()
    process = line.ingestor(url)
    wait_for(line.caught_up, 60, "published")
    line.end(process)
    return line.check_published()


def test_ingestor_killed_at_random_moments_loses_nothing(line):
    run(line, 3, 3)


def test_ingestor_killed_while_the_broker_is_down_sends_its_spool_later(breakable):
    line, broker = breakable
    run(line, 5, 3, broker)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12])
def test_ingestor_killed_twenty_times_loses_nothing(breakable, seed):
    line, broker = breakable
    run(line, seed, 10, broker if seed == 12 else None)
