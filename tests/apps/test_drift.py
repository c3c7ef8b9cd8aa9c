"""`tickvol drift`: which sides it compares, what it writes, and what it refuses."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.apps.test_evaluate import write_dataset
from tests.evaluation.trained import bundles, market
from tickvol.apps.drift import main
from tickvol.monitoring import drift_summary
from tickvol.monitoring.drift_evidently import EvidentlyRun, Verdict

ROOT = Path(__file__).parents[2]
LOGISTIC = bundles()[-1]
FILES = ("evidently_report.html", "evidently_report.json", "drift_summary.json")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("drift")
    LOGISTIC.save(directory / "logistic")
    write_dataset(directory / "features.parquet", market())
    return directory


@pytest.fixture
def run(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(ROOT)

    def command(*arguments: str, report: Path = place / "report") -> tuple[int, str, str]:
        features = ["--features", str(place / "features.parquet"), "--report-dir", str(report)]
        code = main([*features, "--bundle", str(place / "logistic"), *arguments])
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts without Evidently, which takes seconds for 56 features."""

    def judged(reference: Any, current: Any, rules: Any, notes: Any) -> EvidentlyRun:
        calm = Verdict(rules.method, 0.0, rules.threshold, drifted=False)
        return EvidentlyRun("<html>", "{}", dict.fromkeys(reference, calm), drifted=False)

    monkeypatch.setattr(drift_summary, "run_evidently", judged)


def summary_of(directory: Path) -> Any:
    return json.loads((directory / "drift_summary.json").read_text())


def test_train_against_test_writes_all_three_files_and_both_pr_aucs(run: Run, place: Path) -> None:
    code, out, _ = run("--compare-train-test")
    assert code == 0
    assert all((place / "report" / name).stat().st_size > 0 for name in FILES)
    summary = summary_of(place / "report")
    assert summary["bundle"] == LOGISTIC.version
    own = LOGISTIC.manifest.metrics["test"]
    assert summary["current"]["quality"]["pr_auc"] == pytest.approx(own["pr_auc"])
    assert f"PR-AUC {own['pr_auc']:.4f} at prevalence {own['prevalence']:.4f}" in out
    assert "train split of logistic against its test split" in out


@pytest.mark.usefixtures("quick")
def test_sides_are_the_halves_unless_stretches_are_named(run: Run, place: Path) -> None:
    run(report=place / "halves")
    assert "first half" in summary_of(place / "halves")["comparison"]
    middle = int(np.median(market().bar_end_ns))
    run("--reference-to", str(middle), "--current-from", str(middle), report=place / "stretches")
    summary = summary_of(place / "stretches")
    assert summary["reference"]["to_ns"] < middle <= summary["current"]["from_ns"]


@pytest.mark.usefixtures("quick")
def test_products_can_be_chosen(run: Run, place: Path) -> None:
    run("--products", "ETH-USD", report=place / "one")
    assert summary_of(place / "one")["reference"]["products"] == ["ETH-USD"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--compare-train-test", "--current-from", "2026"], 2, "goes without --current-from"),
        (["--reference-from", "noon"], 2, "--reference-from: 'noon'"),
        (["--reference-to", "2001-01-01"], 1, "holds 0 rows"),
        (["--bundle", "model.pkl"], 2, "pickles are never opened"),
        (["--features", "nowhere"], 1, "no such dataset"),
        (["--products", "DOGE-USD"], 1, "no rows"),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_line(run: Run, arguments: list[str], code: int, says: str) -> None:
    found, _, err = run(*arguments)
    assert found == code
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_script_is_the_command() -> None:
    shown = subprocess.run(
        [sys.executable, "scripts/generate_evidently_report.py", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert shown.returncode == 0
    assert "--compare-train-test" in shown.stdout
