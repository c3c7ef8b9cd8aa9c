"""Rules over rows: actions, missing values, counts for all products, and rules that are refused."""

import json
import math
from pathlib import Path

import polars as pl
import pytest

from tests.storage.delta.toy_tables import lake_in
from tickvol.core.errors import ConfigError, InputError
from tickvol.storage.delta.expectations import Checked, Expectation, RuleCount, check, count_rows, quarantine_rows
from tickvol.storage.delta.shared_tables import QUARANTINE, RULE_COUNTS, SHARED_TABLES

PRODUCTS = ("BTC-USD", "ETH-USD")


def candles(*rows: tuple[str | None, float | None, float | None]) -> pl.DataFrame:
    schema = {"product_id": pl.String, "close": pl.Float64, "volume": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("open_time_s"))


def positive(action: str = "quarantine", **changes: object) -> Expectation:
    return Expectation(**{"name": "positive", "rule": "close > 0", "action": action} | changes)  # type: ignore[arg-type]


def places(frame: pl.DataFrame) -> list[int]:
    return frame["open_time_s"].to_list()


def counts(checked: Checked) -> list[tuple[str, str, int, int]]:
    return [(count.rule, count.product_id, count.checked, count.violated) for count in checked.counts]


ROWS = candles(("BTC-USD", 1.0, 5.0), ("BTC-USD", -1.0, 5.0), ("BTC-USD", 2.0, 0.0))


@pytest.mark.parametrize(
    ("action", "good", "rejected", "failed"),
    [("warn", [0, 1, 2], [], ()), ("quarantine", [0, 2], [1], ()), ("fail", [0, 2], [1], ("positive",))],
)
def test_a_broken_rule_counts_rejects_or_fails(
    action: str, good: list[int], rejected: list[int], failed: tuple[str, ...]
) -> None:
    checked = check(ROWS, [positive(action)], products=["BTC-USD"])
    assert (places(checked.good), places(checked.rejected), checked.failed) == (good, rejected, failed)
    assert checked.counts == (RuleCount("positive", "BTC-USD", action, 3, 1),)  # type: ignore[arg-type]
    assert checked.good.schema == ROWS.schema
    assert checked.rejected.columns == [*ROWS.columns, "rules"]


def test_a_fail_rule_that_no_row_breaks_does_not_fail() -> None:
    assert check(ROWS, [positive("fail", rule="close > -9")], products=["BTC-USD"]).failed == ()


def test_a_rejected_row_names_all_rejecting_rules_that_it_broke_in_their_order() -> None:
    rules = [
        positive("fail", name="traded", rule="volume > 0"),
        positive("warn", name="large", rule="close > 100"),
        positive(),
    ]
    rows = candles(("BTC-USD", -1.0, 0.0), ("BTC-USD", 1.0, 0.0), ("BTC-USD", -1.0, 1.0), ("BTC-USD", 1.0, 1.0))
    checked = check(rows, rules, products=["BTC-USD"])
    assert checked.rejected["rules"].to_list() == ["traded,positive", "traded", "positive"]
    assert (places(checked.good), checked.failed) == ([3], ("traded",))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
@pytest.mark.parametrize("rule", ["close > 0", "close < 0", "close <> 5", "close IS NULL", "close = close"])
def test_a_missing_value_breaks_each_rule_unless_it_may_pass(value: float | None, rule: str) -> None:
    rows = candles(("BTC-USD", value, 1.0))
    assert len(check(rows, [positive(rule=rule)], products=PRODUCTS).good) == 0
    assert len(check(rows, [positive(rule=rule, missing="passes")], products=PRODUCTS).good) == 1


def test_a_missing_value_in_a_column_that_no_rule_names_does_not_count() -> None:
    assert len(check(candles(("BTC-USD", 1.0, math.nan)), [positive()], products=PRODUCTS).good) == 1


def test_a_rule_without_an_answer_is_broken() -> None:
    rows = candles(("BTC-USD", 1.0, 0.0))
    assert len(check(rows, [positive(rule="NULLIF(volume, 0.0) > 0")], products=PRODUCTS).good) == 0


def test_every_rule_and_product_has_a_count_also_without_rows() -> None:
    rows = candles(("ETH-USD", -1.0, 1.0), ("ETH-USD", 1.0, 1.0))
    assert counts(check(rows, [positive(), positive(name="other")], products=PRODUCTS)) == [
        ("positive", "BTC-USD", 0, 0),
        ("positive", "ETH-USD", 2, 1),
        ("other", "BTC-USD", 0, 0),
        ("other", "ETH-USD", 2, 1),
    ]
    assert counts(check(rows.clear(), [positive()], products=PRODUCTS)) == [
        ("positive", "BTC-USD", 0, 0),
        ("positive", "ETH-USD", 0, 0),
    ]


def test_rows_of_unknown_products_are_counted_together() -> None:
    rows = candles(("BTC-USD", 1.0, 1.0), ("DOGE", -1.0, 1.0), (None, 1.0, 1.0))
    known = positive(name="known", rule="product_id IN ('BTC-USD', 'ETH-USD')")
    checked = check(rows, [positive(), known], products=PRODUCTS)
    assert counts(checked) == [
        ("positive", "BTC-USD", 1, 0),
        ("positive", "ETH-USD", 0, 0),
        ("positive", "", 2, 1),
        ("known", "BTC-USD", 1, 0),
        ("known", "ETH-USD", 0, 0),
        ("known", "", 2, 2),
    ]
    assert checked.rejected["rules"].to_list() == ["positive,known", "known"]


