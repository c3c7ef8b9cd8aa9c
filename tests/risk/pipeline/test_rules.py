"""Rules about candles: what each one rejects or counts, and what follows for the tables and the ledger."""

import json
from pathlib import Path

import polars as pl
import pytest

from tests.risk.pipeline.conftest import NewDesk
from tests.risk.pipeline.exchange import NOON, Desk, noon_s, run
from tickvol.risk.figures.calendar import day_number, day_text
from tickvol.risk.pipeline.load import parse_candle_file
from tickvol.risk.pipeline.session import Reports, load
from tickvol.risk.tables import BRONZE, COVERAGE, RISK, SCHEMA_EVENTS, SILVER
from tickvol.simulator.rest.faults import Fault
from tickvol.simulator.rest.market import Bar, DailyMarket
from tickvol.storage.delta.shared_tables import QUARANTINE, RULE_COUNTS

GOOD = Bar(100.0, 110.0, 90.0, 105.0, 5.0)
BAD_DAY = "2026-02-20"
NAN, INFINITY = float("nan"), float("inf")


def market_with(day: str, candle: Bar, days: int = 40) -> DailyMarket:
    """Days of rising closes until the current one, of which one has another candle."""
    today = day_number(NOON)
    bars = {today - n: GOOD._replace(close=105.0 - n * 0.05) for n in range(days + 1)}
    return DailyMarket({"BTC-USD": bars | {day_number(day): candle}})


def violated(desk: Desk) -> dict[str, int]:
    """Number of violations of each rule in the last run."""
    counts = desk.table(RULE_COUNTS.name)
    last = counts.filter(pl.col("run_id") == counts["run_id"].max())
    return {rule: number for rule, number in last.select("rule", "violated").iter_rows() if number}


REJECTED = [
    ("prices_positive", GOOD._replace(open=-1.0, low=-2.0)),
    ("prices_positive", GOOD._replace(low=0.0)),
    ("prices_positive", GOOD._replace(close=NAN)),
    ("prices_positive", GOOD._replace(high=INFINITY)),
    ("volume_not_negative", GOOD._replace(volume=-1.0)),
    ("volume_not_negative", GOOD._replace(volume=NAN)),
    ("low_is_lowest", GOOD._replace(low=101.0)),
    ("high_is_highest", GOOD._replace(high=104.0)),
    ("high_is_highest", GOOD._replace(high=80.0)),
]


