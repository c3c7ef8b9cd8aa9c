"""Metrics of the real processes: every declared one is there, and they say what happened."""

import math

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.line import wait_for
from tickvol.broker.files import free_port
from tickvol.capture.metrics import INGESTOR_METRICS
from tickvol.volatility.featurizer.metrics import FEATURIZER_METRICS

pytestmark = pytest.mark.kafka


def scrape(port):
    """(names of families, {name with labels: value}); None while nothing answers."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics")
    except httpx.TransportError:
        return None
    assert answer.status_code == 200
    families = list(text_string_to_metric_families(answer.text))
    names = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    found = [sample for family in families for sample in family.samples]
    return names, {"/".join([sample.name, *sample.labels.values()]): sample.value for sample in found}


def samples(port):
    return (scrape(port) or (set(), {}))[1]


def value(port, name):
    return samples(port).get(f"tickvol_ingestor_{name}", math.nan)


def of(declared):
    return {metric.name for metric in declared}


def test_processes_serve_every_declared_metric_and_no_other(line):
    ingestor_port, featurizer_port = free_port(), free_port()
    _, url = line.exchange("--speed", 20, "--fault", "bad-json:0.02")
    ingestor = line.ingestor(url, environment={"TICKVOL_INGESTION__METRICS_PORT": str(ingestor_port)})
    featurizer = line.featurizer(TICKVOL_FEATURES__METRICS_PORT=str(featurizer_port))
    wait_for(lambda: samples(ingestor_port).get("tickvol_ingestor_records_published_total", 0) > 200, 60, "published")
    wait_for(lambda: samples(featurizer_port).get("tickvol_featurizer_rows_total/ETH-USD", 0) > 20, 60, "rows")
    for port, declared in ((ingestor_port, INGESTOR_METRICS), (featurizer_port, FEATURIZER_METRICS)):
        names = scrape(port)[0]
        assert {name for name in names if name.startswith("tickvol_")} == of(declared)
        assert "process_resident_memory_bytes" in names
    wait_for(lambda: value(ingestor_port, "spool_files") == 0, 30, "acknowledged")
    capture = samples(ingestor_port)
    assert capture["tickvol_ingestor_publisher_connected"] == 1
    assert capture["tickvol_ingestor_connections_opened_total"] == 1
    assert capture["tickvol_ingestor_frames_rejected_total/not_json"] > 0
    assert 0 <= capture["tickvol_ingestor_last_frame_age_seconds"] < 5
    assert capture["tickvol_ingestor_disk_free_bytes"] > 0
    computed = samples(featurizer_port)
    assert computed["tickvol_featurizer_rebalances_total"] == 1
    assert computed["tickvol_featurizer_transactions_total/committed"] > 0
    assert computed["tickvol_featurizer_commit_seconds_total"] > 0
    assert sum("lag_records" in name for name in computed) == 3
    line.end(ingestor)
    wait_for(lambda: line.lag() == 0, 30, "caught up")
    line.end(featurizer)
    assert "Traceback" not in ingestor.log.read_text() + featurizer.log.read_text()


@pytest.mark.slow  # a broker of its own for one gauge
def test_capture_serves_metrics_while_the_broker_is_away_and_the_spool_grows(breakable):
    line, broker = breakable
    port = free_port()
    _, url = line.exchange("--speed", 20)
    ingestor = line.ingestor(url, environment={"TICKVOL_INGESTION__METRICS_PORT": str(port)})
    wait_for(lambda: samples(port).get("tickvol_ingestor_publisher_connected") == 1, 60, "connected")
    broker.kill()
    wait_for(lambda: value(port, "publisher_connected") == 0, 30, "noticed")
    before = value(port, "spool_lines")
    wait_for(lambda: value(port, "spool_lines") > before + 200, 30, "spool grows")
    broker.start()
    wait_for(lambda: value(port, "publisher_connected") == 1, 60, "back")
    wait_for(lambda: value(port, "spool_lines") < before + 200, 30, "spool is sent")
    assert value(port, "last_frame_age_seconds") < 5
    line.end(ingestor)
    said = ingestor.log.read_text()
    assert said.count("kept in the archive until the broker is back") == 1
    assert "all of the archive is with the broker" in said


def test_taken_port_stops_nobody(line):
    port = free_port()
    _, url = line.exchange("--speed", 20)
    first = line.ingestor(url, environment={"TICKVOL_INGESTION__METRICS_PORT": str(port)})
    wait_for(lambda: samples(port), 30, "metrics")
    second = line.featurizer(TICKVOL_FEATURES__METRICS_PORT=str(port))
    wait_for(lambda: f"features.metrics_port: {port}: no metrics" in second.log.read_text(), 30, "warning")
    wait_for(lambda: line.features(), 30, "rows")
    line.end(first)
    line.end(second)