def test_a_rule_of_one_product_leaves_the_others_alone() -> None:
    rows = candles(("BTC-USD", 1.0, 1.0), ("ETH-USD", 1.0, 1.0), (None, math.nan, 1.0))
    rules = [
        positive(name="price_range", rule="close > 10", product_id="BTC-USD"),
        positive(name="price_range", rule="close > 0.5", product_id="ETH-USD"),
    ]
    checked = check(rows, rules, products=PRODUCTS)
    assert places(checked.good) == [1, 2]
    assert counts(checked) == [("price_range", "BTC-USD", 1, 1), ("price_range", "ETH-USD", 1, 0)]


def test_without_rules_all_rows_are_good() -> None:
    checked = check(ROWS, [], products=PRODUCTS)
    assert (len(checked.good), len(checked.rejected), checked.counts) == (3, 0, ())


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("close >", "unable to parse"),
        ("close > 0; DROP TABLE x", "unexpected token"),
        ("clsoe > 0", 'unable to find column "clsoe"'),
        ("close", "gives Float64, must give a truth value"),
        ("close > 'a'", "cannot compare string with numeric"),
        ("MAX(close) > 0", "judge each row alone"),
        ("SUM(close) OVER () > 0", "judge each row alone"),
        ("TRUE", "must name a column"),
        ("close > (SELECT 1)", ""),
    ],
)
@pytest.mark.parametrize("rows", [ROWS, ROWS.clear()], ids=["rows", "no rows"])
def test_a_rule_that_cannot_be_applied_is_refused_by_its_name(rows: pl.DataFrame, rule: str, reason: str) -> None:
    with pytest.raises(ConfigError, match="rule positive: ") as caught:
        check(rows, [positive(rule=rule)], products=PRODUCTS)
    assert reason in str(caught.value)
    assert repr(rule) in str(caught.value)


@pytest.mark.parametrize("second", [{}, {"product_id": "BTC-USD"}])
def test_two_rules_of_one_name_for_one_product_are_refused(second: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="rule positive: appears twice for the product 'BTC-USD'"):
        check(ROWS, [positive(), positive(**second)], products=PRODUCTS)


def test_rows_without_products_are_refused() -> None:
    with pytest.raises(InputError, match="column product_id: is missing"):
        check(ROWS.drop("product_id"), [positive()], products=PRODUCTS)


def test_counts_and_rejected_rows_are_stored_and_stay_the_same_in_another_run(tmp_path: Path) -> None:
    lake = lake_in(tmp_path, SHARED_TABLES)
    rows = candles(("BTC-USD", math.nan, -0.5), (None, -math.inf, math.inf), ("BTC-USD", 1.0, 1.0))
    rows = rows.with_columns(ingestion_batch_id=pl.lit("batch 1"), received_at_us=pl.lit(1_000))
    checked = check(rows, [positive()], products=["BTC-USD"])
    counted = lake.table(RULE_COUNTS.name)
    counted.append(count_rows(checked.counts, "run 1", "silver"), run_id="run 1")
    counted.append(count_rows(checked.counts, "run 1", "silver", attempt=2)[:1], run_id="run 1")
    assert counted.read().rows() == [
        ("run 1", 1, "silver", "positive", "", "quarantine", 1, 1),
        ("run 1", 1, "silver", "positive", "BTC-USD", "quarantine", 2, 1),
        ("run 1", 2, "silver", "positive", "BTC-USD", "quarantine", 2, 1),
    ]
    table = lake.table(QUARANTINE.name)
    for number in (1, 2):
        later = checked.rejected.with_columns(
            ingestion_batch_id=pl.lit(f"batch {number}"), received_at_us=pl.lit(1_000 * number)
        )
        twice = pl.concat([later, later])
        rejected = quarantine_rows(twice, f"run {number}", "silver", leave_out=["received_at_us"])
        written = table.append(rejected, run_id=f"run {number}")
        assert (written.inserted, written.unchanged) == ((2, 0) if number == 1 else (0, 2))
    stored = table.read().sort("product_id")
    assert stored["row"].to_list() == [
        '{"close":"-Infinity","open_time_s":1,"product_id":null,"volume":"Infinity"}',
        '{"close":"NaN","open_time_s":0,"product_id":"BTC-USD","volume":-0.5}',
    ]
    assert stored["ingestion_batch_id"].to_list() == ["batch 1", "batch 1"]
    assert (stored["rules"].to_list(), stored["product_id"].to_list()) == (["positive"] * 2, ["", "BTC-USD"])


def test_a_row_rejected_again_under_other_rules_is_another_row(tmp_path: Path) -> None:
    table = lake_in(tmp_path, SHARED_TABLES).table(QUARANTINE.name)
    for rules in ([positive()], [positive(), positive(name="other")]):
        rejected = check(ROWS, rules, products=PRODUCTS).rejected
        table.append(quarantine_rows(rejected, "run", "silver"), run_id="run")
    assert sorted(table.read()["rules"].to_list()) == ["positive", "positive,other"]
    assert len({json.dumps(row) for row in table.read()["row"]}) == 1
