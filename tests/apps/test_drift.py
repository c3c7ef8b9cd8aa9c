"""`tickvol drift`: which sides it compares, what it writes, and what it refuses."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import ROOT
from tests.support.datasets import write_dataset
from tests.support.pages import assert_readable
from tests.support.trained import bundles, market
from tickvol.apps.drift import main
from tickvol.volatility.dataset import DatasetWriter
from tickvol.volatility.drift import summary as drift_summary
from tickvol.volatility.drift.evidently_report import EvidentlyRun, FeatureDrift

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

    monkeypatch.setenv("TICKVOL_MONITORING__INPUT_ROWS", "800")
    monkeypatch.setenv("TICKVOL_MONITORING__INPUT_PERMUTATIONS", "400")

    def command(*arguments: str, report: Path = place / "report") -> tuple[int, str, str]:
        features = ["--features", str(place / "features.parquet"), "--report-dir", str(report)]
        code = main([*features, "--bundle", str(place / "logistic"), *arguments])
        return code, *capsys.readouterr()

    return command


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verdicts without Evidently, which takes seconds for 56 features."""

    def judged(reference: Any, current: Any, rules: Any, notes: Any) -> EvidentlyRun:
        calm = FeatureDrift(rules.method, 0.0, rules.threshold, drifted=False)
        return EvidentlyRun("<html>", "{}", dict.fromkeys(reference, calm), drifted=False)

    monkeypatch.setattr(drift_summary, "run_evidently", judged)


def summary_of(directory: Path) -> Any:
    return json.loads((directory / "drift_summary.json").read_text())


@pytest.fixture
def _few_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real Evidently on some features only: it takes a quarter of a second for each."""
    real = drift_summary.run_evidently

    def judged(reference: Any, current: Any, rules: Any, notes: Any) -> EvidentlyRun:
        few = list(reference)[:6]
        run = real({name: reference[name] for name in few}, {name: current[name] for name in few}, rules, notes)
        calm = FeatureDrift(rules.method, 0.0, rules.threshold, drifted=False)
        return dataclasses.replace(run, verdicts=dict.fromkeys(reference, calm) | dict(run.verdicts))

    monkeypatch.setattr(drift_summary, "run_evidently", judged)


@pytest.mark.usefixtures("_few_columns")
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
    served = summary["served"]
    assert [move["input"] for move in served["inputs"]][:1] == ["log(ewma_vol_10/reference)"]
    assert len(served["inputs"]) == len(LOGISTIC.input_names)
    assert served["inputs"][0]["reason"] == "3 blocks against 1, at least 6 needed"
    assert served["classifier"]["reason"]
    assert "classifier none: 3 blocks against 1" in out
    assert_readable(place / "report" / "evidently_report.html", figures=0, words="Dataset Drift")


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


HOURS = 7.0
SHIFTED = "realized_vol_30"


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two datasets of the same two days: as they were, and with a shift on the second of what the model looks at."""
    found = {}
    for name, factor in (("calm", 1.0), ("moved", 3.0)):
        first, second = market(0, HOURS), market(1, HOURS)
        values = second.values.copy()
        values[:, second.names.index(SHIFTED)] *= factor
        found[name] = tmp_path_factory.mktemp("days") / f"{name}.parquet"
        writer = DatasetWriter(found[name], first.spec, first.products)
        for table, rows in ((first, first.values), (second, values)):
            writer.append(table.product, table.bar_end_ns, rows)
        writer.flush(simulated=False)
    return found


