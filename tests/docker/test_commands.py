"""What the containers run, run here: MLflow, and the service that takes its champion from there."""

import http.server
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from tests.docker.files import ROOT
from tests.docker.native import Container
from tests.support.datasets import write_dataset
from tests.support.trained import market
from tickvol.broker.files import free_port
from tickvol.volatility.models.bundle import Bundle

IS_HEALTHY = ROOT / "docker" / "is_healthy.py"
TOOL = ROOT / "docker" / "kafka-tool.sh"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ingestor", "usage: tickvol ws-ingest"),
        ("featurizer", "usage: tickvol featurize"),
        ("scorer", "usage: tickvol score"),
        ("serving", "usage: tickvol serve"),
        ("topics", "usage: tickvol kafka topics"),
        ("mlflow", "Usage: mlflow server"),
    ],
)
def test_every_image_answers_help(name: str, says: str, tmp_path: Path) -> None:
    container = Container(name, tmp_path / name)
    done = container.run("--help")
    assert (done.returncode, done.stdout[: len(says)]) == (0, says), done.stderr
    assert container.strays() == []


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Container, str]]:
    port = str(free_port())
    place = tmp_path_factory.mktemp("containers") / "mlflow"
    with Container("mlflow", place, ports={"5000": port}) as container:
        container.wait_until_healthy()
        yield container, port


def status_for(port: str, host: str) -> int:
    connection = HTTPConnection("127.0.0.1", int(port), timeout=10)
    headers = {"Host": host, "Content-Type": "application/json"}
    connection.request("POST", "/api/2.0/mlflow/experiments/search", '{"max_results": 1}', headers)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [("mlflow:5000", 200), ("localhost:5000", 200), ("127.0.0.1:5000", 200), ("evil.example:5000", 403)],
)
def test_mlflow_lets_in_containers_and_the_host_by_name(mlflow: tuple[Container, str], host: str, status: int) -> None:
    assert status_for(mlflow[1], host) == status


def serving(place: Path, mlflow_port: str) -> tuple[Container, str]:
    port = str(free_port())
    container = Container(
        "serving",
        place,
        hosts={"mlflow:5000": f"127.0.0.1:{mlflow_port}"},
        ports={"3000": port},
        variables={"TICKVOL_SERVING__PORT": port},
    )
    return container, port


def train(place: Path, mlflow_port: str) -> str:
    """By the command of the runbook; the hash of the bundle that became champion."""
    hosts = {"mlflow:5000": f"127.0.0.1:{mlflow_port}"}
    container = Container("featurizer", place, hosts=hosts)
    write_dataset(container.app / "data" / "processed" / "features.parquet", market(3))
    done = container.run("train", "--model-type", "logistic", entrypoint="tickvol")
    assert done.returncode == 0, done.stderr
    assert container.strays() == []
    champion = re.search(r"^registered .* (\w+), as challenger and champion$", done.stdout, re.M)
    assert champion is not None, done.stdout
    return str(Bundle.load(container.app / "data" / "artifacts" / champion[1]).version)


def test_service_waits_for_a_champion_then_serves_the_one_that_was_trained(
    mlflow: tuple[Container, str], tmp_path: Path
) -> None:
    early, _ = serving(tmp_path / "early", mlflow[1])
    done = early.run()
    assert done.returncode == 1
    assert "the registry has no such alias" in done.stderr

    trained = train(tmp_path / "featurizer", mlflow[1])
    container, port = serving(tmp_path / "serving", mlflow[1])
    with container:
        container.wait_until_healthy()
        assert httpx.get(f"http://127.0.0.1:{port}/model").json()["model_version"] == trained
        assert container.stop() == 0
    assert container.strays() == []
    assert mlflow[0].strays() == []


@pytest.mark.slow  # two more starts; the test before sees that nothing is written elsewhere
def test_mlflow_keeps_everything_in_its_volume_over_a_restart(tmp_path: Path) -> None:
    port = str(free_port())
    for expected in (["Default"], ["Default", "kept"]):
        with Container("mlflow", tmp_path / "mlflow", ports={"5000": port}) as container:
            container.wait_until_healthy()
            base = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments"
            found = httpx.post(f"{base}/search", json={"max_results": 10}).json()["experiments"]
            assert sorted(experiment["name"] for experiment in found) == expected
            httpx.post(f"{base}/create", json={"name": "kept"})
            assert container.stop() == 0
        assert container.strays() == []


@pytest.mark.parametrize(("status", "code"), [(200, 0), (204, 1), (503, 1), (None, 1)])
def test_health_check_is_content_with_200_alone(status: int | None, code: int) -> None:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status or 0)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        port = server.server_address[1] if status else free_port()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        command = [sys.executable, str(IS_HEALTHY), str(port), "/x"]
        proxied = os.environ | {"http_proxy": "http://127.0.0.1:9"}
        done = subprocess.run(command, env=proxied, capture_output=True, text=True, check=False)
        server.shutdown()
    assert done.returncode == code
    assert (f"127.0.0.1:{port}/x" in done.stderr) is bool(code)


def test_kafka_s_tools_are_found_by_the_name_they_are_mounted_as(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "kafka-topics.sh"
    tool.write_text('#!/bin/sh\necho "$0" "$@"\n')
    tool.chmod(0o755)
    mounted = tmp_path / "kafka-topics"
    mounted.symlink_to(TOOL)
    assert TOOL.stat().st_mode & stat.S_IXOTH
    done = subprocess.run(
        [str(mounted), "--list", "a b"], env={"KAFKA_HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{tool} --list a b\n"
