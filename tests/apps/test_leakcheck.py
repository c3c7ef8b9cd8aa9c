"""`tickvol leakcheck` and the checks inside `tickvol train`: codes, lines, document, nothing saved after a leak."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support import ROOT
from tests.support.datasets import write_dataset
from tests.support.synthetic import synthetic_table
from tickvol.apps import leakcheck, replay, simulate_exchange, train
from tickvol.config import load_config
from tickvol.volatility.dataset import read_features
from tickvol.volatility.labels.spikes import fit_thresholds
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.feature_table import FeatureTable, table_fingerprint

RECORDINGS = Path(os.environ.get("TICKVOL_DATA", ROOT.parent / "shared" / "data")) / "coinbase_ticker"
CHECKS = [
    "split_overlap",
    "train_only_fits",
    "duplicate_rows",
    "pr_auc",
    "future_of_the_log",
    "served_equals_trained",
    "shuffled_labels",
    "time_shift",
]


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    return synthetic_table(1, hours=4, products=("BTC-USD", "ETH-USD"))


@pytest.fixture(scope="module")
def features(table: FeatureTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "features.parquet", table)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TICKVOL_MLFLOW__LEDGER_DIR", str(tmp_path / "ledgers"))
    monkeypatch.setenv("TICKVOL_LEAKCHECK__PERMUTATIONS", "4")


def verdicts(output: str) -> dict[str, str]:
    lines = (line for line in output.splitlines() if line.split(" ")[0] in CHECKS)
    return {line[:24].strip(): line[24:37].strip() for line in lines}


def checked(features: Path, document: Path, *more: str) -> int:
    return leakcheck.main(["--features", str(features), "--json", str(document), *more])


def test_a_log_and_its_dataset_are_clean_from_the_frames_to_the_detector(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, features = tmp_path / "market.ndjson.gz", tmp_path / "features.parquet"
    market = ["--hours", "5", "--ticks-per-s", "1", "--write", str(frames)]
    assert simulate_exchange.main(market) == 0
    assert replay.main(["--data-file", str(frames), "--out", str(features)]) == 0
    assert checked(features, tmp_path / "lc.json", "--data-file", str(frames), "--model-type", "logistic") == 0
    found = verdicts(capsys.readouterr().out)
    assert list(found) == CHECKS
    assert set(found.values()) == {"ok"}


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings at {RECORDINGS}; set TICKVOL_DATA")
def test_recorded_ticks_are_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features = tmp_path / "features.parquet"
    assert replay.main(["--data-file", str(RECORDINGS), "--out", str(features)]) == 0
    capsys.readouterr()
    assert checked(features, tmp_path / "lc.json", "--data-file", str(RECORDINGS), "--model-type", "logistic") == 0
    assert verdicts(capsys.readouterr().out) == dict.fromkeys(CHECKS, "ok")


def test_the_document_names_data_configuration_bundles_and_what_was_not_checked(
    features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(features, tmp_path / "new" / "lc.json", "--model-type", "forecast") == 0
    document = json.loads((tmp_path / "new" / "lc.json").read_text())
    assert (document["clean"], document["leaks"]) == (True, [])
    assert document["not_checked"] == ["future_of_the_log", "served_equals_trained"]
    assert [check["name"] for check in document["checks"]] == CHECKS
    assert document["data_fingerprint"] == table_fingerprint(read_features(features))
    assert document["config_hash"] == load_config(env_file=None).profile().fingerprint()
    assert "not checked  name the log of the dataset by --data-file" in capsys.readouterr().out
    artifacts = tmp_path / "artifacts"
    assert train.main(["--features", str(features), "--artifacts-dir", str(artifacts), "--no-tracking"]) == 0
    assert document["bundles"] == {path.name: Bundle.load(path).version for path in artifacts.iterdir()}
    assert "leaks       none by split_overlap, train_only_fits, duplicate_rows, pr_auc" in capsys.readouterr().out


def test_a_leak_is_said_on_its_line_in_the_document_and_by_the_exit_code(
    table: FeatureTable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = table.values.copy()
    place = table.names.index("jump_share_300")
    values[:-1, place] = table.column("bar_log_return")[1:] ** 2
    leaking = write_dataset(tmp_path / "features.parquet", replace(table, values=values))
    assert checked(leaking, tmp_path / "lc.json", "--model-type", "logistic") == 1
    said = capsys.readouterr()
    assert verdicts(said.out)["time_shift"] == "LEAK"
    assert "time_shift: jump_share_300 knows the bar 1 ahead" in said.err
    assert "no figure of these detectors is to be believed" in said.err
    document = json.loads((tmp_path / "lc.json").read_text())
    assert (document["clean"], document["leaks"]) == (False, ["time_shift"])


def test_training_saves_nothing_after_a_threshold_was_fitted_on_all_rows(
    features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_all_rows(table, label, values, train):
        return fit_thresholds(table, label, values, np.isfinite(values))

    monkeypatch.setattr("tickvol.volatility.models.training.fit_thresholds", on_all_rows)
    artifacts = tmp_path / "artifacts"
    assert train.main(["--features", str(features), "--artifacts-dir", str(artifacts)]) == 1
    error = capsys.readouterr().err
    assert "train_only_fits: the labels: spike threshold" in error
    assert "no bundle was saved or registered" in error
    assert not artifacts.exists()


def test_training_saves_nothing_above_the_highest_pr_auc(
    features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKVOL_EVALUATION__MAX_PR_AUC", "0.2")
    artifacts = tmp_path / "artifacts"
    assert train.main(["--features", str(features), "--artifacts-dir", str(artifacts), "--no-tracking"]) == 1
    assert "above 0.2, look for features that know the label; no bundle was saved" in capsys.readouterr().err
    assert not artifacts.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--seed", "-1"], 2, "--seed: -1: must be at least 0"),
        (["--features", "nowhere"], 1, "nowhere: no such dataset directory"),
        (["--data-file", "nowhere"], 1, "--data-file: nowhere: no such file or directory"),
    ],
)
def test_wrong_use_is_one_clear_line(
    features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    assert checked(features, tmp_path / "lc.json", *arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "lc.json").exists()
