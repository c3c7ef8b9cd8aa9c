"""The metric endpoint: what it serves, what it survives, and that docs and alert rules know the same metrics."""

import logging
import re
import threading

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support import ROOT
from tickvol.capture.metrics import INGESTOR_METRICS
from tickvol.metrics.server import Metric, MetricsServer, by_label, serve_metrics
from tickvol.volatility.featurizer.counts import FeaturizerCounts
from tickvol.volatility.featurizer.metrics import FEATURIZER_METRICS, featurizer_values
from tickvol.volatility.scorer.counts import ScorerCounts
from tickvol.volatility.scorer.metrics import SCORER_METRICS, scorer_values

DECLARED = (*INGESTOR_METRICS, *FEATURIZER_METRICS, *SCORER_METRICS)
NAMES = {metric.name for metric in DECLARED}
ALERTS = yaml.safe_load((ROOT / "docker" / "prometheus_alerts.yaml").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
ONE = Metric("tickvol_test_apples_total", "Apples", ("colour",))
AGE = Metric("tickvol_test_age_seconds", "Age")


@pytest.fixture
def serve():
    """`serve(read)`: a server of two metrics and its URL."""
    servers = []

    def start(read):
        servers.append(MetricsServer(0, (ONE, AGE), read))
        return f"http://127.0.0.1:{servers[-1].port}"

    try:
        yield start
    finally:
        for server in servers:
            server.close()


def samples(text):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_values_are_read_anew_for_each_scrape(serve):
    counts = {"red": 1}
    url = serve(lambda: {ONE.name: by_label(counts), AGE.name: {(): 2.5}})
    assert samples(httpx.get(f"{url}/metrics").text)[ONE.name, "red"] == 1
    counts |= {"red": 5, "green": 7}
    found = samples(httpx.get(f"{url}/metrics").text)
    assert (found[ONE.name, "red"], found[ONE.name, "green"], found[AGE.name,]) == (5, 7, 2.5)
    assert found["process_resident_memory_bytes",] > 1e6


def test_metric_without_a_value_is_named_and_has_no_sample(serve):
    text = httpx.get(f"{serve(dict)}/metrics").text
    assert f"# TYPE {ONE.name} counter" in text
    assert f"# TYPE {AGE.name} gauge" in text
    assert not [name for name, *_ in samples(text) if name.startswith("tickvol")]


@pytest.mark.parametrize("read", [lambda: 1 / 0, lambda: {"tickvol_test_unknown": {(): 1.0}}])
def test_figures_that_cannot_be_read_are_503_and_the_server_goes_on(serve, read, capfd):
    broken = [read]
    url = serve(lambda: broken[0]())
    assert httpx.get(f"{url}/metrics").status_code == 503
    broken[0] = dict
    assert httpx.get(f"{url}/metrics").status_code == 200
    assert capfd.readouterr().err == ""


def test_other_paths_are_404(serve):
    assert httpx.get(f"{serve(dict)}/").status_code == 404


def test_taken_port_is_a_warning_and_no_failure(serve, caplog):
    port = int(serve(dict).rpartition(":")[2])
    assert serve_metrics("features.metrics_port", port, (ONE,), dict) is None
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage().startswith(f"features.metrics_port: {port}: no metrics: Address already in use")


def test_port_0_means_no_metrics():
    before = threading.active_count()
    assert serve_metrics("features.metrics_port", 0, (ONE,), dict) is None
    assert threading.active_count() == before


def test_featurizer_gives_a_value_for_each_metric_and_its_records_add_up():
    counts = FeaturizerCounts(records=20, ticks=5, duplicates=2, late=1, heartbeats=4, transactions=3, commit_s=0.5)
    counts.gaps["reconnect"], counts.rejected["not_json"] = 2, 3
    counts.highest_event_ns["BTC-USD"], counts.dataset_current_at = 4_000_000_000, 100.0
    values = featurizer_values(counts, now_ns=lambda: 5_500_000_000, monotonic_s=lambda: 130.0)
    assert set(values) == {metric.name for metric in FEATURIZER_METRICS}
    consumed = values["tickvol_featurizer_records_consumed_total"]
    rejected = values["tickvol_featurizer_records_rejected_total"]
    assert sum(consumed.values()) + sum(rejected.values()) + counts.waiting == 20
    assert values["tickvol_featurizer_watermark_delay_seconds"] == {("BTC-USD",): 1.5}
    assert values["tickvol_featurizer_dataset_age_seconds"] == {(): 30.0}


def test_scorer_gives_a_value_for_each_metric_and_outcomes_are_graded_or_not_with_a_reason():
    counts, more = ScorerCounts(transactions=2), ScorerCounts(graded=3, spikes=1, probability=0.75, squared_error=0.5)
    for name, found in (("outcomes", "spike calm calm unknown"), ("ungraded", "unknown"), ("signals", "CALM ALERT")):
        getattr(more, name).update(found.split())
    more.delay_s["BTC-USD"] = 0.25
    counts.add(more)
    counts.add(ScorerCounts())
    values = scorer_values(counts, bundle_loaded=True, bundle_changes=1, bundle_failures=0)
    assert set(values) == {metric.name for metric in SCORER_METRICS}
    prefix = "tickvol_scorer_"
    ungraded = sum(values[f"{prefix}ungraded_total"].values())
    assert values[f"{prefix}graded_total"][()] + ungraded == sum(values[f"{prefix}outcomes_total"].values())
    assert values[f"{prefix}graded_squared_error_total"] == {(): 0.5}
    assert values[f"{prefix}prediction_delay_seconds"] == {("BTC-USD",): 0.25}
    assert "3 graded, 1 not (unknown 1)" in "\n".join(counts.summary())


@pytest.mark.parametrize("metric", DECLARED, ids=lambda metric: metric.name)
def test_name_follows_the_conventions(metric):
    assert re.fullmatch(r"tickvol_(ingestor|featurizer|scorer)(_[a-z]+)+", metric.name)
    assert not re.search(r"_(ms|ns|mb|minutes|hours|count|sum|bucket|info)(_|$)", metric.name)
    assert all(re.fullmatch(r"[a-z]+", label) for label in metric.labels)
    assert metric.about
    assert not metric.about.endswith(".")


def test_no_metric_is_declared_twice():
    assert len(NAMES) == len(DECLARED)


def test_runbook_lists_exactly_the_metrics_there_are_with_their_labels():
    rows = re.findall(r"^\| `(tickvol_\w+)(?:\{(\w+)\})?` \|", RUNBOOK, re.M)
    assert sorted(rows) == sorted((metric.name, *(metric.labels or ("",))) for metric in DECLARED)


def test_runbook_explains_exactly_the_alerts_there_are():
    assert re.findall(r"^\| `(Tickvol\w+)` \|", RUNBOOK, re.M) == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alert_rule_is_whole_and_names_what_exists(rule):
    assert (
        {"alert", "expr", "labels", "annotations"} <= rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    )
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
    named = set(re.findall(r"tickvol_\w+", rule["expr"]))
    assert named <= NAMES
    assert named or "up{" in rule["expr"]
    labels = {metric.name: metric.labels for metric in DECLARED}
    for name, selected in re.findall(r"(tickvol_\w+)\{(\w+)", rule["expr"]):
        assert selected in labels[name]
    for name in re.findall(r"(?:rate|increase)\((tickvol_\w+)", rule["expr"]):
        assert name.endswith("_total")
    for text in ("()", "{}", "[]"):
        assert rule["expr"].count(text[0]) == rule["expr"].count(text[1])
