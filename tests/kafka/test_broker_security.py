"""A broker that asks for user and password gets them from the environment, and no text of ours shows the password."""

import contextlib
import logging

import pytest

from tests.kafka.conftest import config_of, environment_of, make_topics
from tests.support import ROOT
from tickvol.bus.client import new_admin
from tickvol.config import load_config
from tickvol.core.errors import BrokerUnavailable

pytestmark = pytest.mark.kafka

CONFIG = ROOT / "config.yaml"
USER, PASSWORD = "desk", "c0rrect-horse"
LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


@pytest.fixture
def asking_broker(own_broker):
    return own_broker(
        security_protocol="SASL_PLAINTEXT",
        properties={
            "sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "listener.name.clients.plain.sasl.jaas.config": (
                f'{LOGIN} username="{USER}" password="{PASSWORD}" user_{USER}="{PASSWORD}";'
            ),
        },
        client_settings={
            "sasl_mechanism": "PLAIN",
            "sasl_plain_username": USER,
            "sasl_plain_password": PASSWORD,
        },
    )


def test_password_comes_from_the_environment_opens_the_broker_and_is_never_shown(asking_broker, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    environment = environment_of(asking_broker) | {
        "TICKVOL_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "TICKVOL_KAFKA__SASL_MECHANISM": "PLAIN",
        "TICKVOL_KAFKA__SASL_USERNAME": USER,
        "TICKVOL_KAFKA__SASL_PASSWORD": PASSWORD,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    config = load_config(CONFIG, env_file=None)
    assert len(make_topics(config_of(environment))) == 6

    quick = {"request_timeout_ms": 3000}
    wrong = config_of(environment | {"TICKVOL_KAFKA__SASL_PASSWORD": "wrong-one"}, **quick)
    with pytest.raises(BrokerUnavailable) as refused, contextlib.closing(new_admin(wrong)):
        pass
    for name in environment:
        monkeypatch.delenv(name)
    without = config_of(environment_of(asking_broker), **quick)
    with pytest.raises(BrokerUnavailable), contextlib.closing(new_admin(without)):
        pass

    assert "wrong-one" not in str(refused.value)
    assert "wrong-one" not in caplog.text
    for text in (repr(config), str(config.kafka), caplog.text):
        assert PASSWORD not in text
