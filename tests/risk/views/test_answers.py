"""Extreme days, judged forecasts, weights, exports and SQL."""

from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from tests.risk.pages.stored import frame
from tests.risk.views.stored import CRASH_DAY, CRASHES, DAYS, SIGMAS, Stored, log_returns
from tickvol.core.errors import NotEnoughData, UsageError
from tickvol.risk.figures.calendar import day_number, day_text
from tickvol.risk.tables import BACKTEST, RISK
from tickvol.risk.views.allocating import allocate
from tickvol.risk.views.exporting import export_all
from tickvol.risk.views.extremes import shocks, worst
from tickvol.risk.views.judgement import backtest
from tickvol.risk.views.sql import sql
from tickvol.storage.delta.lake import Lake

GOLD = "gold_crypto_risk_metrics_daily"


def test_shocks_are_the_largest_z_of_either_sign(lake: Lake) -> None:
    view = shocks(lake, 7)
    sizes = [abs(row["z_trailing"]) for row in view.data]  # type: ignore[attr-defined]
    assert len(sizes) == 7
    assert all(a >= b for a, b in pairwise(sizes))
    assert {row["day"] for row in view.data[:3]} == {CRASH_DAY}  # type: ignore[index]
    assert " ".join(view.lines[0].split()) == "day asset log return z z of all days direction severity"
    assert view.lines[1].split()[-2:] == ["down", "extreme"]
    assert {row["product_id"] for row in shocks(lake, 50, ["ETH-USD"]).data} == {"ETH-USD"}  # type: ignore[attr-defined]


def test_the_worst_loss_of_each_product_comes_with_its_day(lake: Lake) -> None:
    found = {row["product_id"]: row for row in worst(lake).data}  # type: ignore[attr-defined]
    assert list(found) == ["SOL-USD", "ETH-USD", "BTC-USD"]
    for product, crash in CRASHES.items():
        assert found[product]["simple_return"] == pytest.approx(np.expm1(crash), rel=1e-9)
        assert (found[product]["day"], found[product]["days"]) == (CRASH_DAY, DAYS - 1)


def test_the_judgement_is_that_of_the_last_day_the_default_method_first(lake: Lake) -> None:
    view = backtest(lake)
    assert [(row["product_id"], row["method"]) for row in view.data] == [  # type: ignore[attr-defined]
        (product, method) for product in SIGMAS for method in ("fhs", "roll", "ewma")
    ]
    stored = lake.table(BACKTEST.name).read()
    assert {row["as_of_day"] for row in view.data} == {stored["as_of_day"].max()}  # type: ignore[attr-defined]
    assert [row["method"] for row in backtest(lake, "roll", ["SOL-USD"]).data] == ["roll"]  # type: ignore[attr-defined]


def test_a_method_that_is_unknown_or_not_stored_is_named(lake: Lake) -> None:
    with pytest.raises(UsageError, match="--method: 'var': must be one of fhs, roll, ewma, garch"):
        backtest(lake, "var")
    with pytest.raises(NotEnoughData, match="no forecasts by garch are stored"):
        backtest(lake, "garch")


def test_weights_are_those_of_least_variance(lake: Lake) -> None:
    options = {"min_days": 250, "year_days": 365}
    both = allocate(lake, ["BTC-USD", "SOL-USD"], allow_short=True, **options).data  # type: ignore[arg-type]
    returns = np.expm1([log_returns(product)[1:DAYS] for product in ("BTC-USD", "SOL-USD")])
    weights = np.linalg.solve(np.cov(returns), np.ones(2))
    assert both["weights"]["BTC-USD"] == pytest.approx(weights[0] / weights.sum(), rel=1e-6)  # type: ignore[index]
    view = allocate(lake, allow_short=False, **options)  # type: ignore[arg-type]
    assert sum(view.data["weights"].values()) == pytest.approx(1.0)  # type: ignore[index]
    assert min(view.data["weights"].values()) >= 0.0  # type: ignore[index]
    assert "no negative weights" in view.lines[-2]
    few = allocate(lake, allow_short=False, min_days=5000, year_days=365)
    assert (few.is_known, few.data["volatility"]) == (False, None)  # type: ignore[index]
    assert few.lines[0].startswith("no weights: common days: 699: at least 5000 are needed")


