"""`tickvol reproduce`: the same bytes and figures from what a run recorded, and a name for whatever is another."""

import re
import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from tests.support import ROOT
from tests.support.datasets import write_dataset
from tests.support.stores import new_store
from tests.support.synthetic import synthetic_table
from tickvol.apps import train
from tickvol.apps.reproduce import main
from tickvol.config import load_config
from tickvol.volatility.models.bundle import Bundle

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of three products, and a run of two of them with a seed of its own in a store."""
    directory = tmp_path_factory.mktemp("run")
    table = synthetic_table(1, hours=4, products=("BTC-USD", "ETH-USD", "SOL-USD"))
    write_dataset(directory / "features.parquet", table)
    with pytest.MonkeyPatch.context() as patch:
        places(patch, directory)
        new_store(directory / "mlflow" / "mlflow.db")
        for name in ("pr_figure", "calibration_figure", "timeline_figure"):
            patch.setattr(f"tickvol.volatility.workflows.training_run.{name}", lambda *_, **__: Figure())
        arguments = ["--features", str(directory / "features.parquet"), "--artifacts-dir", str(directory / "bundles")]
        assert train.main([*arguments, "--products", "BTC-USD", "ETH-USD", "--seed", "11"]) == 0
    return directory


def places(patch: pytest.MonkeyPatch, directory: Path) -> None:
    patch.chdir(ROOT)
    patch.setenv("TICKVOL_MLFLOW__TRACKING_URI", f"sqlite:///{directory}/mlflow/mlflow.db")
    patch.setenv("TICKVOL_MLFLOW__ARTIFACTS_DIR", str(directory / "mlflow" / "artifacts"))
    patch.setenv("TICKVOL_MLFLOW__LEDGER_DIR", str(directory / "mlflow" / "ledgers"))


@pytest.fixture(autouse=True)
def _places(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    places(monkeypatch, place)


def reproduce(place: Path, run: str, *more: str) -> int:
    return main([run, "--features", str(place / "features.parquet"), *more])


def run_ids() -> dict[str, str]:
    import mlflow

    settings = load_config(env_file=None).mlflow
    client = mlflow.MlflowClient(settings.tracking_uri)
    experiment = client.get_experiment_by_name(settings.experiment)
    assert experiment is not None
    return {run.info.run_name: run.info.run_id for run in client.search_runs([experiment.experiment_id])}


def test_a_training_comes_again_to_the_byte_and_figure(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reproduce(place, run_ids()["train"]) == 0
    output = capsys.readouterr().out
    assert "differs" not in output
    for line in ("data", "config", "code", "har/bundle.json", "forecast/SHA256SUMS"):
        assert re.search(rf"^equal    {line}: ", output, re.M), line
    assert re.search(r"^equal    forecast test\.product\.BTC-USD\.pr_auc: 0\.\d+$", output, re.M)
    assert "tickvol train" not in output


def test_a_detector_comes_again_by_its_hash_and_its_directory(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = Bundle.load(place / "bundles" / "har")
    for run, more in (
        (bundle.version, ()),
        (str(place / "bundles" / "har"), ("--products", "BTC-USD", "ETH-USD")),
    ):
        assert reproduce(place, run, *more) == 0
        output = capsys.readouterr().out
        assert f"equal    har/bundle.json: {bundle.version[:12]}" in output
        assert "equal    har test.pr_auc: " in output
        assert "forecast" not in output


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        ({"TICKVOL_LABELS__QUANTILE": "0.8"}, "config"),
        ({"TICKVOL_MODELS__LOGISTIC_C": "0.5"}, "config"),
    ],
)
def test_another_configuration_is_named_and_nothing_trained(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    spoil: dict[str, str],
    line: str,
) -> None:
    for name, value in spoil.items():
        monkeypatch.setenv(name, value)
    assert reproduce(place, run_ids()["har"]) == 1
    output = capsys.readouterr().out
    assert re.findall(r"^differs  (\w+)", output, re.M) == [line]
    assert "nothing was trained" in output


def test_other_data_and_another_program_are_named(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tickvol.__version__", "9.9")
    assert reproduce(place, run_ids()["har"], "--products", "ETH-USD") == 1
    assert re.findall(r"^differs  (\w+)", capsys.readouterr().out, re.M) == ["data", "code"]


def test_a_training_that_gives_other_bytes_is_a_difference(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from tickvol.volatility.models import training

    right = training.tercile_boundaries
    monkeypatch.setattr(training, "tercile_boundaries", lambda vol: right(np.asarray(vol) * (1 + 1e-15)))
    assert reproduce(place, run_ids()["har"]) == 1
    output = capsys.readouterr().out
    assert re.search(r"^differs  har/bundle\.json: \w{12} recorded, \w{12} now$", output, re.M)
    assert "equal    har test.pr_auc: " in output


def test_a_figure_that_was_logged_otherwise_is_a_difference(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import mlflow

    run_id, client = run_ids()["ewma"], mlflow.MlflowClient(load_config(env_file=None).mlflow.tracking_uri)
    client.log_metric(run_id, "test.pr_auc", 0.99)
    assert reproduce(place, run_id) == 1
    assert re.findall(r"^differs  (.*): 0\.99 rec", capsys.readouterr().out, re.M) == ["ewma test.pr_auc"]


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("0" * 32, "MLflow has no such run"),
        ("0" * 64, "no run of experiment tickvol logged it"),
    ],
)
def test_what_nobody_ran_is_said(place: Path, capsys: pytest.CaptureFixture[str], run: str, message: str) -> None:
    assert reproduce(place, run) == 1
    assert message in capsys.readouterr().err


def test_a_bundle_that_was_changed_is_not_reproduced(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(place / "bundles" / "har", tmp_path / "har")
    (copy / "bundle.json").write_bytes((copy / "bundle.json").read_bytes() + b" ")
    assert reproduce(place, str(copy)) == 1
    assert "SHA-256" in capsys.readouterr().err
