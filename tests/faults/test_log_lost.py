"""The broker's data directory lost: whoever worked on it stops and names the command that brings all back."""

import shutil
import time

import pytest

from tests.faults.figures import record
from tests.faults.line import wait_for
from tests.support.brokers import make_topics

pytestmark = pytest.mark.kafka

COMMAND = "tickvol kafka rebuild"


def test_after_its_data_are_lost_all_stop_and_a_rebuild_brings_everything_back(breakable):
    line, broker = breakable
    _, url = line.exchange("--speed", 10)
    ingestor, featurizer = line.ingestor(url), line.featurizer()
    wait_for(lambda: line.features(), 40, "rows")
    refused = line.start("kafka", "rebuild", "--yes")
    assert refused.wait(60) == 1
    assert "stop that one first" in refused.log.read_text()
    broker.stop()
    shutil.rmtree(broker.data)
    broker.start()
    make_topics(line.kafka)
    began = time.monotonic()
    wait_for(lambda: featurizer.poll() is not None, 60, "featurizer stops")
    assert featurizer.returncode == 1
    assert COMMAND in featurizer.log.read_text()
    wait_for(lambda: COMMAND in ingestor.log.read_text(), 60, "publisher stops")
    noticed = time.monotonic() - began
    assert ingestor.poll() is None

    began = time.monotonic()
    rebuild = line.start("kafka", "rebuild", "--yes")
    assert rebuild.wait(120) == 0, rebuild.log.read_text()
    took = time.monotonic() - began
    featurizer = line.featurizer()
    wait_for(line.caught_up, 90, "published")
    line.end(ingestor)
    wait_for(lambda: line.lag() == 0, 30, "caught up")
    line.end(featurizer)
    twice, _ = line.check_all()
    assert twice == 0
    record(
        "broker data lost",
        repetitions=1,
        records=line.records,
        twice=twice,
        recovery_s=took,
        noticed_s=round(noticed, 1),
    )
