"""A broker that stops answering or dies: the featurizer waits, goes on by itself, and no row is lost or doubled."""

import time

import pytest

from tests.kafka.featurizers import FeaturizerProcess, wait_until
from tests.kafka.filling import feature_rows, fill
from tests.kafka.test_featurizer import FAST, archive, assert_rows_once, expected_ends  # noqa: F401
from tests.parity.test_follow_parity import tree
from tests.support.brokers import config_of, environment_of, make_topics

pytestmark = pytest.mark.kafka


def through_outages(own_broker, records, whole, tmp_path, outages):
    broker = own_broker()
    environment = environment_of(broker)
    kafka = config_of(environment)
    make_topics(kafka)
    out = tmp_path / "live.parquet"
    share = len(records) // (len(outages) + 1) + 1
    with FeaturizerProcess(environment | FAST, out, tmp_path / "log") as featurizer:
        for number, outage in enumerate(outages):
            fill(kafka, records[number * share : (number + 1) * share])
            if number == 0:
                wait_until(lambda: len(feature_rows(kafka)) == 2)
            outage(broker)
        fill(kafka, records[len(outages) * share :])
        ends = {name: rows[-1][0] for name, rows in expected_ends(whole).items()}
        wait_until(lambda: {name: rows[-1][0] for name, rows in feature_rows(kafka).items()} == ends, 90)
        assert featurizer.stop() == 0
        said = featurizer.said()
    assert_rows_once(kafka, whole)
    assert tree(out) == tree(whole)
    return said


def killed(broker):
    broker.kill()
    time.sleep(2.0)
    broker.start()


def paused(seconds):
    def pause(broker):
        broker.pause()
        time.sleep(seconds)
        broker.resume()

    return pause


@pytest.mark.slow  # tests/faults kills the broker under a live feed
def test_a_broker_that_is_killed_and_started_again_costs_no_row(own_broker, archive, tmp_path):  # noqa: F811
    _, records, whole = archive
    through_outages(own_broker, records, whole, tmp_path, [killed])


@pytest.mark.slow  # tests/faults pauses the broker under a live feed
def test_a_paused_broker_costs_no_row(own_broker, archive, tmp_path):  # noqa: F811
    _, records, whole = archive
    through_outages(own_broker, records, whole, tmp_path, [paused(8.0)])


@pytest.mark.slow
def test_a_broker_killed_ten_times_and_paused_for_a_minute_costs_no_row(own_broker, archive, tmp_path):  # noqa: F811
    _, records, whole = archive
    said = through_outages(own_broker, records, whole, tmp_path, [*[killed] * 10, paused(60.0)])
    assert said.count("WARNING") < 60
