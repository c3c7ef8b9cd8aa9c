"""Days in the course of time: unfinished, missing, absent, late, revised."""

from itertools import count

import polars as pl
import pytest

from tests.risk.pipeline.conftest import NewDesk
from tests.risk.pipeline.exchange import HISTORY_DAYS, NOON, days_to, market, noon_s, run
from tickvol.core.times import DAY_S
from tickvol.risk.figures.calendar import day_number, day_text
from tickvol.risk.pipeline.ingest import Asked
from tickvol.risk.tables import ANOMALIES, BRONZE, RISK, SILVER
from tickvol.simulator.rest.edits import Late, Missing, Revised

FIRST = day_text(day_number(NOON) - HISTORY_DAYS)
YESTERDAY = "2026-03-09"


def test_the_current_day_is_stored_as_unfinished_and_has_no_figures(new_desk: NewDesk) -> None:
    desk = new_desk()
    assert desk.run(noon_s()).succeeded
    assert desk.states() == dict.fromkeys(days_to(FIRST, YESTERDAY), "known") | {NOON: "unfinished"}
    assert not desk.candle(NOON)["is_final"]
    assert desk.candle(YESTERDAY)["is_final"]
    for name in (RISK.name, ANOMALIES.name):
        assert desk.table(name)["day"].max() == YESTERDAY
    at_noon = desk.candle(NOON)["volume"]
    assert desk.run(noon_s(hours=6)).succeeded
    at_six = desk.candle(NOON)
    assert at_six["volume"] > at_noon
    assert (at_six["is_final"], at_six["revision"]) == (False, 0)
    assert desk.run(noon_s(hours=24)).succeeded
    assert (desk.candle(NOON)["is_final"], desk.candle(NOON)["revision"]) == (True, 0)
    assert desk.table(RISK.name)["day"].max() == NOON


def test_a_day_is_final_only_after_the_settling_time(new_desk: NewDesk) -> None:
    desk = new_desk()
    midnight_s = day_number("2026-03-11") * DAY_S
    assert desk.fetch(midnight_s + 9.9 * 60).succeeded
    assert desk.states()[NOON] == "unfinished"
    assert desk.fetch(midnight_s + 10 * 60).succeeded
    assert desk.states()[NOON] == "known"


def test_a_day_that_ends_between_two_requests_of_a_run_does_no_harm(new_desk: NewDesk) -> None:
    desk, calm = new_desk(), new_desk()
    midnight_s, looks = day_number("2026-03-11") * DAY_S, count()

    def clock() -> float:
        return midnight_s - 11.0 + next(looks) * 0.5

    desk.server._now = clock
    assert run(desk.server, desk.config, clock=clock).succeeded
    assert clock() > midnight_s
    received = desk.table(BRONZE.name)["received_at_us"]
    assert received.min() < midnight_s * 1e6 < received.max()
    assert desk.states()[NOON] == "unfinished"
    for each in (desk, calm):
        assert each.run(noon_s("2026-03-12")).succeeded
    is_new = pl.col("day") >= FIRST
    for name in (RISK.name, ANOMALIES.name):
        new, reference = (each.table(name).filter(is_new) for each in (desk, calm))
        assert new["day"].max() == reference["day"].max() == "2026-03-11"
    assert {state for day, state in desk.states().items() if day < "2026-03-12"} == {"known"}


def test_a_day_is_absent_after_two_answers_a_day_apart_and_two_days_after_its_end(new_desk: NewDesk) -> None:
    old, new = "2026-02-20", YESTERDAY
    desk = new_desk(market(Missing("BTC-USD", old), Missing("BTC-USD", new)), products=["BTC-USD"])
    seen = []
    for hours in (0, 1, 23.9, 24, 35, 36.5, 60):
        assert desk.fetch(noon_s(hours=hours)).succeeded
        states = desk.states()
        seen.append((hours, states[old], states[new]))
    assert seen == [
        (0, "unasked", "unasked"),
        (1, "unasked", "unasked"),
        (23.9, "unasked", "unasked"),
        (24, "absent", "unasked"),  # a day after the first answer
        (35, "absent", "unasked"),  # 47 h after its end
        (36.5, "absent", "absent"),
        (60, "absent", "absent"),
    ]


