"""From ticks on a real broker to a champion, to the next one and back, while featurizer and scorer are at work.

Evenings of a simulated market: two as it is, then some in which trading has become rare. The first trains the
champion; drift of the later ones retrains; what the gates refuse for want of days they let pass a day later.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.kafka.filling import topic_messages
from tests.kafka.scored import keys_of, said
from tests.kafka.stream_days import DAY_NS, LivePath, live_path, market_day
from tests.support.brokers import config_of
from tests.support.stores import new_store
from tickvol.alerts.notifications import Alert, AlertState, decode_notice
from tickvol.apps import champion, drift, performance, promote, reproduce, retrain, rollback, train
from tickvol.config import load_config
from tickvol.core.records import Record
from tickvol.volatility.dataset import read_features
from tickvol.volatility.drift import summary as drift_summary
from tickvol.volatility.drift.evidently_report import EvidentlyRun, FeatureDrift
from tickvol.volatility.drift.performance_figures import performance_figures, read_performance
from tickvol.volatility.drift.served_drift import ServedDrift
from tickvol.volatility.labels.spikes import label_values, spikes
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.promotion.gates import GATES
from tickvol.volatility.registry.champions import champions_ledger
from tickvol.volatility.registry.retrainings import retrainings_ledger
from tickvol.volatility.registry.runs import resolve_alias
from tickvol.volatility.registry.versions import aliases
from tickvol.volatility.schema.feature_table import FeatureTable

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
]

HORIZON_NS = 60 * 10**9
AHEAD_NS = 10**18
"""Records were received some 30 years ahead, so that each prediction was made before its outcome could be known."""
# The seeds are such that the challenger deserves its place: gates are at their usual limits.
USUAL, RARE = 1.0, 0.3
"""Ticks a second."""


def settings(root: Path) -> dict[str, str]:
    """Places below a directory, and numbers for evenings in place of weeks; the gates' limits are the usual ones."""
    values = {
        "FEATURES__DATASET_DIR": root / "features.parquet",
        "FEATURES__FLUSH_INTERVAL_S": 0.5,
        "FEATURES__METRICS_PORT": 0,
        "MODELS__LEAVE_OUT": "[]",
        "SCORING__METRICS_PORT": 0,
        "SCORING__RELOAD_INTERVAL_S": 0.2,
        "SCORING__REPORT_JSON": root / "reports" / "live_performance.json",
        "MLFLOW__TRACKING_URI": f"sqlite:///{root}/mlflow/mlflow.db",
        "MLFLOW__ARTIFACTS_DIR": root / "mlflow" / "artifacts",
        "MLFLOW__LEDGER_DIR": root / "mlflow" / "ledgers",
        "MODELS__ARTIFACTS_DIR": root / "bundles",
        "MODELS__MODEL_TYPE": "logistic",
        "LEAKCHECK__REPORT_JSON": root / "reports" / "leakcheck.json",
        "LEAKCHECK__PERMUTATIONS": 2,
        "EVALUATION__BOOTSTRAP_SAMPLES": 200,
        "EVALUATION__MIN_BLOCKS": 5,
        "MONITORING__REPORT_DIR": root / "reports" / "evidently",
        "MONITORING__BLOCK_S": 600,
        "MONITORING__CLASSIFIER_SAMPLES": 50,
        "MONITORING__INPUT_ROWS": 1500,
        "ALERTS__LEDGER": root / "alerts" / "ledger.jsonl",
        "ALERTS__FILE": root / "alerts" / "alerts.jsonl",
        "PROMOTION__MAX_P99_US": 1_000_000,
        "RETRAIN__COOLDOWN_H": 1e-9,
        "RETRAIN__DRIFT_REPORTS": 2,
        "RETRAIN__DRIFT_APART_S": 60,
        "RETRAIN__DRIFT_ON_SHARE": 0.2,
    }
    return {f"TICKVOL_{name}": str(value) for name, value in values.items()}


@pytest.fixture
def env(kafka_env, kafka_config, tmp_path, monkeypatch):
    """The environment, of this process too; figures and Evidently, which take half a minute, are left out."""
    new_store(tmp_path / "mlflow" / "mlflow.db")
    found = kafka_env | settings(tmp_path)
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    for name in ("pr_figure", "calibration_figure", "timeline_figure"):
        monkeypatch.setattr(f"tickvol.volatility.workflows.training_run.{name}", lambda *_, **__: Figure())

    def judged(reference, current, rules, notes):
        drifted = FeatureDrift(rules.method, 1.0, rules.threshold, drifted=True)
        return EvidentlyRun("<html>", "{}", dict.fromkeys(reference, drifted), drifted=True)

    monkeypatch.setattr(drift_summary, "run_evidently", judged)
    return found


