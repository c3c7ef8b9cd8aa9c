"""A system of one file uses every host: broker, scheduler and HTTP service take it by its declaration alone."""

import contextlib
import itertools
import threading
import time

import httpx
import pytest
import uvicorn
import yaml

from tests.kafka.filling import fill
from tests.support import ROOT
from tests.toy.system import TOY, ToyConfig, run, totals_topic
from tickvol.bus.client import new_admin
from tickvol.bus.reading import TopicReader
from tickvol.bus.topics import ensure_topics
from tickvol.config import load_config
from tickvol.core.errors import ConfigError
from tickvol.core.records import Tick
from tickvol.orchestration.definitions import define
from tickvol.orchestration.home import open_instance
from tickvol.orchestration.in_process import run_job
from tickvol.serving.service import build_service
from tickvol.systems import SYSTEMS, all_topics, job_plan, routes

pytestmark = pytest.mark.kafka

T0 = 1_775_347_200 * 10**9


@pytest.fixture
def path(kafka_config, kafka_env, tmp_path, monkeypatch):
    """A configuration file with the section of the system, on topics of this test alone."""
    for name, value in kafka_env.items():
        monkeypatch.setenv(name, value)
    values = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    values["toy"] = {"topic": f"toy.{kafka_config.topic_ticks}", "cron": "7 * * * *"}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.fixture
def config(path):
    return load_config(path, env_file=None, config_type=ToyConfig)


@pytest.fixture
def topics(config):
    declared = all_topics(config, (*SYSTEMS, TOY))
    with contextlib.closing(new_admin(config.kafka)) as admin:
        assert ensure_topics(admin, config.kafka, declared) == [f"{config.toy.topic}: made, 3 partitions"]
    return declared


def ticks(first, count):
    return [
        Tick(product, T0 + number * 10**9, T0 + number * 10**9, "c1", number, "1.5", "1.4", "1.6")
        for number in range(first, first + count)
        for product in ("BTC-USD", "ETH-USD")
    ]


@contextlib.contextmanager
def client_of(service):
    """A client of the service, which runs in a thread."""
    server = uvicorn.Server(uvicorn.Config(service.to_asgi(), host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(20)


def test_without_its_section_the_configuration_of_the_system_is_refused():
    with pytest.raises(ConfigError, match="toy: missing"):
        load_config(ROOT / "config.yaml", env_file=None, config_type=ToyConfig)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of BentoML's imports
def test_each_tick_is_counted_once_over_two_runs_and_the_audit_and_the_service_know_the_topic(
    config, topics, kafka_config
):
    fill(kafka_config, ticks(0, 50))
    assert run(config).transactions > 0
    fill(kafka_config, ticks(50, 20))
    run(config)
    spec = totals_topic(config)
    with TopicReader(config.kafka, spec.name, client_id="test") as reader:
        found = spec.validator(list(itertools.chain.from_iterable(reader.whole())))
    counted = {
        name: [content.number for content in found if content.product_id == name] for name in ("BTC-USD", "ETH-USD")
    }
    assert counted == {"BTC-USD": list(range(1, 71)), "ETH-USD": list(range(1, 71))}
    with client_of(build_service(config, (TOY,))) as client:
        assert client.get("/totals").json() == {"BTC-USD": 70, "ETH-USD": 70}
        error = client.get("/predict").json()["error"]
        assert error["rule"] == "no such endpoint; GET /totals, /livez, /readyz"


def test_its_job_is_in_the_plan_and_the_scheduler_runs_it(path, config, tmp_path):
    calls = []

    def carry_out(words, tell):
        calls.append(list(words))
        return 0

    definitions = define(path, carry_out, systems=(TOY,), config_type=ToyConfig)
    (schedule,) = definitions.get_repository_def().schedule_defs
    assert (schedule.job_name, schedule.cron_schedule) == ("toy", "7 * * * *")
    with open_instance(tmp_path / "home") as instance:
        assert run_job(definitions, "toy", instance).success
    assert calls == [["toy", "--config", str(path)]]
    assert [job.name for job in job_plan(config, (*SYSTEMS, TOY)).jobs][-1] == "toy"
    assert [route.name for route in routes((*SYSTEMS, TOY))][-1] == "totals"
