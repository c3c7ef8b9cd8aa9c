"""A featurizer that stands still beyond its session and wakes when its products were taken over writes nothing."""

import signal
import time

import pytest

from tests.faults.figures import record
from tests.faults.line import wait_for
from tests.faults.watching import Watcher

pytestmark = pytest.mark.kafka

SESSION_MS = "6000"


def products_of(featurizer):
    """The products that a featurizer was given last."""
    lines = [line for line in featurizer.log.read_text().splitlines() if "assigned partitions=" in line]
    return lines[-1].rpartition("products=")[2].split(",") if lines else []


def run(line, rounds):
    _, url = line.exchange("--speed", 10)
    ingestor = line.ingestor(url)
    settings = {"TICKVOL_FEATURES__SESSION_TIMEOUT_MS": SESSION_MS}
    pair = [line.featurizer(instance=str(number), **settings) for number in (1, 2)]
    longest = 0.0
    with Watcher(line) as watcher:
        wait_for(lambda: len(watcher.rows) == 2, 60, "rows of both products")
        for number in range(rounds):
            paused, other = pair[number % 2], pair[1 - number % 2]
            wait_for(lambda one=paused: len(products_of(one)) == 1, 120, "each has a product")
            paused.send_signal(signal.SIGSTOP)
            stopped = time.monotonic()
            wait_for(lambda one=other: len(products_of(one)) == 2, 40, "taken over")
            held = {name: rows[-1][0] for name, rows in watcher.rows.items()}
            wait_for(
                lambda held=held: all(watcher.rows[name][-1][0] > end for name, end in held.items()), 40, "both go on"
            )
            longest = max(longest, time.monotonic() - stopped)
            paused.send_signal(signal.SIGCONT)
            time.sleep(3)
        line.end(ingestor)
        wait_for(lambda: line.lag() == 0, 60, "caught up")
        for featurizer in pair:
            line.end(featurizer)
        watcher.check_once_in_order()
    twice, _ = line.check_all()
    record("featurizer asleep, taken over", repetitions=rounds, records=line.records, twice=twice, recovery_s=longest)


def test_featurizer_that_wakes_after_its_products_were_taken_over_writes_nothing(line):
    run(line, 1)


@pytest.mark.slow
def test_two_featurizers_that_fall_asleep_in_turn_write_each_row_once(line):
    run(line, 10)