@pytest.mark.parametrize("allow_short", [True, False])
def test_weights_are_negative_only_where_that_is_allowed(allow_short: bool, empty: Lake) -> None:
    calm, own = np.random.default_rng(5).standard_normal((2, 300)) * 0.01
    days = [day_text(day_number("2025-01-01") + number) for number in range(300)]
    returns = {"AAA-USD": calm, "BBB-USD": 2.0 * calm + own}
    rows = [
        {"product_id": product, "day": day, "simple_return": value}
        for product, values in returns.items()
        for day, value in zip(days, values.tolist(), strict=True)
    ]
    empty.table(RISK.name).append(frame(RISK, rows), run_id="x")
    weights = allocate(empty, allow_short=allow_short, min_days=250, year_days=365).data["weights"]  # type: ignore[index]
    assert (weights["BBB-USD"] < 0.0) is allow_short
    assert sum(weights.values()) == pytest.approx(1.0)


def test_an_export_holds_the_tables_and_writes_nothing_without_figures(
    stored: Stored, empty: Lake, tmp_path: Path
) -> None:
    view = export_all(stored.lake, stored.sections.risk, tmp_path / "out")
    names = {Path(row["path"]).name for row in view.data}  # type: ignore[attr-defined]
    assert {"gold_crypto_anomalies.csv", "pipeline_logs.csv", "fact_risk_daily.parquet"} <= names
    assert all((tmp_path / "out" / name).stat().st_size for name in names)
    with pytest.raises(NotEnoughData, match="`tickvol risk run`"):
        export_all(empty, stored.sections.risk, tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "query",
    [
        f"select count(*) as n from {GOLD}",
        f"SELECT count(*) AS n FROM {GOLD.upper()};",
        f"\n-- a remark\n  /* another\n one */ select count(*) as n from {GOLD}",
        f"with days as (select day from {GOLD}) select count(*) as n from days",
        f"(select count(*) as n from {GOLD})",
    ],
)
def test_a_select_in_any_form_is_answered(query: str, lake: Lake) -> None:
    view = sql(lake, query)
    assert view.data == [{"n": 3 * DAYS}]
    assert [line.strip() for line in view.lines] == ["n", "2100", "1 row"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "must be a SELECT"),
        ("-- select 1", "must be a SELECT"),
        (f"drop table {GOLD}", "must be a SELECT"),
        (f"delete from {GOLD}", "must be a SELECT"),
        (f"create table x as select * from {GOLD}", "must be a SELECT"),
        ("selec 1", "must be a SELECT"),
        ("select * from", "sql parser error"),
        ("select 1; select 2", "one \\(and only one\\) statement"),
        (f"with x as (select 1) delete from {GOLD}", "unsupported"),
        ("select * from nope", "relation 'nope' was not found; the tables are .*gold_crypto_risk_metrics_daily"),
        (f"select nope from {GOLD}", 'unable to find column "nope"; valid columns'),
        ("select * from read_csv('{file}')", "'read_csv': reads files"),
        ("select * from \"read_csv\"('{file}')", "'read_csv': reads files"),
        ("select * from READ_CSV/**/('{file}')", "'READ_CSV': reads files"),
        ("select 1 as \"'\", * from read_csv('{file}')", "'read_csv': reads files"),
        ("with x as (select * from read_parquet('{file}')) select * from x", "'read_parquet': reads files"),
        ("select * from '{file}'", "was not found"),
    ],
)
def test_what_is_not_a_select_of_the_tables_is_refused(query: str, reason: str, lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    with pytest.raises(UsageError, match=f"^SQL: .*{reason}") as caught:
        sql(lake, query.format(file=file))
    assert len(str(caught.value).splitlines()) == 1


def test_every_table_can_be_read_even_before_its_first_row(lake: Lake, empty: Lake) -> None:
    for table in lake.tables():
        assert len(sql(lake, f"select * from {table.spec.name}").data) == table.rows()  # type: ignore[arg-type]
        view = sql(empty, f"select * from {table.spec.name}")
        assert (view.data, view.lines[0].split(), view.lines[-1]) == ([], list(table.spec.names), "0 rows")


def test_unknown_numbers_are_null_and_long_answers_are_cut_in_the_text_only(lake: Lake) -> None:
    view = sql(lake, "select 1/0 as a, cast('nan' as double) as b, null as c")
    assert msgspec.json.encode(view.data) == b'[{"a":null,"b":null,"c":null}]'
    view = sql(lake, f"select day from {GOLD}")
    assert (len(view.data), len(view.lines)) == (3 * DAYS, 1 + 1000 + 2)  # type: ignore[arg-type]
    assert view.lines[-2] == "... 1,100 more rows; --json prints all"
    text = sql(lake, "select raw_payload from bronze_coinbase_candles_raw").lines[1]
    assert (len(text), text[-3:]) == (100, "...")


def test_a_query_changes_no_table(lake: Lake) -> None:
    before = [table.version() for table in lake.tables()]
    sql(lake, f"select * from {GOLD}")
    assert [table.version() for table in lake.tables()] == before
    assert pl.DataFrame(sql(lake, f"select max(close) as m from {GOLD}").data).item() > 0