def test_answers_without_a_day_count_only_if_they_are_good(new_desk: NewDesk) -> None:
    gone = "2026-02-20"
    desk = new_desk(market(Missing("BTC-USD", gone)), products=["BTC-USD"])
    assert desk.fetch(noon_s()).succeeded
    desk.script("500", "html")
    assert not desk.fetch(noon_s(hours=24)).succeeded
    assert desk.states()[gone] == "failed"
    desk.script()
    assert desk.fetch(noon_s(hours=25)).succeeded
    assert desk.states()[gone] == "absent"


@pytest.mark.parametrize("hours", [6, 80], ids=["while it is missing", "after it was called absent"])
def test_a_day_that_is_published_late_is_found(new_desk: NewDesk, hours: int) -> None:
    late = "2026-02-20"
    desk = new_desk(market(Late("BTC-USD", late, at_s=noon_s(hours=hours))), products=["BTC-USD"])
    for past in (0, 25, 73)[: 1 if hours == 6 else 3]:
        assert desk.fetch(noon_s(hours=past)).succeeded
    asked = None
    if hours == 80:
        assert desk.states()[late] == "absent"
        asked = Asked(["BTC-USD"], first_day=day_number(FIRST), again=True)
    assert desk.run(noon_s(hours=90), asked=asked).succeeded
    assert desk.states()[late] == "known"
    is_late = pl.col("day") == late
    assert desk.lake.table(RISK.name).read(where=is_late)["close"].null_count() == 0


def test_a_final_day_that_changes_is_a_revision(new_desk: NewDesk, caplog: pytest.LogCaptureFixture) -> None:
    bars = [(90.0, 99.0, 80.0, 95.0, 1.0), (90.0, 99.0, 80.0, 96.0, 1.0)]
    desk = new_desk(
        market(*(Revised("BTC-USD", YESTERDAY, noon_s(hours=10 * n), bar) for n, bar in enumerate(bars, 1))),
        price_ranges={},
    )
    assert desk.run(noon_s()).succeeded
    before = desk.candle(YESTERDAY)
    for number, hours in enumerate((11, 21), 1):
        caplog.clear()
        ended = desk.run(noon_s(hours=hours))
        assert ended.succeeded
        assert "1 final days revised" in ended.step("silver").message
        assert "1 final days were revised" in caplog.text
        candle = desk.candle(YESTERDAY)
        assert (candle["revision"], candle["close"], candle["is_final"]) == (number, bars[number - 1][3], True)
        assert candle["first_seen_us"] == before["first_seen_us"]
    first, second = desk.table("silver_candle_revisions").iter_rows(named=True)
    assert (first["revision"], first["close_before"], first["close_after"]) == (1, before["close"], 95.0)
    assert (second["revision"], second["close_before"], second["close_after"]) == (2, 95.0, 96.0)
    closes = desk.lake.table(RISK.name).read(where=pl.col("day") == YESTERDAY)
    assert 96.0 in closes["close"].to_list()


def test_equal_answers_change_nothing(new_desk: NewDesk) -> None:
    desk = new_desk()
    desk.fetch(noon_s())
    versions, candle = desk.versions(), desk.candle(YESTERDAY)
    desk.fetch(noon_s())
    assert desk.versions()[SILVER.name] == versions[SILVER.name]
    assert desk.candle(YESTERDAY) == candle


def test_a_product_that_was_listed_later_has_absent_days_before(new_desk: NewDesk) -> None:
    desk = new_desk(market(first_day="2026-02-25"), products=["BTC-USD"])
    for hours in (0, 24):
        assert desk.fetch(noon_s(hours=hours)).succeeded
    assert {state for day, state in desk.states().items() if day < "2026-02-25"} == {"absent"}
    assert {state for day, state in desk.states().items() if "2026-02-25" <= day <= NOON} == {"known"}
