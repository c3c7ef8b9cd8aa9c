"""`tickvol walk-forward`, `open-sealed`, `search`: tables, reports and ledgers on synthetic markets."""

import contextlib
import io
import json
import re
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.support import ROOT
from tests.support.datasets import write_dataset
from tests.support.pages import assert_readable
from tests.support.synthetic import START_NS, synthetic_table
from tickvol.apps import open_sealed, search, train, walk_forward
from tickvol.config import load_config
from tickvol.core.times import NS_PER_S, iso
from tickvol.storage.journal import Ledger
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.feature_table import FeatureTable

SEALED = iso(START_NS + int(8.5 * 3600) * NS_PER_S)
CANDLES_FROM_NS = START_NS - 60 * 86_400 * NS_PER_S


def candles() -> FeatureTable:
    spec = load_config(ROOT / "config.yaml", env_file=None).candles.spec()
    return synthetic_table(3, hours=24 * 60, products=("BTC-USDT",), gaps=(), spec=spec, start_ns=CANDLES_FROM_NS)


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("studies")
    write_dataset(directory / "ticks.parquet", synthetic_table(6, hours=10, products=("BTC-USD",), gaps=()))
    write_dataset(directory / "candles.parquet", candles())
    return directory


def places(patch: pytest.MonkeyPatch, datasets: Path, directory: Path) -> None:
    patch.chdir(ROOT)
    for name, value in {
        "FEATURES__DATASET_DIR": datasets / "ticks.parquet",
        "CANDLES__DATASET_DIR": datasets / "candles.parquet",
        "CANDLES__ARTIFACTS_DIR": directory / "bundles" / "candles",
        "MODELS__ARTIFACTS_DIR": directory / "bundles",
        "MLFLOW__LEDGER_DIR": directory / "ledgers",
        "WALK_FORWARD__REPORT_JSON": directory / "walk.json",
        "WALK_FORWARD__REPORT_HTML": directory / "walk.html",
        "WALK_FORWARD__TICKS__SEALED_FROM": SEALED,
        "WALK_FORWARD__TICKS__FOLDS": "2",
        "WALK_FORWARD__TICKS__FIRST_SHARE": "0.5",
        "WALK_FORWARD__CANDLES__SEALED_FROM": iso(START_NS - 6 * 86_400 * NS_PER_S),
        "WALK_FORWARD__CANDLES__FOLDS": "2",
        "WALK_FORWARD__CANDLES__FIRST_SHARE": "0.7",
        "WALK_FORWARD__HORIZONS_S": "[60, 18000]",
        "EVALUATION__BOOTSTRAP_SAMPLES": "30",
        "EVALUATION__MIN_BLOCKS": "3",
        "EVALUATION__MIN_EVENTS": "2",
        "EVALUATION__MAX_PR_AUC": "0.999",
        "LABELS__MIN_POSITIVES": "5",
    }.items():
        patch.setenv(f"TICKVOL_{name}", str(value))