@pytest.fixture
def watch(run: Run, days: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`watch(day, *arguments)`: the scheduled comparison, alerts into a file."""
    for name, value in {
        "ALERTS__LEDGER": tmp_path / "ledger.jsonl",
        "ALERTS__FILE": tmp_path / "alerts.jsonl",
        "ALERTS__TOPIC_SEVERITIES": "[]",
        "MONITORING__RECENT_S": int(HOURS * 3600),
        "SCORING__REPORT_JSON": tmp_path / "live.json",
    }.items():
        monkeypatch.setenv(f"TICKVOL_{name}", str(value))

    def command(day: str, *arguments: str) -> tuple[int, str, str]:
        more = ["--features", str(days[day]), "--recent", "--alert", *arguments]
        return run(*more, report=tmp_path / "report")

    return command


def sent(tmp_path: Path) -> list[tuple[str, str, str]]:
    lines = (tmp_path / "alerts.jsonl").read_text().splitlines() if (tmp_path / "alerts.jsonl").exists() else []
    notices = [json.loads(line)["notice"] for line in lines]
    return [(notice["name"], notice["state"], notice["subject"].get("feature", "")) for notice in notices]


INPUT = f"log({SHIFTED}/reference)"


@pytest.mark.usefixtures("quick")
def test_an_input_that_matters_and_moved_is_an_alert_until_it_is_back(watch: Run, tmp_path: Path) -> None:
    code, out, _ = watch("calm")
    assert (code, sent(tmp_path)) == (0, [])
    assert "same hours of the UTC day" in summary_of(tmp_path / "report")["comparison"]
    _, out, _ = watch("moved")
    assert sent(tmp_path) == [("input_drift", "raised", INPUT)]
    assert "alerts     1 made, 1 stand" in out
    assert summary_of(tmp_path / "report")["served"]["alarming"] == [INPUT]
    watch("moved")
    assert len(sent(tmp_path)) == 1
    watch("calm")
    assert sent(tmp_path)[1:] == [("input_drift", "cleared", INPUT)]


@pytest.mark.usefixtures("quick")
def test_alerts_end_when_another_detector_is_served_and_not_when_it_is_only_looked_at(
    watch: Run, days: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch("moved")
    next(bundle for bundle in bundles() if bundle.name == "har").save(tmp_path / "har")
    options = ["--features", str(days["calm"]), "--recent", "--alert", "--report-dir", str(tmp_path / "report")]
    assert main([*options, "--bundle", str(tmp_path / "har")]) == 0
    assert len(sent(tmp_path)) == 1
    monkeypatch.setenv("TICKVOL_SERVING__BUNDLE_DIR", str(tmp_path / "har"))
    assert main([*options, "--served"]) == 0
    assert sent(tmp_path)[1:] == [("input_drift", "cleared", INPUT)]


@pytest.mark.usefixtures("quick")
def test_a_move_of_what_hardly_matters_is_reported_and_no_alert(
    watch: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKVOL_MONITORING__MIN_IMPORTANCE", "0.5")
    watch("moved")
    served = summary_of(tmp_path / "report")["served"]
    (moved,) = [move for move in served["inputs"] if move["input"] == INPUT]
    assert (moved["moved"], moved["matters"], served["alarming"], sent(tmp_path)) == (True, False, [], [])


def live(low: float, bundle: str) -> str:
    estimate = {"expected": 0.4, "came": 0.4 - low, "difference": {"low": low, "high": 0.3}}
    part = {"until_ns": 2**62, "estimate": {"pr_auc": estimate}}
    return json.dumps({"schema_version": 1, "clock": "live", "by_bundle": {bundle: {}}, "as_of_event": part})


@pytest.mark.usefixtures("quick")
def test_performance_that_fell_is_an_alert_where_no_inputs_can_be_compared(
    watch: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "live.json").write_text(live(0.1, LOGISTIC.version))
    monkeypatch.setenv("TICKVOL_MONITORING__RECENT_S", str(40 * 86_400))
    code, out, err = watch("calm")
    assert (code, sent(tmp_path)) == (1, [("performance_drop_pr_auc", "raised", "")])
    assert "alerts     1 made, 1 stand" in out
    assert "no row in the current side's hours" in err


@pytest.mark.usefixtures("quick")
def test_performance_that_fell_is_an_alert_of_its_own(watch: Run, tmp_path: Path) -> None:
    (tmp_path / "live.json").write_text(live(0.1, "another"))
    _, out, _ = watch("calm")
    assert sent(tmp_path) == []
    assert "live       not judged: predictions of other bundles are in it: another" in out
    (tmp_path / "live.json").write_text(live(0.1, LOGISTIC.version))
    watch("calm")
    assert sent(tmp_path) == [("performance_drop_pr_auc", "raised", "")]
    better = tmp_path / "better.json"
    better.write_text(live(-0.1, LOGISTIC.version))
    watch("calm", "--performance", str(better))
    assert [state for _, state, _ in sent(tmp_path)] == ["raised", "cleared"]


@pytest.mark.usefixtures("quick")
def test_without_alert_nothing_is_raised(run: Run, days: dict[str, Path], tmp_path: Path) -> None:
    middle = str(int(np.median(market(1, HOURS).bar_end_ns)))
    code, _, _ = run("--features", str(days["moved"]), "--current-from", middle, "--reference-to", middle)
    assert code == 0
    assert not (tmp_path / "ledger.jsonl").exists()


@pytest.mark.usefixtures("quick")
def test_the_served_bundle_is_the_configured_one(run: Run, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKVOL_SERVING__BUNDLE_DIR", str(place / "logistic"))
    features = ["--features", str(place / "features.parquet"), "--report-dir", str(place / "served")]
    assert main([*features, "--served"]) == 0
    assert summary_of(place / "served")["bundle"] == LOGISTIC.version


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--compare-train-test", "--current-from", "2026"], 2, "goes without --current-from"),
        (["--recent", "--compare-train-test"], 2, "goes without --recent"),
        (["--recent", "--reference-to", "2026"], 2, "--recent: goes without --reference-to"),
        (["--recent"], 1, "no row in the current side's hours"),
        (["--served"], 2, "--served: goes without --bundle"),
        (["--performance", "config.yaml"], 1, "is no report of live performance"),
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
