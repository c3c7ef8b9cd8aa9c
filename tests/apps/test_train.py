"""`tickvol train`: bundles, table, exit codes, the same bytes again, MLflow on request."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT
from tests.support.datasets import write_dataset
from tests.support.stores import new_store
from tests.support.synthetic import synthetic_table
from tickvol.apps.train import main
from tickvol.volatility.models.baselines import BASELINES
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.candidates import MODELS
from tickvol.volatility.registry.trials import TRIALS

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
]


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = synthetic_table(1, hours=4, products=("BTC-USD", "ETH-USD"))
    return write_dataset(tmp_path_factory.mktemp("data") / "features.parquet", table)


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TICKVOL_MLFLOW__TRACKING_URI", f"sqlite:///{new_store(tmp_path / 'mlflow' / 'mlflow.db')}")
    monkeypatch.setenv("TICKVOL_MLFLOW__ARTIFACTS_DIR", str(tmp_path / "mlflow" / "artifacts"))
    monkeypatch.setenv("TICKVOL_MLFLOW__LEDGER_DIR", str(tmp_path / "mlflow" / "ledgers"))
    monkeypatch.setenv("TICKVOL_MODELS__XGBOOST_MAX_ROUNDS", "30")


def train(features: Path, artifacts: Path, *more: str) -> int:
    return main(["--features", str(features), "--artifacts-dir", str(artifacts), "--no-tracking", *more])


def table_of(output: str) -> dict[str, tuple[float, float]]:
    lines = re.findall(r"^(\w+) +(?:baseline|model|no skill) +([\d.]+) +([\d.]+)", output, re.MULTILINE)
    return {name: (float(validation), float(test)) for name, validation, test in lines}


def test_the_table_holds_all_detectors_beside_the_prevalence(
    features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(features, tmp_path, "--model-type", "all") == 0
    output = capsys.readouterr().out
    shown = table_of(output)
    assert tuple(shown) == (*BASELINES, *MODELS, "prevalence")
    for name in shown.keys() - {"prevalence"}:
        figures = Bundle.load(tmp_path / name).manifest.metrics
        assert shown[name] == tuple(round(float(figures[part]["pr_auc"] or 0), 4) for part in ("validation", "test"))
    best = max(shown.items(), key=lambda entry: entry[1][0])[0]
    assert re.search(rf"^{best} .*best on validation$", output, re.MULTILINE)
    assert ("a baseline is best here" in output) == (best in BASELINES)
    assert "simulated" not in output


def test_the_default_model_is_the_forecast_and_two_runs_give_the_same_bytes(features: Path, tmp_path: Path) -> None:
    for run in ("one", "two"):
        assert train(features, tmp_path / run) == 0
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted((*BASELINES, "forecast"))
    for path in (tmp_path / "one").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path


def test_the_seed_and_the_label_of_the_flags_are_those_of_the_bundle_and_its_hash(
    features: Path, tmp_path: Path
) -> None:
    assert train(features, tmp_path / "a", "--seed", "1") == 0
    assert train(features, tmp_path / "b", "--seed", "2", "--label", "absolute") == 0
    one, two = (Bundle.load(tmp_path / run / "forecast").manifest for run in "ab")
    assert (one.seed, two.seed) == (1, 2)
    assert (one.label.kind, two.label.kind) == ("relative", "absolute")
    assert set(two.spike_thresholds.by_product) == {"BTC-USD", "ETH-USD"}
    assert one.provenance.config_hash != two.provenance.config_hash
    assert one.provenance.data_fingerprint == two.provenance.data_fingerprint


def test_simulated_rows_are_said_to_be_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = replace(synthetic_table(1, hours=4, products=("BTC-USD", "ETH-USD")), simulated=True)
    assert train(write_dataset(tmp_path / "f", table), tmp_path / "artifacts") == 0
    assert "simulated market: these figures say nothing about real markets" in capsys.readouterr().out
    assert json.loads((tmp_path / "artifacts" / "har" / "bundle.json").read_text())["simulated"] is True


def test_too_little_data_is_said_with_the_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features = write_dataset(tmp_path / "f", synthetic_table(1, hours=1.2, gaps=()))
    assert train(features, tmp_path / "artifacts") == 1
    assert re.search(r"at least 20 spikes.*train \d+ spikes in \d+ rows, validation", capsys.readouterr().err)
    assert not (tmp_path / "artifacts").exists()
    (entry,) = trials(tmp_path)
    assert entry["state"] == "failed: NotEnoughData"


def trials(directory: Path) -> list[dict[str, Any]]:
    lines = (directory / "mlflow" / "ledgers" / TRIALS).read_text().splitlines()
    return [json.loads(line)["content"] for line in lines]


def test_every_training_is_a_trial_with_what_each_detector_came_to(features: Path, tmp_path: Path) -> None:
    assert train(features, tmp_path / "artifacts") == 0
    (entry,) = trials(tmp_path)
    assert (entry["source"], entry["horizon_s"], entry["simulated"], entry["state"]) == ("ticks", 60, False, "complete")
    assert set(entry["candidates"]) == {*BASELINES, "forecast"} == set(entry["figures"])
    saved = Bundle.load(tmp_path / "artifacts" / "forecast")
    assert entry["figures"]["forecast"]["bundle_hash"] == saved.version


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--seed", "-1"], 2, "--seed: -1: must be at least 0"),
        (["--features", "nowhere"], 1, "nowhere: no such dataset directory"),
        (["--products", "DOGE-USD"], 1, "holds no rows"),
    ],
)
def test_wrong_use_is_one_clear_line(
    features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert train(features, tmp_path, *arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_tracking_registers_the_best_and_keeps_bundles_where_it_is_down(
    features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--features", str(features), "--artifacts-dir", str(tmp_path / "artifacts")]
    assert main(arguments) == 0
    output = capsys.readouterr().out
    best = re.search(r"^(\w+) .*best on validation$", output, re.MULTILINE)
    assert best is not None
    assert re.search(rf"registered +tickvol-spike version 1: .*{best[1]}, as challenger and champion", output)
    from tickvol.config import load_config
    from tickvol.volatility.registry.runs import resolve_alias

    served = Bundle.load(resolve_alias(load_config(env_file=None).mlflow))
    assert served.version == Bundle.load(tmp_path / "artifacts" / best[1]).version
    monkeypatch.setenv("TICKVOL_MLFLOW__TRACKING_URI", "http://127.0.0.1:9")
    arguments[-1] = str(tmp_path / "again")
    assert main(arguments) == 1
    assert "mlflow.tracking_uri: http://127.0.0.1:9: cannot be used" in capsys.readouterr().err
    assert Bundle.load(tmp_path / "again" / best[1]).version == served.version
