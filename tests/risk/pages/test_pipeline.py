"""The page of the pipeline's health by its texts, from seeded tables."""

import pytest

from tests.risk.pages.stored import NEWEST_DAY, NOW_US, RUNS, fill, frame, lake_at, log_rows
from tests.risk.pages.words import tiles, words
from tickvol.pages.numbers import day_end_us
from tickvol.risk.pages.pipeline import PipelinePage
from tickvol.risk.pages.readings import Clock, Readings
from tickvol.risk.tables import COVERAGE
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS, RULE_COUNTS

CLOCK = Clock(lambda: NOW_US, 36.0)
US = 1_000_000


def page(directory):
    return PipelinePage(Readings(directory), "risk", CLOCK)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    directory = tmp_path_factory.mktemp("lake")
    fill(directory)
    return directory


def log(directory, *rows):
    lake_at(directory).table(PIPELINE_LOGS.name).append(frame(PIPELINE_LOGS, rows), run_id="seed")


def row(run_id, step, status="success", **more):
    start = day_end_us(NEWEST_DAY)
    times = {"started_us": start, "ended_us": start + 4 * US, "duration_s": 4.0}
    return {"run_id": run_id, "system": "risk", "step": step, "attempt": 1, "status": status, **times, **more}


def test_tiles_sum_the_steps_of_the_newest_run(filled):
    texts = tiles(page(filled).layout({}))
    assert "✓ success 1 of the last 24 runs failed" in texts["Status of the newest run"]
    assert "9,000 rows read 72 written, 2 rejected, in 6 steps" in texts["Records processed by it"]
    assert "2 rows 2 by this run" in texts["Rows in quarantine"]
    assert "2 days SOL-USD: 2026-02-23 to 2026-02-24 (UTC)" in texts["Unknown days"]
    assert all("after the run of 2026-03-01 00:15 UTC · 9 h old" in text for text in texts.values())


def test_durations_are_means_over_runs_and_over_steps_that_ran(tmp_path):
    log(
        tmp_path,
        row("a", "bronze", duration_s=1.0),
        row("a", "silver", duration_s=3.0),
        row("a", "run", duration_s=5.0),
        row("b", "bronze", "failed", duration_s=5.0),
        row("b", "silver", "skipped", duration_s=0.0),
        row("b", "run", "failed", duration_s=7.0),
    )
    assert "6.00 s Mean of the last 2 runs, 3.00 s for a step" in tiles(page(tmp_path).layout({}))[
        "Duration of a run"
    ].replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_a_failed_run_gives_its_reason(tmp_path):
    log(tmp_path, row("a", "silver", "failed"), row("a", "run", "failed", message="silver: too many rejected"))
    health = page(tmp_path)
    assert (
        "✕ failed silver: too many rejected. 1 of the last 1 run failed"
        in tiles(health.layout({}))["Status of the newest run"]
    )
    assert health.state().kind == "error"
    assert health.state().text == "The newest run failed: silver: too many rejected"


def test_a_run_that_has_not_ended_is_no_newest_run(tmp_path):
    log(tmp_path, row("a", "bronze"))
    assert page(tmp_path).state().text == "No run has ended yet."
    assert "? unknown No run has ended yet." in tiles(page(tmp_path).layout({}))["Status of the newest run"]


def test_runs_of_other_systems_are_not_shown(tmp_path):
    log(tmp_path, row("a", "run"), row("b", "run", "failed") | {"system": "other"})
    assert page(tmp_path).state().kind == "current"


def test_the_log_has_the_newest_run_first_with_the_whole_run_above_its_steps(filled):
    text = words(page(filled).layout({}))
    text = text[text.index("Log of runs and steps") :]
    assert text.index("whole run") < text.index("star") < text.index("ingest") < text.index("2026-02-28 00:15:00")
    assert f"The newest 60 of {len(log_rows(NEWEST_DAY)):,} entries" in text
    assert len(log_rows(NEWEST_DAY)) == RUNS * 7


def test_failed_and_skipped_steps_are_words_too(filled):
    text = words(page(filled).layout({}))
    assert "✕ failed" in text
    assert "2 of 5 rules were broken" in text
    assert "▲ 2" in text


def test_rules_are_counted_by_the_last_attempt_of_a_step(tmp_path):
    log(tmp_path, row("a", "run"))
    counts = {"run_id": "a", "table": "silver", "rule": "prices_positive", "action": "quarantine", "checked": 4}
    rows = [counts | {"attempt": attempt, "violated": violated} for attempt, violated in ((1, 3), (2, 0))]
    lake_at(tmp_path).table(RULE_COUNTS.name).append(frame(RULE_COUNTS, rows), run_id="seed")
    assert "0 of 1 rules were broken" in words(page(tmp_path).layout({}))


def test_the_current_day_is_no_gap_but_an_older_unfinished_one_is(tmp_path):
    log(tmp_path, row("a", "run"))
    day = {"source": "exchange", "product_id": "BTC-USD", "granularity_s": 86_400, "state": "unfinished"}
    table = lake_at(tmp_path).table(COVERAGE.name)
    table.replace(frame(COVERAGE, [day | {"day": "2026-02-28"}]), run_id="seed")
    assert "0 days No gap" in tiles(page(tmp_path).layout({}))["Unknown days"]
    table.replace(frame(COVERAGE, [day | {"day": name} for name in ("2026-02-27", "2026-02-28")]), run_id="seed")
    assert "1 day BTC-USD: 2026-02-27" in tiles(page(tmp_path).layout({}))["Unknown days"]


def test_no_gap_is_said_so(tmp_path):
    log(tmp_path, row("a", "run"))
    assert "○ empty" in tiles(page(tmp_path).layout({}))["Unknown days"]
