"""`tickvol schedule`: the list, exit codes of a run, and pages that come and end with all that they started."""

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.apps.test_serve import free_port
from tests.support.datasets import write_dataset
from tests.support.trained import market
from tests.volatility.promotion.store import config, places
from tickvol.apps.cli import COMMANDS
from tickvol.apps.schedule import main
from tickvol.orchestration.home import only_scheduler
from tickvol.systems import job_plan


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    places(monkeypatch, tmp_path)
    monkeypatch.setenv("TICKVOL_SCHEDULES__HOME_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("TICKVOL_FEATURES__DATASET_DIR", str(tmp_path / "features.parquet"))
    return tmp_path


def test_the_list_names_for_each_job_when_it_is_due_and_a_command_that_exists(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TICKVOL_SCHEDULES__DRIFT_CRON", "7 * * * 1-5")
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    found = [re.fullmatch(r"(\w+) +(-|drift lasts|\S+(?: \S+){4}) +tickvol (\S+)(.*?)  +\w.*", line) for line in lines]
    assert all(found), lines
    shown = {match[1]: (match[2], match[3]) for match in found if match}
    assert list(shown) == [job.name for job in job_plan(config()).jobs]
    assert {command for _, command in shown.values()} <= set(COMMANDS)
    assert shown["drift"] == ("7 * * * 1-5", "drift")
    assert shown["retrain_on_drift"][0] == "drift lasts"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run"], "JOB: None: must be one of pipeline, train"),
        (["run", "nonsense"], "JOB: 'nonsense': must be one of pipeline, train"),
        (["list", "drift"], "JOB: 'drift': goes with run alone"),
        (["list", "--port", "3"], "--port: 3: goes with ui alone"),
        (["ui", "--port", "99999"], "--port: 99999: must be from 1 to 65535"),
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert says in capsys.readouterr().err


def test_a_wrong_cron_stops_every_action(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TICKVOL_SCHEDULES__RETRAIN_CRON", "0 24 * * *")
    for arguments in (["list"], ["run", "drift"], ["ui"]):
        assert main(arguments) == 2
        assert "schedules.retrain_cron: '0 24 * * *': hour must be" in capsys.readouterr().err


def test_a_failed_check_ends_the_job_before_its_command_with_exit_code_1(place: Path) -> None:
    write_dataset(place / "features.parquet", market(0, hours=1.0))
    ran = subprocess.run(
        [sys.executable, "-m", "tickvol", "schedule", "run", "retrain"], capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 1
    assert "features_fresh: the newest row of BTC-USD is" in ran.stderr.splitlines()[-1]
    assert re.search(r"^skipped +retraining$", ran.stdout, re.M)
    assert "tickvol retrain" not in ran.stderr
    assert not (place / "mlflow").exists()
    assert "alembic" not in ran.stderr


def test_a_taken_port_and_a_second_scheduler_are_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["ui", "--port", str(port)]) == 2
    assert f"--port: {port}: cannot listen" in capsys.readouterr().err
    with only_scheduler(place / "home"):
        assert main(["ui", "--port", str(free_port())]) == 1
    assert "another scheduler is at work" in capsys.readouterr().err


QUERY = """{ repositoriesOrError { ... on RepositoryConnection { nodes {
  schedules { name scheduleState { status } } sensors { name sensorState { status } } } } } }"""


@pytest.mark.slow
def test_the_pages_answer_on_the_loopback_alone_and_sigterm_ends_all(place: Path) -> None:
    port = free_port()
    with (place / "said").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "tickvol", "schedule", "ui", "--port", str(port)], stdout=said, stderr=said
        )
    family: list[psutil.Process] = []
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            nodes = wait_for_schedules(client, process)
            assert client.get("/").status_code == 200
        assert {each["name"] for each in nodes["schedules"]} == {
            f"{job.name}_schedule" for job in job_plan(config()).jobs if job.cron
        }
        assert {each["scheduleState"]["status"] for each in nodes["schedules"]} == {"RUNNING"}
        assert nodes["sensors"] == [{"name": "drift_report", "sensorState": {"status": "RUNNING"}}]
        family = psutil.Process(process.pid).children(recursive=True)
        assert listening(family) <= {"127.0.0.1"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (place / "said").read_text()
        assert psutil.wait_procs(family, timeout=10)[1] == []
    finally:
        for one in family:
            if one.is_running():
                one.kill()
        process.kill()
        process.wait(20)


def listening(family: list[psutil.Process]) -> set[str]:
    found = [connection for one in family for connection in one.net_connections(kind="inet")]
    return {connection.laddr.ip for connection in found if connection.status == psutil.CONN_LISTEN}


def wait_for_schedules(client: httpx.Client, process: "subprocess.Popen[bytes]") -> dict[str, list[dict[str, object]]]:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            found = client.post("/graphql", json={"query": QUERY}).json()["data"]["repositoriesOrError"]["nodes"]
        except (httpx.HTTPError, ValueError):
            found = []
        if found:
            return dict(found[0])
        time.sleep(0.2)
    raise AssertionError("no schedules within 120 s")
