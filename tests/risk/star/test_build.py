"""Facts and dimensions from the gold tables."""

from datetime import date

import polars as pl
import pytest

from tests.risk.star.gold import RANKS, anomalies_of, risk_of
from tickvol.core.errors import WorkError
from tickvol.risk.star.build import star_rows
from tickvol.risk.star.schema import TABLES
from tickvol.risk.tables import RISK


def test_frames_have_the_columns_of_the_tables(star):
    assert list(star.frames) == [table.name for table in TABLES]
    for table in TABLES:
        assert star.frames[table.name].columns == table.columns.keys()


def test_each_row_of_the_gold_table_is_one_fact_with_all_its_figures(star, risk, anomalies):
    facts = (
        star.fact_risk_daily.join(star.dim_asset, on="asset_key", validate="m:1")
        .join(star.dim_calendar, on="date_key", validate="m:1")
        .with_columns(pl.col("day").dt.to_string())
        .sort("product_id", "day")
    )
    assert facts.height == risk.height
    for gold in (risk.sort("product_id", "day"), anomalies.sort("product_id", "day")):
        shared = [name for name in gold.columns if name in facts.columns]
        flags = [name for name in shared if gold[name].dtype == pl.Boolean]
        assert facts.select(shared).equals(gold.select(shared).with_columns(pl.col(flags).cast(pl.Int16)))


def test_facts_hold_no_trace_of_the_run_that_wrote_the_gold_row(star):
    provenance = {column.name for column in RISK.columns if column.is_provenance} | {"scored_at_run"}
    assert provenance
    assert not provenance & set(star.fact_risk_daily.columns)


def test_a_day_without_an_anomaly_row_has_nulls(risk, anomalies):
    facts = star_rows(risk, anomalies[1:], RANKS, {}).fact_risk_daily
    first = facts.row(0, named=True)
    assert first["close"] == risk["close"][0]
    assert [first[name] for name in ("z_trailing", "is_anomaly", "severity")] == [None, None, None]
    assert facts.height == risk.height


def test_assets_are_split_ranked_and_dated(star):
    assert star.dim_asset.rows() == [
        (1, "BTC-USD", "BTC", "USD", date(2023, 12, 20), date(2024, 3, 8), 1),
        (2, "ETH-USD", "ETH", "USD", date(2023, 12, 27), date(2024, 3, 15), 2),
        (3, "SOL-USD", "SOL", "USD", date(2024, 1, 3), date(2024, 3, 22), 3),
    ]


def test_a_product_without_a_rank_has_none(risk, anomalies):
    assets = star_rows(risk, anomalies, {"SOL-USD": 1}, {}).dim_asset
    assert assets["risk_rank"].to_list() == [None, None, 1]


@pytest.mark.parametrize("order", [("BTC-USD", "ADA-USD"), ("ADA-USD", "BTC-USD")])
def test_keys_stay_when_products_are_added_in_any_order(order):
    risk = risk_of(("SOL-USD", *order, "DOGE-USD"), days=3)
    known = {"SOL-USD": 1, "XRP-USD": 4, "BTC-USD": 2}
    assets = star_rows(risk, anomalies_of(risk), {}, known).dim_asset
    keys = dict(assets.select("product_id", "asset_key").rows())
    assert keys == {"SOL-USD": 1, "BTC-USD": 2, "ADA-USD": 5, "DOGE-USD": 6}  # the key of XRP-USD is not given again


def test_the_order_of_gold_rows_does_not_matter(star, risk, anomalies):
    shuffled = star_rows(risk.sample(fraction=1, shuffle=True, seed=3), anomalies[::-1], RANKS, {})
    for name, frame in star.frames.items():
        assert shuffled.frames[name].equals(frame)


def test_the_calendar_has_each_day_once_until_one_year_after_the_last(star):
    days = star.dim_calendar["day"]
    assert (days[0], days[-1]) == (date(2023, 12, 20), date(2025, 3, 22))
    assert days.diff().drop_nulls().dt.total_days().unique().to_list() == [1]


@pytest.mark.parametrize(
    ("day", "row"),
    [
        ("2023-12-31", (20231231, 2023, 52, 12, 4, 2023, 7, "Sunday", 1)),
        ("2024-01-01", (20240101, 2024, 1, 1, 1, 2024, 1, "Monday", 0)),
        ("2024-02-28", (20240228, 2024, 9, 2, 1, 2024, 3, "Wednesday", 0)),
        ("2024-02-29", (20240229, 2024, 9, 2, 1, 2024, 4, "Thursday", 1)),
        ("2024-12-30", (20241230, 2025, 1, 12, 4, 2024, 1, "Monday", 0)),  # the ISO year begins before the year
        ("2025-02-28", (20250228, 2025, 9, 2, 1, 2025, 5, "Friday", 1)),
    ],
)
def test_a_day_of_the_calendar(star, day, row):
    found = star.dim_calendar.filter(pl.col("day").dt.to_string() == day).drop("day")
    assert found.rows() == [row]


def test_every_day_of_a_decade_agrees_with_the_standard_library():
    risk = risk_of(("BTC-USD",), days=3700)
    for row in star_rows(risk, anomalies_of(risk), {}, {}).dim_calendar.iter_rows(named=True):
        day = row["day"]
        assert (row["iso_year"], row["iso_week"], row["weekday"]) == tuple(day.isocalendar())
        assert row["weekday_name"] == day.strftime("%A")
        assert row["date_key"] == int(day.strftime("%Y%m%d"))
        assert row["quarter"] == (day.month + 2) // 3


def test_a_year_after_a_leap_day_ends_in_february():
    risk = risk_of(("BTC-USD",), days=72)  # to 2024-02-29
    assert star_rows(risk, anomalies_of(risk), {}, {}).dim_calendar["day"][-1] == date(2025, 2, 28)


def test_no_gold_rows_give_an_empty_star(risk, anomalies):
    empty = star_rows(risk[:0], anomalies[:0], RANKS, {"BTC-USD": 1})
    assert [frame.height for frame in empty.frames.values()] == [0, 0, 0]
    assert empty.fact_risk_daily.columns == TABLES[2].columns.keys()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r, a: (pl.concat([r, r[5:6]]), a), "BTC-USD 2023-12-25: gold_crypto_risk_metrics_daily: must have one"),
        (lambda r, a: (r, pl.concat([a, a[5:6]])), "BTC-USD 2023-12-25: gold_crypto_anomalies: must have one row"),
        (lambda r, a: (r[1:], a), "BTC-USD 2023-12-20: gold_crypto_anomalies: gold_crypto_risk_metrics_daily has no"),
        (lambda r, a: (r.drop("es_95_fhs"), a), "gold_crypto_risk_metrics_daily: columns are absent: es_95_fhs"),
        (lambda r, a: (r, a.drop("z_full")), "gold_crypto_anomalies: columns are absent: z_full"),
    ],
)
def test_gold_tables_that_do_not_fit_are_refused(risk, anomalies, change, reason):
    with pytest.raises(WorkError) as refused:
        star_rows(*change(risk, anomalies), RANKS, {})
    assert reason in str(refused.value)