def test_a_candle_that_breaks_a_rule_is_kept_apart_and_its_day_has_failed(new_desk: NewDesk) -> None:
    today = day_number(NOON)
    bars = {today - n: GOOD._replace(close=105.0 - n * 0.01) for n in range(201)}
    bad = {day_text(today - 20 * n): (rule, candle) for n, (rule, candle) in enumerate(REJECTED, 1)}
    bars |= {day_number(day): candle for day, (_, candle) in bad.items()}
    desk = new_desk(DailyMarket({"BTC-USD": bars}), products=["BTC-USD"], history_days=200, window_days=60)
    assert desk.fetch(noon_s()).step("silver").status == "success"
    assert set(violated(desk)) >= {rule for rule, _ in REJECTED}
    rejected = {
        day_text(json.loads(row["row"])["open_time_s"] // 86_400): row["rules"]
        for row in desk.table(QUARANTINE.name).iter_rows(named=True)
    }
    reasons = dict(desk.table(COVERAGE.name).select("day", "reason").iter_rows())
    assert rejected.keys() == bad.keys()
    for day, (rule, _) in bad.items():
        assert rule in rejected[day].split(",")
        assert (desk.states()[day], reasons[day]) == ("failed", f"rejected: {rejected[day]}")
    assert list(desk.states().values()).count("known") == 200 - len(bad)


COUNTED = [
    ("volume_not_zero", GOOD._replace(volume=0.0)),
    ("return_below_half", Bar(100.0, 500.0, 90.0, 400.0, 5.0)),
    ("price_in_range", Bar(100.0, 130.0, 90.0, 115.0, 5.0)),
    ("close_moved", GOOD._replace(close=105.0 - 19 * 0.05)),
]


@pytest.mark.parametrize(("rule", "candle"), COUNTED)
def test_an_odd_candle_is_counted_and_stored(new_desk: NewDesk, rule: str, candle: Bar) -> None:
    ranges = {"BTC-USD": [1.0, 114.0 if rule == "price_in_range" else 1000.0]}
    desk = new_desk(market_with(BAD_DAY, candle), products=["BTC-USD"], price_ranges=ranges)
    assert desk.run(noon_s()).succeeded
    assert rule in violated(desk)
    assert desk.table(QUARANTINE.name).is_empty()
    assert desk.candle(BAD_DAY)["close"] == candle.close


def test_an_absurd_price_is_stored_but_stops_the_run_before_it_is_published(new_desk: NewDesk) -> None:
    absurd = market_with("2026-03-08", Bar(100.0, 1e308, 90.0, 1e308, 5.0))
    desk = new_desk(absurd, products=["BTC-USD"], price_ranges={"BTC-USD": [1.0, 1e6]})
    ended = desk.run(noon_s())
    assert violated(desk)["price_in_range"] == 1
    assert desk.candle("2026-03-08")["close"] == 1e308
    assert ended.lines == ["audit: drawdown is from -1 to 0: broken by 1 rows"]
    assert ended.statuses["star"] == "skipped"
    desk.server._market = market_with("2026-03-08", GOOD)
    assert desk.run(noon_s(hours=1)).succeeded
    assert desk.candle("2026-03-08")["revision"] == 1


def test_every_rule_is_counted_for_every_product_also_without_a_violation(new_desk: NewDesk) -> None:
    desk = new_desk()
    assert desk.fetch(noon_s()).succeeded
    counts = desk.table(RULE_COUNTS.name)
    names = {rule.name for rule in desk.config.risk.rules}
    names |= {"inside_the_window", "one_value_per_time", "time_readable"}
    for product in desk.config.risk.products:
        own = counts.filter(pl.col("product_id") == product)
        assert names <= set(own["rule"])
        assert set(own.filter(pl.col("rule") != "price_in_range")["checked"]) == {41}


@pytest.mark.parametrize(
    ("kind", "rule"),
    [("misaligned", "on_the_grid"), ("future", "inside_the_window"), ("ms-times", "inside_the_window")],
)
def test_a_candle_at_a_wrong_time_is_rejected(new_desk: NewDesk, kind: str, rule: str) -> None:
    desk = new_desk(faults=[Fault(kind)], max_rejected_share=0.999)
    desk.fetch(noon_s())
    assert rule in violated(desk)
    assert desk.table(SILVER.name)["open_time_s"].max() <= noon_s()
    assert set(desk.table(SILVER.name)["open_time_s"] % 86_400) == {0}


def test_a_candle_of_a_day_that_has_not_begun_is_rejected_though_it_was_asked_for(new_desk: NewDesk) -> None:
    desk = new_desk(products=["BTC-USD"], recheck_days=0, history_days=1, max_rejected_share=0.999)
    midnight_s = day_number(NOON) * 86_400.0
    looks = iter([midnight_s + 1.0] * 5)

    def clock() -> float:  # it is set back after the windows were planned
        return next(looks, midnight_s - 60.0)

    desk.server.now_s = midnight_s + 1.0
    run(desk.server, desk.config, clock=clock)
    assert violated(desk) == {"not_in_the_future": 1}
    assert desk.states() == {"2026-03-09": "unfinished", NOON: "failed"}


def test_a_candle_without_a_readable_time_is_rejected_whatever_the_configured_rules(
    new_desk: NewDesk, tmp_path: Path
) -> None:
    file = tmp_path / "BTC-USD.csv"
    rows = [f"2026-01-{n:02},9,9,9,9,9" for n in range(1, 9)]
    file.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows, "someday,9,9,9,9,9"]))
    desk = new_desk(rules=[])
    silent = Reports(lambda _: None, lambda _: None)
    assert load(desk.config, [parse_candle_file(str(file))], silent, now_us=lambda: round(noon_s() * 1e6)).has_succeeded
    assert desk.run(noon_s(), fetch=False).succeeded
    assert desk.table(QUARANTINE.name)["rules"].to_list() == ["time_readable"]
    assert len(desk.table(SILVER.name)) == 7


def test_more_than_the_share_of_rejected_days_stops_before_the_candles_are_touched(new_desk: NewDesk) -> None:
    desk = new_desk(window_days=10)
    assert desk.run(noon_s()).succeeded
    versions = desk.versions()
    desk.script(Fault("duplicates-differ", product_id="BTC-USD"))
    ended = desk.run(noon_s(hours=24))
    assert not ended.succeeded
    assert ended.statuses | {"run": ""} == {
        "ingest": "success",
        "silver": "failed",
        **dict.fromkeys(("gold", "anomalies", "audit", "star"), "skipped"),
        "run": "",
    }
    assert "risk.max_rejected_share: 4 of 8 days have only rejected candles" in ended.lines[-1]
    for name in (SILVER.name, COVERAGE.name, RISK.name):
        assert desk.versions()[name] == versions[name]
    assert not desk.table(QUARANTINE.name).is_empty()
    assert desk.run(noon_s(hours=25)).succeeded
    assert desk.states()[NOON] == "known"


