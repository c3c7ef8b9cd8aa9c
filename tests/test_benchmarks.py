"""What `make bench` promises: every measure runs, and the report has its fields whatever the figures are."""

import json
import os
import re
import subprocess
import sys

import pytest
from benchmarks.outcome import Outcome, cpu_seconds

from tests.support import ROOT

FIELDS = {"name", "value", "unit", "yardstick", "yardstick_value", "ratio", "goal", "met", "input", "machine"}
SMALL = ("--quick", "--repeats", "1", "--memory-frames", "300")


def outcome(value):
    return Outcome(name="n", value=value, unit="u", yardstick="y", yardstick_value=2.0, input="i")


@pytest.mark.parametrize(
    ("judged", "met", "why"),
    [
        (outcome(3.0).at_least(1.5), True, "the goal itself is enough"),
        (outcome(2.9).at_least(1.5), False, "too slow"),
        (outcome(3.0).at_most(1.5), True, "the goal itself is enough"),
        (outcome(3.1).at_most(1.5), False, "too much"),
        (outcome(3.0), None, "no goal"),
    ],
)
def test_a_goal_is_judged_by_the_ratio(judged, met, why):
    assert judged.met is met, why
    assert (judged.goal is None) == (met is None)


def test_subject_and_yardstick_are_timed_in_turns_after_a_round_to_warm_up():
    calls = []
    seconds = cpu_seconds(lambda: calls.append("A"), lambda: calls.append("B"), repeats=3)
    assert calls == ["A", "B"] * 4
    assert len(seconds) == 2


def report(tmp_path, measures, data=None):
    output = tmp_path / "new" / "bench.json"
    command = [sys.executable, "benchmarks/run.py", *SMALL, "--only", *measures, "--output", str(output)]
    environment = os.environ | ({} if data is None else {"TICKVOL_DATA": str(data)})
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    lines = json.loads(output.read_text(encoding="utf-8"))
    documented = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for line in lines:
        assert set(line) == FIELDS
        assert line["ratio"] == pytest.approx(line["value"] / line["yardstick_value"])
        assert (line["goal"] is None) == (line["met"] is None)
        assert line["input"]
        assert line["machine"]
        assert f"`{re.sub('batch_[0-9]+', 'batch_N', line['name'])}`" in documented
        assert line["name"] in finished.stdout
    return {line["name"]: line for line in lines}


def test_the_report_lists_each_measure_with_its_yardstick(tmp_path):
    lines = report(tmp_path, ["decoding", "river", "pandas", "memory"], data=tmp_path / "none")
    assert list(lines) == [
        "frames_to_rows",
        "against_river",
        "against_river_by_count",
        "beside_pandas",
        "beside_pandas_live",
        "replay_memory",
    ]
    assert "seeded market" in lines["frames_to_rows"]["input"]
    assert lines["against_river"]["yardstick"].count(",") == 12


@pytest.mark.slow
def test_the_measures_with_long_inputs_run_too(tmp_path):
    lines = report(tmp_path, ["products", "inference"])
    assert [name for name in lines if name.startswith("100_products")] == [
        "100_products_frames_to_rows",
        "100_products_frames_to_dataset",
    ]
    assert sum(name.startswith("inference") for name in lines) == 6


@pytest.mark.slow
def test_the_measures_of_market_risk_run_whole_commands(tmp_path):
    lines = report(tmp_path, ["risk"])
    names = ["risk_backfill", "risk_backfill_cpu", "risk_daily_run", "risk_daily_memory", "risk_figures"]
    assert list(lines) == names
    assert all(line["yardstick"] == "the budget" for line in lines.values())


@pytest.mark.kafka
@pytest.mark.slow
def test_the_measures_on_kafka_run_on_a_broker_of_their_own(tmp_path):
    lines = report(tmp_path, ["kafka-stream", "kafka-ingest", "kafka-live"])
    assert [name for name in lines if not name.startswith("live_memory")] == [
        "kafka_to_kafka_many_small",
        "kafka_to_kafka_few_large",
        "exchange_to_kafka",
        "receipt_to_readable_row_p99",
    ]
