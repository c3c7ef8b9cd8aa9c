"""Whether there is something to judge, by the topics of a real broker."""

import contextlib

import pytest

from tests.support.brokers import config_of, whole_config
from tickvol.bus.client import new_producer
from tickvol.core.errors import BrokerUnavailable
from tickvol.volatility.jobs.live_topics import why_nothing_to_judge

pytestmark = pytest.mark.kafka


def why(kafka):
    return why_nothing_to_judge(whole_config(kafka))


def test_no_topic_and_no_prediction_are_reasons_and_one_prediction_is_none(kafka_config):
    missing = kafka_config.model_copy(update={"topic_predictions": "nowhere.predictions"})
    assert "nowhere.predictions: no such topic" in why(missing)
    without_outcomes = kafka_config.model_copy(update={"topic_outcomes": "nowhere.outcomes"})
    assert "nowhere.outcomes: no such topic" in why(without_outcomes)
    assert "holds no prediction yet" in why(kafka_config)
    with contextlib.closing(new_producer(kafka_config, client_id="test")) as producer:
        producer.send(kafka_config.topic_predictions, key=b"BTC-USD", value=b"{}").get(timeout=10)
    assert why(kafka_config) is None


def test_a_broker_that_does_not_answer_is_no_reason_but_an_error():
    with pytest.raises(BrokerUnavailable):
        why(config_of({}, bootstrap_servers="127.0.0.1:1", request_timeout_ms=1000))