def test_rejected_answers_about_known_days_do_not_stop_the_runs_of_later_weeks(new_desk: NewDesk) -> None:
    desk = new_desk(products=["BTC-USD"])
    assert desk.run(noon_s()).succeeded
    desk.script(Fault("duplicates-differ"))
    assert not desk.run(noon_s(hours=24)).succeeded
    assert not desk.run(noon_s(hours=24), fetch=False).succeeded  # without news the answers are as bad as before
    assert desk.run(noon_s(hours=24 * 9)).succeeded
    assert set(list(desk.states().values())[:-1]) == {"known"}


def test_an_old_day_that_is_rejected_for_ever_does_not_stop_the_runs_to_come(new_desk: NewDesk) -> None:
    old = "2025-08-01"
    desk = new_desk(
        market_with(old, GOOD._replace(high=1.0), days=300), products=["BTC-USD"], history_days=300, window_days=60
    )
    for hours in (0, 24, 48):
        ended = desk.fetch(noon_s(hours=hours))
        assert ended.step("silver").status == "success", ended.lines
        assert desk.states()[old] == "failed"


def test_a_rule_that_must_not_be_broken_stops_the_step_until_a_good_answer_comes(new_desk: NewDesk) -> None:
    rules = [{"name": "calm", "rule": "close < 200", "action": "fail"}]
    wild = market_with("2026-03-09", Bar(1.0, 300.0, 1.0, 300.0, 1.0))
    desk = new_desk(wild, products=["BTC-USD"], rules=rules)
    ended = desk.run(noon_s())
    assert "risk.rules: calm: violated, and the action is fail" in ended.lines[-1]
    assert desk.table(SILVER.name).is_empty()
    assert not desk.fetch(noon_s(hours=0.1)).succeeded
    desk.server._market = market_with(BAD_DAY, GOOD)
    assert desk.fetch(noon_s(hours=1)).step("silver").status == "success"
    assert desk.candle("2026-03-09")["close"] < 200


@pytest.mark.parametrize("source", ["advanced_trade", "exchange"])
def test_a_further_field_is_kept_and_reported(new_desk: NewDesk, source: str) -> None:
    desk = new_desk(faults=[Fault("new-field", times=0)], source=source)
    assert desk.run(noon_s()).succeeded
    rescued = desk.table(SILVER.name)["_rescued_data"]
    assert rescued.null_count() == 0
    events = desk.table(SCHEMA_EVENTS.name)
    assert set(events["event"]) == {"new"}
    assert desk.table(BRONZE.name)["schema_fingerprint"].n_unique() == 1
    before = len(events)
    assert desk.run(noon_s(hours=24)).succeeded
    assert len(desk.table(SCHEMA_EVENTS.name)) == before


@pytest.mark.parametrize(
    ("kind", "event"), [("missing-field", "missing"), ("renamed-field", "missing"), ("retyped-field", "retyped")]
)
@pytest.mark.parametrize("source", ["advanced_trade", "exchange"])
def test_a_field_that_is_missing_or_of_another_type_fails_the_day(
    new_desk: NewDesk, source: str, kind: str, event: str
) -> None:
    desk = new_desk(
        faults=[Fault(kind)],
        products=["BTC-USD"],
        source=source,
        max_rejected_share=0.999,
        window_days=40,
        history_days=42,
    )
    desk.fetch(noon_s())
    first = day_number(NOON) - 42
    assert {desk.states()[day_text(first + n)] for n in range(40)} == {"failed"}
    assert desk.states()["2026-03-09"] == "known"
    if (source, kind) == ("exchange", "renamed-field"):  # objects instead of arrays: no field is recognised
        assert len(desk.table(QUARANTINE.name)) == 1
    else:
        assert event in set(desk.table(SCHEMA_EVENTS.name)["event"])
        assert len(desk.table(QUARANTINE.name)) == 40
    assert desk.fetch(noon_s(hours=1)).succeeded
    assert {desk.states()[day_text(first + n)] for n in range(40)} == {"known"}


def test_numbers_as_text_and_text_as_numbers_are_read(new_desk: NewDesk) -> None:
    swapped, calm = new_desk(faults=[Fault("swapped-types", times=0)]), new_desk()
    for desk in (swapped, calm):
        assert desk.run(noon_s()).succeeded
    assert swapped.digests() == calm.digests()
    assert set(swapped.table(SCHEMA_EVENTS.name)["event"]) == {"retyped"}
