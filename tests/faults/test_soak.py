"""A long run at twice the highest rate that was recorded: memory and file handles stay where they are."""

import time

import pytest

from tests.faults.figures import record
from tests.faults.line import wait_for
from tests.faults.resources import Resources, publisher_of

pytestmark = pytest.mark.kafka

PEAK_TICKS_PER_S = 12
"""The busiest second of all recordings: 2026-04-04T03:20:40Z, both products together."""
SLOPE_MB_A_MINUTE = 1.0


def run(line, seconds, slope_mb, every_s):
    _, url = line.exchange("--ticks-per-s", 2 * PEAK_TICKS_PER_S / 2, "--hours", 0)
    ingestor, featurizer = line.ingestor(url), line.featurizer()
    wait_for(lambda: line.length(line.kafka.topic_features), 60, "rows")
    pids = {"capture": ingestor.pid, "publisher": publisher_of(ingestor), "featurizer": featurizer.pid}
    with Resources(every_s=every_s, **pids) as resources:
        time.sleep(seconds)
    line.end(ingestor)
    wait_for(lambda: line.lag() == 0, 30, "caught up")
    line.end(featurizer)
    twice, rows = line.check_all()
    slopes = {role: resources.slope_mb_a_minute(role) for role in pids}
    handles = {role: resources.handles(role) for role in pids}
    record(
        "soak",
        repetitions=1,
        records=line.records,
        twice=twice,
        minutes=round(seconds / 60, 1),
        rows=rows,
        **{f"{role}_mb_a_minute": round(slope, 2) for role, slope in slopes.items()},
        **{f"{role}_handles": f"{before:g} to {after:g}" for role, (before, after) in handles.items()},
    )
    assert twice == 0
    assert line.records > PEAK_TICKS_PER_S * seconds
    for role in pids:
        assert slopes[role] <= slope_mb, role
        assert handles[role][1] <= handles[role][0] + 1, role


def test_memory_and_handles_hold_for_a_while(line):
    run(line, 40, 30.0, 0.5)  # start-up still settles: only a leak with each frame or row is steeper


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_memory_and_handles_hold_for_half_an_hour(line):
    run(line, 1800, SLOPE_MB_A_MINUTE, 2.0)
