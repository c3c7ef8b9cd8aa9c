"""As Kafka tests itself: featurizer and broker killed in rounds while a reader of committed rows looks on."""

import random
import time

import pytest

from tests.faults.figures import record
from tests.faults.line import wait_for
from tests.faults.watching import Watcher

pytestmark = pytest.mark.kafka

SPEED = 10


def run(breakable, seed, rounds, messages, ticks_per_s, pause_s):
    """Kill both in so many rounds while at least that many messages flow through the line."""
    line, broker = breakable
    rng = random.Random(seed)
    _, url = line.exchange("--speed", SPEED, "--seed", seed, "--ticks-per-s", ticks_per_s)
    ingestor, featurizer = line.ingestor(url), line.featurizer()
    longest = 0.0
    with Watcher(line) as watcher:
        wait_for(lambda: watcher.count, 60, "rows")
        for _ in range(rounds):
            kills = [broker.kill, lambda process=featurizer: line.kill(process)]
            rng.shuffle(kills)
            for kill in kills:
                time.sleep(rng.uniform(0, pause_s))
                kill()
            broker.start()
            featurizer, back = line.featurizer(), time.monotonic()
            longest = max(longest, wait_for(lambda since=back: watcher.first_after(since), 60, "a new row"))
        wait_for(lambda: line.length() >= messages, 300, "messages")
        line.end(ingestor)
        wait_for(lambda: line.lag() == 0, 60, "caught up")
        line.end(featurizer)
        written = line.features()
        wait_for(lambda: watcher.rows == written, 30, "the reader saw each row once and in order")
    twice, rows = line.check_all()
    record(
        "featurizer and broker killed",
        repetitions=rounds,
        records=line.records,
        twice=twice,
        recovery_s=longest,
        rows=rows,
    )


def test_reader_of_committed_rows_sees_each_once_through_kills_of_featurizer_and_broker(breakable):
    run(breakable, 3, 2, 4_000, 20, 1.0)


@pytest.mark.slow
def test_reader_of_committed_rows_sees_each_once_over_a_hundred_thousand_messages(breakable):
    run(breakable, 5, 3, 100_000, 50, 8.0)