class Story:
    """The live path, the commands, and what they left."""

    def __init__(self, line: LivePath, root: Path, seed: int, minutes: int, capsys: pytest.CaptureFixture[str]) -> None:
        self.config = load_config(env_file=None)
        self.line, self._root, self._capsys = line, root, capsys
        self._seed, self._minutes = seed, minutes

    def evening(self, day: int, ticks_per_s: float, minutes: int | None = None) -> int:
        """An evening goes through the live path; how many feature rows it gave."""
        return self.line.send(self._records(day, ticks_per_s, minutes or self._minutes))

    def halves(self, day: int, ticks_per_s: float) -> Iterator[int]:
        """The same, one half after the other."""
        records = self._records(day, ticks_per_s, self._minutes)
        for half in (records[: len(records) // 2], records[len(records) // 2 :]):
            yield self.line.send(half)

    def _records(self, day: int, ticks_per_s: float, minutes: int) -> list[Record]:
        return market_day(
            self._root, day, seed=self._seed, minutes=minutes, ticks_per_s=ticks_per_s, received_ns=AHEAD_NS
        )

    def tell(self, command: ModuleType, *arguments: str, code: int = 0) -> str:
        """What a command says; the exit code is as expected."""
        found = command.main(list(arguments))
        out, err = self._capsys.readouterr()
        assert found == code, out + err
        return out + err

    def look_for_drift(self) -> tuple[ServedDrift, str]:
        """The scheduled comparison: what it found of the champion, and what was said."""
        text = self.tell(drift, "--recent", "--served", "--alert")
        written = (self.config.monitoring.report_dir / "drift_summary.json").read_bytes()
        summary = msgspec.json.decode(written, type=drift_summary.DriftSummary)
        assert summary.served is not None
        assert summary.bundle == Bundle.load(resolve_alias(self.config.mlflow)).version
        return summary.served, text

    def table(self) -> FeatureTable:
        return read_features(self.config.features.dataset_dir)

    def champion(self, version: str, times: int = 1) -> Bundle:
        """Who serves, which is that version, once the scorer has taken it so often."""
        assert aliases(self.config.mlflow)["champion"] == version
        bundle = Bundle.load(resolve_alias(self.config.mlflow))
        self.line.scorer.wait_until_said(f"bundle {bundle.version}, ", times=times)
        return bundle

    def notices(self) -> list[Alert]:
        """Alerts of the topic, which are those of the file."""
        found = [
            decode_notice(message.value) for message in topic_messages(self.config.kafka, self.config.alerts.topic)
        ]
        lines = self.config.alerts.file.read_text().splitlines() if self.config.alerts.file.exists() else []
        assert [msgspec.json.decode(line)["notice"] for line in lines] == [msgspec.to_builtins(one) for one in found]
        return [notice for notice in found if isinstance(notice, Alert)]

    def decisions(self) -> list[str]:
        return [entry.kind for entry in retrainings_ledger(self.config.mlflow).entries()]


@pytest.mark.parametrize(
    ("seed", "minutes", "with_reproduction"),
    [(500, 180, False), pytest.param(700, 480, True, marks=pytest.mark.slow)],
)
def test_a_stream_from_the_first_champion_to_the_next_and_back(
    env, kafka_config, tmp_path, capsys, monkeypatch, seed, minutes, with_reproduction
):
    monkeypatch.setenv("TICKVOL_MONITORING__RECENT_S", str(30 * minutes))
    with live_path(env, kafka_config, tmp_path) as line:
        story = Story(line, tmp_path, seed, minutes, capsys)
        first, rows = first_champion(story)
        rows += usual_evening(story, first)
        rows += rare_evenings(story)
        second = promoted_and_back(story, first, rows)
    if with_reproduction:
        assert "differs" not in story.tell(reproduce, second.version)
    each_row_has_its_prediction_and_its_outcome_once(story)
    assert [entry.kind for entry in champions_ledger(story.config.mlflow).entries()] == [
        "bootstrap", "refused", "promoted", "rolled back",
    ]  # fmt: skip


def first_champion(story):
    """The scorer waits for a champion; training makes one."""
    rows = story.evening(0, USUAL)
    assert "as challenger and champion" in story.tell(train)
    first = story.champion("1")
    assert story.line.predicted_by() == {first.version: rows}
    return first, rows


def usual_evening(story, first):
    """Live predictions are graded, drift reads their report, finds nothing, and nothing is trained."""
    rows = story.evening(1, USUAL)
    story.line.predicted_by()
    story.tell(performance)
    path = story.config.scoring.report_json
    report = json.loads(path.read_text())
    assert report["as_of_event"]["states"] == expected_states(story.table(), first)
    assert set(report["by_bundle"]) == {first.version}
    served, _ = story.look_for_drift()
    assert served.performance_note is None
    assert served.performance == performance_figures(read_performance(path))
    assert [figure.expected for figure in served.performance] == [
        report["as_of_event"]["estimate"][name]["expected"] for name in ("pr_auc", "brier")
    ]
    assert served.alarming == []
    assert served.moved_share == 0.0
    worse = [figure.name for figure in served.performance if (figure.shortfall or 0.0) > 0.0]
    assert [alert.name for alert in story.notices()] == [f"performance_drop_{name}" for name in worse]
    assert "0.00 of what decides has moved" in story.tell(retrain, "--because", "drift")
    assert story.decisions() == ["drift report", "not retrained"]
    return rows


def expected_states(table, bundle):
    """How many predictions of the last day are in each state, by the dataset."""
    last = table.bar_end_ns.max()
    inside, scorable = table.bar_end_ns > last - DAY_NS, bundle.scorable(table)
    _, known = spikes(table, bundle.manifest.spike_thresholds, label_values(table, bundle.label))
    matured = table.bar_end_ns + HORIZON_NS <= last
    masks = {
        "graded": scorable & known,
        "late": np.zeros(len(table), bool),
        "unknown": scorable & ~known & matured,
        "pending": scorable & ~matured,
        "unscorable": ~scorable,
    }
    return {name: int((mask & inside).sum()) for name, mask in masks.items()}


def rare_evenings(story):
    """Another market: alerts reach topic and file, the second report retrains, and the gates want another day."""
    halves = story.halves(2, RARE)
    rows = next(halves)
    served, text = story.look_for_drift()
    assert served.moved_share > story.config.retrain.drift_on_share
    assert "it ends before the current rows begin" in text
    raised = [alert for alert in story.notices() if alert.name == "input_drift"]
    assert {alert.subject.feature for alert in raised} == set(served.alarming)
    assert {alert.state for alert in raised} == {AlertState.RAISED}
    assert {alert.subject.detector.partition("@")[0] for alert in raised} == {"logistic"}
    assert "1 in a row at 0.20 or above, 2 needed" in story.tell(retrain, "--because", "drift")
    rows += next(halves)
    story.look_for_drift()
    text = story.tell(retrain, "--because", "drift", code=1)
    why = r"^(tickvol retrain: the champion stays: )?days: 1 UTC days judged \(2026-01-07\); at least 2$"
    assert re.search(why, text, re.M), text
    assert story.decisions() == ["drift report", "not retrained"] * 2 + ["drift report", "retraining", "challenged"]
    assert aliases(story.config.mlflow) == {"champion": "1", "challenger": "2"}
    return rows + story.evening(3, RARE)


def promoted_and_back(story, first, rows):
    """All gates are passed a day later; the scorer follows both moves of the champion by itself."""
    text = story.tell(promote)
    assert re.findall(r"^(pass|FAIL)  (.{19}) \S", text, re.M) == [("pass", f"{name:<19}") for name in GATES]
    second = story.champion("2")
    assert second.version != first.version
    by_second = story.evening(4, RARE, minutes=20)
    assert story.line.predicted_by() == {first.version: rows, second.version: by_second}
    assert "version 1 is champion again" in story.tell(rollback, "--reason", "rang all night")
    assert story.champion("1", times=2).version == first.version
    rows += story.evening(5, RARE, minutes=20)
    assert story.line.predicted_by() == {first.version: rows, second.version: by_second}
    text = story.tell(champion)
    assert re.findall(r"^\S+Z  (.{11}) version (\d)", text, re.M) == [
        ("bootstrap  ", "1"), ("refused    ", "2"), ("promoted   ", "2"), ("rolled back", "1"),
    ]  # fmt: skip
    assert "serves      version 1; 4 entries, all hold" in text
    return second


def each_row_has_its_prediction_and_its_outcome_once(story):
    """Rows of the topic are those of the dataset; an outcome is there where its product has gone on for a horizon."""
    table = story.table()
    predictions, outcomes = said(config_of(os.environ))
    rows = topic_messages(story.config.kafka, story.config.features.topic)
    for number, name in enumerate(table.products):
        own = table.bar_end_ns[table.product == number]
        assert [row.timestamp for row in rows if row.key == name.encode()] == (own // 1_000_000).tolist()
        assert keys_of(predictions, name) == own.tolist()
        assert keys_of(outcomes, name) == own[own + HORIZON_NS <= own.max()].tolist()
    made_by = {(row.product_id, row.bar_end_ns): row.model_version for row in predictions}
    assert all(row.model_version == made_by[row.product_id, row.bar_end_ns] for row in outcomes)
