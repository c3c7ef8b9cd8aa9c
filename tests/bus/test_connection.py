"""Connection options reach the client as they are configured, and the password reaches nothing else."""

import pytest

from tests.support import ROOT
from tickvol.bus.client import connection
from tickvol.config import load_config
from tickvol.core.errors import ConfigError

CONFIG = ROOT / "config.yaml"
PASSWORD = "c0rrect-horse"


@pytest.fixture
def configured(monkeypatch):
    def load(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(f"TICKVOL_KAFKA__{name}", value)
        return load_config(CONFIG, env_file=None).kafka

    return load


def test_plain_text_names_neither_user_nor_file(configured):
    settings = connection(configured())
    assert settings["security_protocol"] == "PLAINTEXT"
    assert settings["bootstrap_servers"] == ["127.0.0.1:9092"]
    assert [name for name in settings if name.startswith(("sasl", "ssl"))] == []


def test_several_brokers_are_all_named(configured):
    kafka = configured(BOOTSTRAP_SERVERS="a:1,b:2")
    assert connection(kafka)["bootstrap_servers"] == ["a:1", "b:2"]


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_user_and_password_pass_through(configured, protocol, mechanism):
    kafka = configured(
        SECURITY_PROTOCOL=protocol, SASL_MECHANISM=mechanism, SASL_USERNAME="desk", SASL_PASSWORD=PASSWORD
    )
    settings = connection(kafka)
    assert settings["security_protocol"] == protocol
    assert settings["sasl_mechanism"] == mechanism
    assert (settings["sasl_plain_username"], settings["sasl_plain_password"]) == ("desk", PASSWORD)


def test_files_of_tls_pass_through_and_an_empty_one_is_left_out(configured):
    settings = connection(configured(SECURITY_PROTOCOL="SSL", SSL_CA_FILE="ca.pem", SSL_KEY_FILE="key.pem"))
    assert {name: value for name, value in settings.items() if name.startswith("ssl")} == {
        "ssl_cafile": "ca.pem",
        "ssl_keyfile": "key.pem",
    }


def test_files_of_tls_are_not_used_without_tls(configured):
    assert "ssl_cafile" not in connection(configured(SSL_CA_FILE="ca.pem"))


def test_sasl_without_a_user_is_refused(configured):
    with pytest.raises(ConfigError, match="needs sasl_mechanism and sasl_username"):
        configured(SECURITY_PROTOCOL="SASL_SSL", SASL_MECHANISM="PLAIN")


def test_the_password_shows_in_no_text_of_the_configuration(configured):
    kafka = configured(
        SECURITY_PROTOCOL="SASL_SSL", SASL_MECHANISM="PLAIN", SASL_USERNAME="desk", SASL_PASSWORD=PASSWORD
    )
    config = load_config(CONFIG, env_file=None)
    for text in (repr(kafka), str(kafka), repr(config), str(config), kafka.model_dump_json(), str(kafka.model_dump())):
        assert PASSWORD not in text
