"""`tickvol demo`: run the whole pipeline end to end, each stage with the command that a user would run."""

import argparse
import json
import os
import socket
import subprocess
import time
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from itertools import chain
from pathlib import Path

from tickvol.command import command_parser, run_command
from tickvol.core.errors import InputError, RequestFailed, WorkError
from tickvol.exchange.http import HttpClient, HttpRules
from tickvol.supervisor.stages import Stages

DESCRIPTION = """Run the whole pipeline end to end: frames, features, training of all detectors, evaluation, drift
report, and one request to each endpoint of the HTTP service.

The frames are recordings from the directory TICKVOL_DATA, else a capture of the simulated exchange: two products,
--hours simulated hours from a fixed date. All output is written to data/demo and reports/demo; runs are logged to the
experiment tickvol-demo."""

DATA = Path("data/demo")
REPORTS = Path("reports/demo")
FEATURES = DATA / "features.parquet"
ARTIFACTS = DATA / "artifacts"
STARTUP_S = 90.0
ANSWER_S = 30.0
MAX_FRAMES = 20_000
FRAMES_BYTES = 6_000_000


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol demo`."""
    parser = command_parser("demo", DESCRIPTION)
    parser.add_argument("--hours", type=float, default=6.0, help="simulated hours to capture")
    parser.add_argument("--seed", type=int, default=7, help="seed of the simulated market")
    return run_command(parser, _demo, argv)


def _demo(options: argparse.Namespace) -> int:
    os.environ |= {
        "TICKVOL_INGESTION__RAW_DIR": str(DATA / "raw"),
        "TICKVOL_FEATURES__DATASET_DIR": str(FEATURES),
        "TICKVOL_MODELS__ARTIFACTS_DIR": str(ARTIFACTS),
        "TICKVOL_MLFLOW__EXPERIMENT": "tickvol-demo",
        "TICKVOL_MLFLOW__REGISTERED_MODEL": "tickvol-spike-demo",
        "TICKVOL_EVALUATION__REPORT_JSON": str(REPORTS / "model_eval.json"),
        "TICKVOL_EVALUATION__REPORT_HTML": str(REPORTS / "model_eval.html"),
        "TICKVOL_MONITORING__REPORT_DIR": str(REPORTS / "evidently"),
        "BENTOML_DO_NOT_TRACK": "true",
    }
    recordings = os.environ.pop("TICKVOL_DATA", None)
    stages = Stages(options.config, partial(print, flush=True))
    try:
        files = _recordings(Path(recordings)) if recordings else _capture(stages, options)
        stages.run("features", str(FEATURES), "replay", "--data-file", *map(str, files))
        stages.run("training", f"{ARTIFACTS}, make mlflow", "train", "--model-type", "all")
        model = str(ARTIFACTS / "forecast")
        scores = DATA / "scores.parquet"
        stages.run("inference", str(scores), "infer", "--model-path", model, "--output", str(scores))
        stages.run("evaluation", str(REPORTS / "model_eval.html"), "evaluate")
        drift = ("drift", "--compare-train-test", "--bundle", model)
        stages.run("drift report", str(REPORTS / "evidently/evidently_report.html"), *drift)
        stages.run("backtest", "above", "backtest", "--bundle", model)
        _ask_service(stages, model, files)
    finally:
        stages.end_children()
    print(f"\n{stages.table()}")
    if not recordings:
        print("\nsimulated market: these figures say nothing about real markets")
    return 0


def _recordings(directory: Path) -> list[Path]:
    """Directory of the recorded ticker frames."""
    for candidate in (directory / "coinbase_ticker", directory):
        if candidate.is_dir():
            return [candidate]
    raise InputError(f"TICKVOL_DATA: {directory}: no such directory; name one with recorded frames, or unset it")


def _capture(stages: Stages, options: argparse.Namespace) -> list[Path]:
    """Capture from the simulated exchange over a real WebSocket on the loopback."""
    print(f"== capture: {options.hours:g} simulated hours, seed {options.seed}", flush=True)
    started = time.monotonic()
    before = set((DATA / "raw").glob("*")) if (DATA / "raw").exists() else set()
    market = ("--seed", str(options.seed), "--hours", str(options.hours))
    exchange = stages.start(
        "simulate-exchange", "--port", "0", "--speed", "max", *market, "--exit-when-done", stdout=subprocess.PIPE
    )
    assert exchange.stdout is not None
    greeting = exchange.stdout.readline().split()
    if not greeting:
        raise WorkError("stage 'capture': the simulated exchange did not start; see its message above")
    ingest = stages.start("ws-ingest", "--url", greeting[-1], "--sink", "file", "--stop-on-close")
    if ingest.wait() != 0:
        raise WorkError(f"stage 'capture' failed with exit code {ingest.returncode}; see its message above")
    stages.end_children()
    stages.done("capture", started, str(DATA / "raw"))
    return sorted(path for path in (DATA / "raw").glob("*.ndjson*") if path not in before)


def _ask_service(stages: Stages, bundle: str, files: list[Path]) -> None:
    """Start the service, send one request to each endpoint, stop the service."""
    started = time.monotonic()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    print(f"\n== service: tickvol serve --bundle {bundle} --port {port}", flush=True)
    service = stages.start("serve", "--bundle", bundle, "--port", str(port))
    base = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + STARTUP_S
    while _call(f"{base}/readyz") is None:
        if service.poll() is not None or time.monotonic() > deadline:
            raise WorkError(f"stage 'service': not ready after {STARTUP_S:.0f} s; see its messages above")
        time.sleep(0.3)
    frames = _last_frames(files)
    row = _last_row()
    for path, body in (
        ("/model", None),
        ("/predict", {"frames": frames}),
        ("/predict", row),
        ("/anomaly", row),
        ("/signal", row),
        ("/backtest", None),
    ):
        answer = _call(base + path, body)
        if answer is None:
            raise WorkError(f"stage 'service': {path} did not respond; see its messages above")
        print(f"{'GET ' if body is None else 'POST'} {path:<9} {_short(answer)}")
    stages.end_children()
    stages.done("service", started, "docs/serving.md, make serve")


def _call(url: str, body: object | None = None) -> str | None:
    """Text of the response; None while the service does not respond."""
    method, content = ("GET", None) if body is None else ("POST", json.dumps(body).encode())
    try:
        with HttpClient(HttpRules.one_attempt(ANSWER_S)) as client:
            response = client.request(method, url, content=content, headers={"Content-Type": "application/json"})
    except RequestFailed:
        return None
    if response.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return None
    text = response.body.decode()
    if not 200 <= response.status < 300:
        raise WorkError(f"{url}: {response.status}: {text}")
    return text


def _short(answer: str) -> str:
    return answer if len(answer) <= 300 else f"{answer[:300]} ... ({len(answer)} characters)"


def _last_frames(files: list[Path]) -> list[str]:
    """Last frames of the log as the exchange sent them, about as many as one request may hold."""
    from tickvol.eventlog.archive_reader import archive_files
    from tickvol.simulator.recording import frame_batches

    frames: list[str] = []
    for path in reversed(archive_files(files)):
        frames = list(chain.from_iterable(frame_batches(path))) + frames
        if sum(map(len, frames[-MAX_FRAMES:])) >= FRAMES_BYTES:
            break
    while len(frames) > MAX_FRAMES or sum(map(len, frames)) > FRAMES_BYTES:
        frames = frames[max(1, len(frames) // 20) :]
    return frames


def _last_row() -> dict[str, object]:
    """Request body with the last scorable row of the dataset."""
    import numpy as np

    from tickvol.volatility.dataset import read_features
    from tickvol.volatility.labels.scorable import scorable

    table = read_features(FEATURES)
    row = int(np.flatnonzero(scorable(table))[-1])
    values = {
        name: None if np.isnan(value) else float(value)
        for name, value in zip(table.names, table.values[row], strict=True)
    }
    product = table.products[table.product[row]]
    rows = [{"product_id": product, "bar_end_ns": int(table.bar_end_ns[row]), "features": values}]
    return {"feature_schema_version": table.schema_version, "rows": rows}
