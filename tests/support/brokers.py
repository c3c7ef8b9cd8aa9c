"""A real broker: one for the whole session with topics of its own for each test, and private ones that may be broken.

Nothing here skips: where Java or the jars are missing the tests fail and say what to install.
"""

import contextlib
import uuid

import pytest

from tests.support import ROOT
from tickvol.broker.files import free_port
from tickvol.broker.local import LocalBroker
from tickvol.bus.client import new_admin
from tickvol.bus.settings import KafkaConfig
from tickvol.bus.topics import ensure_topics
from tickvol.config import load_config
from tickvol.systems import all_topics


def environment_of(broker):
    """`TICKVOL_*` that lead a process to the broker, to topics and to a group that no other test uses."""
    unique = uuid.uuid4().hex[:10]
    return {
        "TICKVOL_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "TICKVOL_KAFKA__BROKER_DIR": str(broker.directory),
        "TICKVOL_INGESTION__TOPIC": f"ticks.raw.{unique}",
        "TICKVOL_FEATURES__TOPIC": f"ticks.features.{unique}",
        "TICKVOL_SCORING__TOPIC_PREDICTIONS": f"ticks.predictions.{unique}",
        "TICKVOL_SCORING__TOPIC_OUTCOMES": f"ticks.outcomes.{unique}",
        "TICKVOL_KAFKA__TOPIC_DEADLETTER": f"ticks.deadletter.{unique}",
        "TICKVOL_ALERTS__TOPIC": f"alerts.{unique}",
        "TICKVOL_FEATURES__GROUP_ID": f"tickvol-featurizer.{unique}",
        "TICKVOL_SCORING__GROUP_ID": f"tickvol-scorer.{unique}",
    }


class StreamKafka(KafkaConfig):
    """The section `kafka` with the topics that a test uses, wherever the configuration keeps their names."""

    topic_ticks: str
    topic_features: str
    topic_predictions: str
    topic_outcomes: str
    topic_alerts: str


_KEYS = {
    "topic_ticks": ("ingestion", "topic"),
    "topic_features": ("features", "topic"),
    "topic_predictions": ("scoring", "topic_predictions"),
    "topic_outcomes": ("scoring", "topic_outcomes"),
    "topic_alerts": ("alerts", "topic"),
}


def config_of(environment, **settings):
    """The broker and topics that the environment and `settings` name, else those of the project's configuration."""
    config = load_config(ROOT / "config.yaml", env_file=None)
    topics = {
        name: environment.get(f"TICKVOL_{section.upper()}__{key.upper()}", getattr(getattr(config, section), key))
        for name, (section, key) in _KEYS.items()
    }
    prefix = "TICKVOL_KAFKA__"
    named = {name.removeprefix(prefix).lower(): value for name, value in environment.items() if prefix in name}
    kafka = config.kafka
    return StreamKafka.model_validate(
        kafka.model_dump() | {"sasl_password": kafka.sasl_password} | topics | named | settings
    )


def whole_config(kafka):
    """The project's configuration with the broker and the topics of a test."""
    config = load_config(ROOT / "config.yaml", env_file=None)
    sections = {}
    for name, (section, key) in _KEYS.items():
        sections.setdefault(section, {})[key] = getattr(kafka, name)
    updated = {name: getattr(config, name).model_copy(update=values) for name, values in sections.items()}
    return config.model_copy(update={"kafka": kafka, **updated})


def topics_of(kafka):
    """Declarations of all topics."""
    return all_topics(whole_config(kafka))


def make_topics(kafka):
    """Create all topics; the lines that say what changed."""
    with contextlib.closing(new_admin(kafka)) as admin:
        return ensure_topics(admin, kafka, topics_of(kafka))


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """The broker that all tests share; whoever wants to break one takes `own_broker`."""
    shared = LocalBroker(tmp_path_factory.mktemp("broker"), free_port())
    try:
        shared.start()
        yield shared
    finally:
        shared.kill()


@pytest.fixture
def kafka_env(broker):
    """Environment for subprocesses; topics are made when `kafka_config` is asked for as well."""
    return environment_of(broker)


@pytest.fixture
def kafka_config(kafka_env):
    """Kafka settings with topics of this test alone, which exist."""
    kafka = config_of(kafka_env)
    make_topics(kafka)
    return kafka


@pytest.fixture
def own_broker(tmp_path):
    """`own_broker(**options)`: starts a private broker, which the test may kill, pause or fill."""
    started = []

    def start(directory=None, **options):
        private = LocalBroker(directory or tmp_path / f"broker{len(started)}", free_port(), **options)
        started.append(private)
        private.start()
        return private

    try:
        yield start
    finally:
        for private in started:
            private.kill()
