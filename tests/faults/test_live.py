"""`tickvol live`: everything up, figures that add up, everything down again and nothing left behind."""

import os
import re
import signal
import subprocess
import sys

import psutil
import pytest

from tests.faults.line import assert_same_tree, wait_for
from tests.kafka.conftest import ROOT
from tickvol.broker.files import free_port, port_is_taken
from tickvol.volatility.dataset import read_features

pytestmark = pytest.mark.kafka
NO_MLFLOW = {"TICKVOL_MLFLOW__TRACKING_URI": "http://127.0.0.1:9"}


def of_ours(root):
    """Processes whose environment names the test's directory."""
    found = []
    for process in psutil.process_iter(["pid", "environ"]):
        environ = process.info["environ"] or {}
        if environ.get("TICKVOL_INGESTION__RAW_DIR") == str(root / "raw"):
            found.append(process)
    return found


@pytest.fixture
def live(tmp_path):
    """`live(environment, *arguments)`: the command; `.said()` is its output so far. What is left is killed."""

    def start(environment, *arguments):
        out = tmp_path / "live.out"
        command = [sys.executable, "-m", "tickvol", "live", "--log-dir", str(tmp_path / "log"), *map(str, arguments)]
        with out.open("wb") as sink:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True
            )
        process.said = out.read_text
        return process

    try:
        yield start
    finally:
        for process in of_ours(tmp_path):
            process.kill()


def up(process):
    def is_up():
        assert process.poll() is None, process.said()
        return "Ctrl-C ends all of it" in process.said()

    wait_for(is_up, 170, "everything healthy")


def pid_of(process, name):
    return int(re.search(rf"^{name} .*pid (\d+)", process.said(), re.M)[1])


def test_live_brings_everything_up_and_down_with_a_broker_and_mlflow_of_its_own(tmp_path, live):
    kafka_port, mlflow_port = free_port(), free_port()
    environment = os.environ | {
        "TICKVOL_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{kafka_port}",
        "TICKVOL_KAFKA__BROKER_DIR": str(tmp_path / "kafka"),
        "TICKVOL_INGESTION__RAW_DIR": str(tmp_path / "raw"),
        "TICKVOL_FEATURES__DATASET_DIR": str(tmp_path / "features.parquet"),
        "TICKVOL_MLFLOW__TRACKING_URI": f"sqlite:///{tmp_path}/mlflow/mlflow.db",
        "TICKVOL_MLFLOW__ARTIFACTS_DIR": str(tmp_path / "mlflow" / "artifacts"),
        "TICKVOL_MLFLOW__LEDGER_DIR": str(tmp_path / "mlflow" / "ledgers"),
        "TICKVOL_MLFLOW__PORT": str(mlflow_port),
    }
    process = live(environment, "--simulate", "--speed", 10)
    up(process)
    assert f"broker     127.0.0.1:{kafka_port}, started here" in process.said()
    for port in (kafka_port, mlflow_port):
        assert port_is_taken("127.0.0.1", port)
    os.kill(int(re.search(r"started, pid (\d+)", process.said())[1]), signal.SIGKILL)
    wait_for(lambda: len(re.findall(r"Kafka \S+ started, pid", process.said())) == 2, 90, "broker again")
    assert process.said().count("broker: has ended, is started again") == 1
    process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0, process.said()
    ended = re.findall(r"^(\w+) +(?:ended|127\.0\.0\.1:\d+: stopped)$", process.said(), re.M)
    assert ended == ["ingestor", "exchange", "featurizer", "scorer", "mlflow", "broker"]
    assert "all of the archive is with the broker" in process.said()
    assert "is not read" not in process.said()
    assert of_ours(tmp_path) == []
    for port in (kafka_port, mlflow_port):
        assert not port_is_taken("127.0.0.1", port)
    replay = ["replay", "--data-file", tmp_path / "raw", "--out", tmp_path / "replayed.parquet"]
    subprocess.run([sys.executable, "-m", "tickvol", *replay], cwd=ROOT, env=environment, check=True)
    assert_same_tree(tmp_path / "features.parquet", tmp_path / "replayed.parquet")
    assert len(read_features(tmp_path / "features.parquet").product) > 10


@pytest.mark.slow  # another whole start; the test before sees the way up and down
def test_live_starts_again_what_is_killed_and_leaves_a_broker_that_was_there(line, live):
    process = live(line.environment | NO_MLFLOW, "--simulate", "--speed", 10)
    up(process)
    assert "was there before" in process.said()
    for name in ("featurizer", "ingestor"):
        os.kill(pid_of(process, name), signal.SIGKILL)
        wait_for(lambda name=name: f"{name}: ended with exit code -9 after" in process.said(), 30, "told")
    wait_for(lambda: line.lag() == 0, 60, "caught up")
    rows = sum(map(len, line.features().values()))
    wait_for(lambda: sum(map(len, line.features().values())) > rows, 60, "rows again")
    process.send_signal(signal.SIGTERM)
    assert process.wait(120) == 0, process.said()
    assert "stopped" not in process.said()
    assert of_ours(line.root) == []
    line.check_all()


@pytest.mark.slow  # two more starts
def test_second_live_in_one_place_is_refused_and_disturbs_nobody(line, live, tmp_path):
    first = live(line.environment | NO_MLFLOW, "--simulate", "--duration", 600)
    wait_for(lambda: (tmp_path / "log" / ".lock").exists(), 30, "lock")
    second = subprocess.run(
        [sys.executable, "-m", "tickvol", "live", "--simulate", "--log-dir", str(tmp_path / "log")],
        cwd=ROOT, env=line.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert "another `tickvol live` runs with it" in second.stderr
    assert first.poll() is None
    first.send_signal(signal.SIGINT)
    assert first.wait(120) == 0, first.said()
    assert of_ours(line.root) == []
