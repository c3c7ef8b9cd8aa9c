"""What the containers run, run here on a real broker: its health check, its tools, topics, the live path."""

import base64
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.docker.conftest import Composed
from tests.docker.files import COMPOSE, compose
from tests.docker.native import BIN, Container
from tickvol.broker.files import free_port

pytestmark = pytest.mark.kafka


def health_check(kafka_home: Path, port: int) -> int:
    kind, command = compose()["services"]["kafka"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    assert command.count("/opt/kafka/") == command.count("127.0.0.1:9092") == 1
    local = command.replace("/opt/kafka/", f"{kafka_home}/").replace("127.0.0.1:9092", f"127.0.0.1:{port}")
    return subprocess.run(["/bin/sh", "-c", local], capture_output=True, check=False).returncode


def tool(kafka_home: Path, place: Path, *arguments: str) -> str:
    """A tool as `docker exec kafka NAME ...` finds it: by the name that the compose file mounts it as."""
    mounts = [volume.split(":") for volume in compose()["services"]["kafka"]["volumes"]]
    source = {Path(mount[1]): mount[0] for mount in mounts}[Path("/usr/local/bin", arguments[0])]
    mounted = place / arguments[0]
    if not mounted.exists():
        mounted.symlink_to(COMPOSE.parent / source)
    variables = os.environ | {"KAFKA_HOME": str(kafka_home)}
    command = [str(mounted), *arguments[1:]]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout


def ticks_in(kafka_home: Path, place: Path, composed: Composed, topic: str, count: int) -> list[str]:
    address = composed.broker.bootstrap_servers
    told = tool(
        kafka_home, place, "kafka-console-consumer", "--bootstrap-server", address, "--topic", topic,
        "--from-beginning", "--max-messages", str(count), "--timeout-ms", "20000",
    )  # fmt: skip
    return told.splitlines()


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, f"{what}: not within {seconds} s"
        sleep(0.1)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a simulated exchange, in the place of the real one."""
    port = free_port()
    log = tmp_path_factory.mktemp("exchange") / "log"
    command = [str(BIN / "tickvol"), "simulate-exchange", "--port", str(port), "--speed", "20", "--hours", "0"]
    with log.open("wb") as sink, subprocess.Popen(command, stdout=sink, stderr=sink, cwd=COMPOSE.parents[1]) as process:
        try:
            wait_for(lambda: "listening on" in log.read_text(), "the exchange")
            yield f"ws://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def topics(composed: Composed, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What the one-shot service says, the first time and the second."""
    place = tmp_path_factory.mktemp("topics") / "topics"
    container = Container("topics", place, hosts={"kafka:19092": composed.containers})
    done = [container.run() for _ in range(2)]
    assert [(run.returncode, run.stderr) for run in done] == [(0, ""), (0, "")]
    assert container.strays() == []
    return [run.stdout for run in done]


def test_cluster_id_is_one() -> None:
    text = compose()["services"]["kafka"]["environment"]["CLUSTER_ID"]
    assert len(base64.urlsafe_b64decode(text + "==")) == 16
    assert not text.startswith("-")


def test_broker_is_healthy_by_its_own_check(composed: Composed, kafka_home: Path) -> None:
    assert health_check(kafka_home, composed.broker.port) == 0


def test_topics_are_made_once(topics: list[str]) -> None:
    assert topics[0].count(": made, ") == 6
    assert topics[1] == "topics     all as declared\n"


def test_topics_are_listed_by_kafka_s_own_tool(
    topics: list[str], composed: Composed, kafka_home: Path, tmp_path: Path
) -> None:
    listed = tool(
        kafka_home, tmp_path, "kafka-topics", "--list", "--bootstrap-server", composed.broker.bootstrap_servers
    )
    assert {
        "ticks.raw", "ticks.features", "ticks.predictions", "ticks.outcomes", "ticks.deadletter"
    } <= set(listed.split())  # fmt: skip


def live(name: str, place: Path, composed: Composed, exchange: str) -> Container:
    """One of the live path, with volumes of its own, as none shares files; the scorer finds no MLflow and waits."""
    port = str(free_port())
    sections = {"ingestor": ("9101", "INGESTION"), "featurizer": ("9102", "FEATURES"), "scorer": ("9103", "SCORING")}
    asked, section = sections[name]
    variables = {f"TICKVOL_{section}__METRICS_PORT": port, "TICKVOL_INGESTION__URL": exchange}
    hosts = {"kafka:19092": composed.containers, "mlflow:5000": "127.0.0.1:9"}
    return Container(name, place / name, hosts=hosts, ports={asked: port}, variables=variables)


def test_live_path_fills_both_topics_and_ends_well(
    topics: list[str], composed: Composed, exchange: str, kafka_home: Path, tmp_path: Path
) -> None:
    with (
        live("featurizer", tmp_path, composed, exchange) as featurizer,
        live("ingestor", tmp_path, composed, exchange) as ingestor,
    ):
        for topic, field in (("ticks.raw", '"price":'), ("ticks.features", '"bar_end_ns":')):
            lines = ticks_in(kafka_home, tmp_path, composed, topic, 10)
            assert len(lines) == 10, ingestor.log() + featurizer.log()
            assert any(field in line for line in lines)
        assert (ingestor.stop(), featurizer.stop()) == (0, 0), ingestor.log() + featurizer.log()
    assert ingestor.strays() + featurizer.strays() == []
    assert list((ingestor.app / "data" / "raw").glob("*.ndjson.gz"))
    assert list((featurizer.app / "data" / "processed" / "features.parquet").rglob("*.parquet"))


@pytest.mark.parametrize("name", ["ingestor", "featurizer", "scorer"])
def test_live_path_is_healthy_by_its_own_checks(
    name: str, topics: list[str], composed: Composed, exchange: str, tmp_path: Path
) -> None:
    with live(name, tmp_path, composed, exchange) as container:
        container.wait_until_healthy()
        assert container.stop() == 0, container.log()
    assert container.health() == 1
