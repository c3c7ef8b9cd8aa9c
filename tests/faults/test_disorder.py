"""Duplicates, disorder, late ticks, clocks that are off: what is within the grace leaves no trace, the rest is told."""

import subprocess
import sys
from collections import Counter

import pytest

from tests.faults import figures
from tests.faults.line import PRODUCTS, assert_same_tree, wait_for
from tests.kafka.conftest import ROOT
from tickvol.bus.messages import decode_dead_letter
from tickvol.core.records import Gap, Tick

pytestmark = pytest.mark.kafka

GRACE_NS, BAR_NS = 250_000_000, 1_000_000_000
WITHIN = ["duplicate:0.05", "reorder:0.05:200ms"]
BEYOND = ["reorder:0.01:3s", "skewed-clock:300s:0.002", "skewed-clock:-300s:0.002"]
TICKS_PER_S = 25
"""So many that nothing held back for 200 ms waits beyond the grace for a frame that lets it go."""


def capture(line, seed, minutes, faults):
    """The whole market through exchange, ingestor, broker and featurizer; records that the topic holds, and rows."""
    market = ["--seed", seed, "--hours", minutes / 60, "--ticks-per-s", TICKS_PER_S]
    featurizer = line.featurizer()
    exchange, url = line.exchange("--speed", "max", *market, *(f"--fault={fault}" for fault in faults))
    ingestor = line.ingestor(url, "--stop-on-close")
    assert ingestor.wait(900) == 0, ingestor.log.read_text()[-3000:]
    line.end(exchange)
    rest = line.start("publish")  # what a slow machine had not sent when the capture's patience was over
    assert rest.wait(300) == 0, rest.log.read_text()[-3000:]
    wait_for(lambda: line.lag() == 0, 300, "featurized")
    line.end(featurizer)
    _, rows = line.check_all()
    published = line.published()
    twice = sum(map(len, published.values())) - line.records
    assert twice > 0.03 * line.records
    return published, twice, rows


def undisturbed(line, seed, minutes):
    """The dataset of the same market without any fault."""
    frames, out = line.root / "market.ndjson", line.root / "undisturbed.parquet"
    market = ["--seed", seed, "--hours", minutes / 60, "--ticks-per-s", TICKS_PER_S]
    for command in (["simulate-exchange", "--write", frames, *market], ["replay", "--data-file", frames, "--out", out]):
        command = [sys.executable, "-m", "tickvol", *map(str, command)]
        subprocess.run(command, cwd=ROOT, env=line.environment, check=True, capture_output=True)
    return out


def late_ticks(records):
    """Ticks whose bar the product's watermark had passed when they came, by a plain scan of distinct records."""
    highest, late, seen = 0, set(), set()
    for record in records:
        if isinstance(record, Gap) or (record.connection_id, record.sequence_num) in seen:
            continue
        seen.add((record.connection_id, record.sequence_num))
        closed_ns = (highest - GRACE_NS) // BAR_NS * BAR_NS
        if isinstance(record, Tick) and record.event_time_ns < closed_ns:
            late.add((record.product_id, record.connection_id, record.sequence_num))
        highest = max(highest, record.event_time_ns)
    return late


def letters(line):
    return [decode_dead_letter(message.value) for message in line.messages(line.kafka.topic_deadletter)]


def within_the_grace(line, seed, minutes):
    published, twice, rows = capture(line, seed, minutes, WITHIN)
    assert not any(isinstance(record, Gap) for records in published.values() for record in records)
    assert letters(line) == []
    assert_same_tree(line.dataset, undisturbed(line, seed, minutes))
    assert twice > 0.03 * line.records
    figures.record(
        "duplicates and disorder within the grace", repetitions=1, records=line.records, twice=twice, rows=rows
    )


def beyond_the_grace(line, seed, minutes):
    published, twice, rows = capture(line, seed, minutes, WITHIN + BEYOND)
    told = letters(line)
    reasons = Counter(letter.reason for letter in told)
    late = set().union(*(late_ticks(published[product_id]) for product_id in PRODUCTS))
    assert reasons["late"] == len(late) > 0.005 * line.records
    assert reasons.keys() == {"late", "unconfirmed_time"}
    figures.record(
        "duplicates, disorder, late, clocks off by 5 min",
        repetitions=1,
        records=line.records,
        twice=twice,
        rows=rows,
        late=reasons["late"],
        unconfirmed=reasons["unconfirmed_time"],
    )


def test_duplicates_and_disorder_within_the_grace_leave_no_trace(line):
    within_the_grace(line, 8, 3)


def test_late_ticks_and_clocks_off_by_five_minutes_are_told_and_nothing_else_is(line):
    beyond_the_grace(line, 8, 3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [21, 22, 23])
def test_hours_of_disorder_within_the_grace_leave_no_trace(line, seed):
    within_the_grace(line, seed, 60)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [21, 22, 23])
def test_hours_of_late_ticks_and_clocks_that_are_off_are_told(line, seed):
    beyond_the_grace(line, seed, 60)