@pytest.fixture(autouse=True)
def _places(datasets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places(monkeypatch, datasets, tmp_path)


@pytest.fixture(scope="module")
def studied(datasets: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where ticks and candles were studied, and what was said; not to be written to."""
    directory, said = tmp_path_factory.mktemp("studied"), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        places(patch, datasets, directory)
        assert walk_forward.main(["--models", "forecast", "--no-tracking"]) == 0
    return directory, said.getvalue()


def test_ticks_and_candles_stand_side_by_side_and_what_cannot_be_judged_says_why(
    studied: tuple[Path, str],
) -> None:
    directory, said = studied
    document = json.loads((directory / "walk.json").read_text())
    judged = {study["name"]: study for study in document["studies"]}
    assert list(judged) == ["ticks 60 s", "ticks 18000 s", "candles 3600 s"]
    assert judged["ticks 18000 s"]["not_judged_because"] is not None
    assert "ticks 18000 s: not judged: " in said
    for name in ("ticks 60 s", "candles 3600 s"):
        study = judged[name]
        assert study["not_judged_because"] is None
        assert {"selected", "forecast", "har", "seasonal_har", "garch"} <= set(study["detectors"])
        assert study["trials"] == 9
        assert study["sealed"]["openings"] == []
        chosen = study["detectors"]["selected"]
        assert set(chosen["leads"]) == {n for n, one in study["detectors"].items() if one["baseline"]}
        assert len(chosen["operating_points"]) == 3
        assert set(study["ablation"]) >= {"range", "flow", "clock"}
        assert len(study["folds"]) == 2
        assert f"{name}: {study['sample']['rows']} rows of 2 folds" in said
    page = (directory / "walk.html").read_text()
    assert page.count("data:image/png") == 14
    assert "All studies side by side" in page
    assert "opened 0 times" in page
    for study in (judged["ticks 60 s"], judged["candles 3600 s"]):
        assert {study["features"]["fingerprint"]} | {f["bundle_hash"][f["selected"]][:12] for f in study["folds"]} <= (
            set(re.findall(r"<td>([0-9a-f]+)</td>", page))
        )
    assert document["config_hash"] in page
    assert_readable(directory / "walk.html", figures=14, words="All studies side by side")


def test_a_study_too_short_for_intervals_or_for_a_fold_is_shown_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TICKVOL_EVALUATION__MIN_BLOCKS", "1000")
    monkeypatch.setenv("TICKVOL_WALK_FORWARD__TICKS__FIRST_SHARE", "0.02")
    monkeypatch.setenv("TICKVOL_WALK_FORWARD__TICKS__FOLDS", "3")
    assert walk_forward.main(["--source", "ticks", "--horizons", "60", "--models", "forecast", "--no-tracking"]) == 0
    page = (tmp_path / "walk.html").read_text()
    assert "blocks, at least 1000 needed" in page
    assert page.count("<td>none</td>") > 10
    assert "left out    ticks 60 s fold 1: labels.min_positives" in capsys.readouterr().out
    assert '<p class="warning">left out: fold 1: labels.min_positives' in page


def test_opening_the_sealed_block_is_shown_from_then_on_and_changes_no_other_figure(
    studied: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, _ = studied
    shutil.copytree(before / "ledgers", tmp_path / "ledgers")
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert open_sealed.main(["--source", "ticks"]) == 1
    assert not (tmp_path / "ledgers" / "sealed.jsonl").exists()
    assert open_sealed.main(["--source", "ticks", "--yes"]) == 0
    opened, result = Ledger(tmp_path / "ledgers" / "sealed.jsonl").entries()
    assert (opened.kind, result.kind, result.content["opening"]) == ("opened", "result", opened.number)
    bundle = Bundle.load(tmp_path / "bundles" / "sealed" / result.content["detector"])
    assert bundle.version == result.content["bundle_hash"]
    assert bundle.manifest.split.train_end_ns == np.datetime64(SEALED.removesuffix("Z"), "ns").astype(np.int64)
    capsys.readouterr()
    arguments = ["--source", "ticks", "--horizons", "60", "--models", "forecast", "--no-tracking"]
    assert walk_forward.main(arguments) == 0
    assert "sealed block opened 1 times" in capsys.readouterr().out
    assert f"bundle {bundle.version[:12]}" in (tmp_path / "walk.html").read_text()
    first, again = (json.loads((place / "walk.json").read_text())["studies"][0] for place in (before, tmp_path))
    assert len(again["sealed"].pop("openings")) == 1
    assert first["sealed"].pop("openings") == []
    assert (first["trials"], again["trials"]) == (9, 14), "the opening tried 5 more, the same study none"
    for part in ("folds", "sample", "ablation", "learning_curve"):
        assert again[part] == first[part]


def test_a_search_goes_on_where_it_ended_and_all_its_trials_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TICKVOL_WALK_FORWARD__TICKS__FIRST_SHARE", "0.02")
    monkeypatch.setenv("TICKVOL_WALK_FORWARD__TICKS__FOLDS", "3")
    arguments = ["--candidate", "forecast", "--source", "ticks", "--horizon", "60", "--no-tracking", "--trials"]
    assert search.main([*arguments, "2"]) == 0
    assert search.main([*arguments, "1"]) == 0
    said = capsys.readouterr().out
    assert "trials      2 of forecast ticks 60 s" in said
    assert "trials      3 of forecast ticks 60 s" in said
    assert "left out    ticks 60 s fold 1: labels.min_positives" in said
    entries = Ledger(tmp_path / "ledgers" / "trials.jsonl").entries()
    assert [entry.content["candidates"] for entry in entries] == [["forecast#0"], ["forecast#1"], ["forecast#2"]]
    assert entries[0].content["numbers"] == {"forecast_ridge": 10.0, "season_ridge": 1.0}


def test_candles_are_trained_before_their_sealed_block(tmp_path: Path) -> None:
    assert train.main(["--candles", "--model-type", "forecast", "--no-tracking"]) == 0
    bundle = Bundle.load(tmp_path / "bundles" / "candles" / "forecast")
    assert bundle.manifest.label.horizon_s == 3600
    assert bundle.manifest.split.last_ns < START_NS - 6 * 86_400 * NS_PER_S


@pytest.mark.parametrize(
    ("app", "arguments", "said"),
    [
        (walk_forward, ["--models", "oracle", "--no-tracking"], "--models: 'oracle': must be one of"),
        (walk_forward, ["--source", "candles", "--horizons", "300"], "horizon: 300: is of ticks"),
        (search, ["--candidate", "logistic", "--horizon", "300"], "horizon: 300: is of ticks"),
        (open_sealed, ["--source", "candles", "--horizon", "300"], "horizon: 300: is of ticks"),
    ],
)
def test_wrong_use_is_one_clear_line(
    app: ModuleType, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert app.main(arguments) == 2
    assert said in capsys.readouterr().err
