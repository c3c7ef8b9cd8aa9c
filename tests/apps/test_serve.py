"""`tickvol serve` as a process: each endpoint and each refusal over HTTP, then a clean end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psutil
import pytest

from tests.support import ROOT
from tests.support.datasets import write_dataset
from tests.support.trained import bundles, market
from tests.volatility.answers.samples import frames, row, rows_body
from tickvol.apps.serve import main
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION

LOGISTIC = bundles()[-1]
TICKVOL = [sys.executable, "-c", "import sys; from tickvol.apps.cli import main; sys.exit(main(sys.argv[1:]))"]
READY_S = 60.0
JSON = {"content-type": "application/json"}


class Service(NamedTuple):
    client: httpx.Client
    process: psutil.Process
    log: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(place: Path, port: int) -> subprocess.Popen[bytes]:
    arguments = ["serve", "--bundle", str(place / "logistic"), "--features", str(place / "features.parquet")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TICKVOL_")}
    environment |= {"TICKVOL_SERVING__STATE_DIR": str(place / "bentoml"), "TMPDIR": str(place)}
    with (place / "log").open("wb") as log:
        return subprocess.Popen(
            [*TICKVOL, *arguments, "--port", str(port)], cwd=ROOT, env=environment, stdout=log, stderr=log
        )


def wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and process.poll() is None:
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail(f"not ready:\n{log.read_text()}")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    place = tmp_path_factory.mktemp("serve")
    LOGISTIC.save(place / "logistic")
    write_dataset(place / "features.parquet", market(3))
    port = free_port()
    process = start(place, port)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30.0) as client:
            wait_until_ready(client, process, place / "log")
            yield Service(client, psutil.Process(process.pid), place / "log")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def post(service: Service, path: str, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return service.client.post(path, content=content, headers=JSON)


@pytest.mark.parametrize("body", [rows_body(row(0.1)), {"frames": frames(800)}], ids=["rows", "frames"])
def test_post_endpoints_answer_rows_and_frames(service: Service, body: dict[str, Any]) -> None:
    for path, field in (("/predict", "probability"), ("/anomaly", "abnormal"), ("/signal", "signal")):
        response = post(service, path, body)
        assert response.status_code == 200, response.text
        document = response.json()
        assert (document["model_version"], document["feature_schema_version"]) == (LOGISTIC.version, SCHEMA_VERSION)
        assert document["answers"][0]["status"] == "ok"
        assert document["answers"][0][field] is not None


def test_get_endpoints_answer(service: Service) -> None:
    model = service.client.get("/model").json()
    assert model["model_version"] == LOGISTIC.version
    found = service.client.get("/backtest", params={"product": "BTC-USD", "threshold": "0.3"}).json()
    assert found["threshold"] == 0.3
    assert set(found["by_product"]) == {"BTC-USD"}


def test_unknown_row_is_unknown_over_http(service: Service) -> None:
    answer = post(service, "/signal", rows_body(row(coverage_60=0.5))).json()["answers"][0]
    assert (answer["status"], answer["signal"], answer["probability"]) == ("unknown", None, None)
    assert "coverage_60" in answer["reason"]


def broken(**features: Any) -> bytes:
    return json.dumps(rows_body(row(**features))).encode()


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b'{"rows":', 400, "body"),
        (b"", 400, "body"),
        (b"\xff\xfe", 400, "body"),
        (b"[" * 100_000, 400, "body"),
        (b"[]", 422, "body"),
        (b"{}", 422, "body"),
        (b'{"rows":[],"frames":[]}', 422, "body"),
        (b'{"frames":["{}"],"extra":1}', 422, "extra"),
        (broken(robust_z=float("nan")), 422, "rows[0].features.robust_z"),
        (broken(robust_z=float("inf")), 422, "rows[0].features.robust_z"),
        (broken(robust_z="3.0"), 422, "rows[0].features.robust_z"),
        (broken(robust_z=True), 422, "rows[0].features.robust_z"),
        (broken(nonsense=1.0), 422, "rows[0].features.nonsense"),
        (b'{"frames":[{"x":NaN}]}', 422, "frames[0]"),
        (json.dumps(rows_body(*[row(second=s) for s in range(1001)])).encode(), 422, "rows"),
        (b'{"frames":[' + b"{}," * 20_000 + b"{}]}", 422, "frames"),
        (json.dumps(rows_body(row(), version=99)).encode(), 409, "feature_schema_version"),
        (b" " * (8 * 1024 * 1024 + 1), 413, "body"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
def test_refusals_are_json_with_the_field_s_path_and_no_traceback(
    service: Service, body: bytes, status: int, field: str
) -> None:
    for path in ("/predict", "/anomaly", "/signal"):
        response = post(service, path, body)
        assert response.status_code == status, response.text
        error = response.json()["error"]
        assert (error["status"], error["field"]) == (status, field)
        assert error["rule"]
        assert "Traceback" not in response.text


def test_chunked_body_without_a_length_is_counted_too(service: Service) -> None:
    chunks = (b" " * 65_536 for _ in range(200))
    response = service.client.post("/predict", content=chunks, headers=JSON)
    assert response.status_code == 413


def test_other_types_methods_and_paths_are_refused_in_json(service: Service) -> None:
    client = service.client
    cases = (
        (client.post("/predict", content=b"{}", headers={"content-type": "text/plain"}), 415, "content-type"),
        (client.post("/predict", content=b"{}"), 415, "content-type"),
        (client.get("/predict"), 405, "method"),
        (post(service, "/model", {}), 405, "method"),
        (client.get("/nothing"), 404, "path"),
        (client.get("/backtest", params={"threshold": "2"}), 422, "threshold"),
    )
    for response, status, field in cases:
        assert (response.status_code, response.json()["error"]["field"]) == (status, field)


def test_service_listens_on_loopback_only(service: Service) -> None:
    worker = service.process.children()[0]
    listening = [c.laddr.ip for c in worker.net_connections(kind="inet") if c.status == psutil.CONN_LISTEN]
    assert set(listening) <= {"127.0.0.1"}


def test_rejected_bodies_leave_no_traceback_in_the_log(service: Service) -> None:
    post(service, "/predict", b"{}")
    assert "Traceback" not in service.log.read_text()


def test_sigterm_ends_supervisor_and_worker_and_frees_the_port(tmp_path: Path) -> None:
    LOGISTIC.save(tmp_path / "logistic")
    port = free_port()
    process = start(tmp_path, port)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until_ready(client, process, tmp_path / "log")
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        assert len(family) >= 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert psutil.wait_procs(family, timeout=5)[1] == []
    finally:
        process.kill()
        process.wait(20)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def test_worker_whose_supervisor_was_killed_ends_by_itself(tmp_path: Path) -> None:
    LOGISTIC.save(tmp_path / "logistic")
    port = free_port()
    process = start(tmp_path, port)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        wait_until_ready(client, process, tmp_path / "log")
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait(20)
    end = time.monotonic() + 10
    while time.monotonic() < end and any(_runs(worker) for worker in workers):
        time.sleep(0.1)
    assert not any(_runs(worker) for worker in workers)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--port", "99999"], 2, "serving.port"),
        (["--port", "http"], 2, "--port"),
        (["--host", "localhost"], 2, "serving.host"),
        (["--bundle", "model.pkl"], 2, "pickles are never opened"),
        (["--bundle", "nowhere"], 1, "is no bundle"),
        (["--config", "nowhere.yaml"], 2, "no such file"),
    ],
)
def test_wrong_use_is_told_in_one_line_before_anything_starts(
    arguments: list[str],
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    defaults = ["--config", str(ROOT / "config.yaml"), "--port", str(free_port())]
    try:
        found = main([*defaults, *arguments])
    except SystemExit as stop:  # argparse
        found = int(stop.code or 0)
    assert found == code
    assert says in capsys.readouterr().err


def test_taken_port_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--bundle", "nowhere", "--port", str(port)]) == 2
    assert f"--port: {port}" in capsys.readouterr().err
