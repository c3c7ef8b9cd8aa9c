"""`tickvol infer`: scores, what is unknown, refusals, and the benchmark's table."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support import ROOT
from tests.support.datasets import write_dataset
from tests.support.synthetic import synthetic_table
from tests.volatility.models.conftest import trained_all
from tickvol.apps.infer import main
from tickvol.volatility.evaluation import inference_speed
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelSpec


@pytest.fixture(scope="module")
def table() -> FeatureTable:
    return synthetic_table(1, hours=4, products=("BTC-USD", "ETH-USD"))


@pytest.fixture(scope="module")
def artifacts(table: FeatureTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("artifacts")
    for name, bundle in trained_all(table, LabelSpec()).items():
        bundle.save(directory / name)
    return directory


@pytest.fixture(scope="module")
def features(table: FeatureTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "features.parquet", table)


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch, artifacts: Path) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TICKVOL_MODELS__ARTIFACTS_DIR", str(artifacts))
    monkeypatch.setenv("TICKVOL_MODELS__MODEL_TYPE", "logistic")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_scores_are_those_of_the_bundle_and_unknown_rows_have_a_reason(
    artifacts: Path, features: Path, table: FeatureTable, tmp_path: Path, suffix: str
) -> None:
    output = tmp_path / "new" / f"scores.{suffix}"
    assert main(["--features", str(features), "--output", str(output)]) == 0
    scores = pd.read_csv(output, float_precision="round_trip") if suffix == "csv" else pd.read_parquet(output)
    bundle = Bundle.load(artifacts / "logistic")
    np.testing.assert_array_equal(scores["bar_end_ns"], table.bar_end_ns)
    np.testing.assert_allclose(scores["probability"], bundle.probability(table), rtol=1e-12)
    np.testing.assert_allclose(scores["score"], bundle.score(table), rtol=1e-12)
    unknown = ~bundle.scorable(table)
    np.testing.assert_array_equal(scores["status"] == "unknown", unknown)
    assert scores.loc[unknown, ["score", "probability", "signal"]].isna().all().all()
    assert scores.loc[unknown, "reason"].str.contains("must be").all()
    assert scores.loc[~unknown, "reason"].isna().all()
    for level, low, high in (
        ("CALM", 0.0, bundle.watch_threshold),
        ("WATCH", bundle.watch_threshold, bundle.alert_threshold),
        ("ALERT", bundle.alert_threshold, 1.1),
    ):
        inside = scores.loc[scores["signal"] == level, "probability"]
        assert len(inside) > 0
        assert inside.between(low, high, inclusive="left").all()


def test_the_summary_counts_every_row(features: Path, table: FeatureTable, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--features", str(features)]) == 0
    output = capsys.readouterr().out
    found = re.search(r"rows +(\d+): (\d+) scored, (\d+) unknown", output)
    assert found is not None
    assert int(found[1]) == len(table) == int(found[2]) + int(found[3])
    assert sum(map(int, re.findall(r"(\d+) (?:CALM|WATCH|ALERT)", output))) == int(found[2])
    assert sum(map(int, re.findall(r"^unknown +(\d+) for", output, re.MULTILINE))) == int(found[3])


def test_a_pickle_is_refused_and_the_bundle_named(
    artifacts: Path, features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--features", str(features), "--model-path", str(artifacts / "logistic.pkl")]) == 2
    assert f"give the bundle directory, e.g. {artifacts / 'logistic'}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("logistic", 0),
        ("logistic/bundle.json", 0),
        ("xgboost/bundle.json", 2),
        ("logistic/scaler.json", 2),
        ("scaler.pkl", 2),
    ],
)
def test_the_scaler_must_be_the_bundles_own(
    artifacts: Path, features: Path, path: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--features", str(features), "--scaler-path", str(artifacts / path)]) == code
    assert ("--scaler-path" in capsys.readouterr().err) == (code == 2)


def test_output_of_an_unknown_kind_is_wrong_use(features: Path, tmp_path: Path) -> None:
    assert main(["--features", str(features), "--output", str(tmp_path / "scores.xlsx")]) == 2


def test_a_damaged_bundle_is_not_used(
    artifacts: Path, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Bundle.load(artifacts / "har").save(tmp_path / "har")
    (tmp_path / "har" / "bundle.json").write_text("{}")
    assert main(["--features", str(features), "--model-path", str(tmp_path / "har")]) == 1
    assert "bundle.json: SHA-256 is" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["logistic", "xgboost"])
def test_the_benchmark_shows_every_batch_beside_the_bare_estimator(
    artifacts: Path, features: Path, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inference_speed, "CALLS", 20)
    assert main(["--features", str(features), "--model-path", str(artifacts / name), "--benchmark"]) == 0
    output = capsys.readouterr().out
    assert ("none, not a booster" in output) == (name == "logistic")
    lines = re.findall(r"^ +([\d]+) +([\d.]+) +([\d.]+) +([\d.]+) +[\d,]+ +([\d.]+) +[\d.]+ ", output, re.M)
    assert [int(line[0]) for line in lines] == [1, 100, 10_000]
    for _, p50, p95, p99, bare in lines:
        assert 0 < float(p50) <= float(p95) <= float(p99)
        assert float(bare) > 0


def test_speed_tells_whether_its_goal_is_met() -> None:
    def speed(batch: int, ours: float, bare: float) -> inference_speed.Speed:
        return inference_speed.Speed(batch=batch, calls=1, p50_us=ours, p95_us=ours, p99_us=ours, bare_p50_us=bare)

    assert speed(1, 199.0, 100.0).met
    assert not speed(1, 201.0, 100.0).met
    assert speed(100, 1.5, 1.0).met
    assert not speed(100, 1.6, 1.0).met
    assert speed(100, 2.0, 1.0).rows_per_s == 500_000
