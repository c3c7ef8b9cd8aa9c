"""Figures in the tables: of markets with little history, and unchanged by the days that follow."""

import polars as pl

from tests.risk.pipeline.conftest import NewDesk
from tests.risk.pipeline.exchange import noon_s
from tickvol.core.times import DAY_S
from tickvol.risk.figures.calendar import day_number, day_text
from tickvol.risk.tables import ANOMALIES, BACKTEST, CORRELATION, EPISODES, RISK
from tickvol.simulator.rest.market import DailyMarket, SeededMarket

FIGURES = [
    "close",
    "log_return",
    "vol_30",
    "max_drawdown",
    *(f"{kind}_{method}" for kind in ("var_95", "es_95") for method in ("roll", "fhs", "ewma")),
    "exception_roll",
    "exception_fhs",
    "exception_ewma",
    "worst_daily_loss",
]


def bar(close: float) -> tuple[float, float, float, float, float]:
    return (close, close * 1.01, close * 0.99, close, 1.0)


def test_products_may_differ_in_whether_they_ever_recovered(new_desk: NewDesk) -> None:
    first = day_number("2026-02-20")
    closes = {"BTC-USD": [100.0, 90.0, 80.0, 70.0], "ETH-USD": [10.0, 9.0, 11.0, 10.5], "SOL-USD": [1.0, 2.0, 3.0, 4.0]}
    market = DailyMarket(
        {product: {first + n: bar(close) for n, close in enumerate(own)} for product, own in closes.items()}
    )
    desk = new_desk(market, products=list(closes), history_days=30)
    assert desk.run(noon_s()).succeeded
    found = desk.table(EPISODES.name).select("product_id", "peak_day", "recovery_day", "days_up")
    assert found.rows() == [
        ("BTC-USD", "2026-02-20", None, None),
        ("ETH-USD", "2026-02-20", "2026-02-22", 1),
        ("ETH-USD", "2026-02-22", None, None),
    ]


def test_an_exchange_without_any_candle_gives_empty_tables_and_no_failure(new_desk: NewDesk) -> None:
    desk = new_desk(DailyMarket({"BTC-USD": {}, "ETH-USD": {}}))
    ended = desk.run(noon_s())
    assert ended.succeeded, ended.end.steps
    assert ended.step("gold").message == "no complete day is stored"
    assert desk.table(RISK.name).is_empty()
    assert set(desk.states().values()) == {"unasked"}


def test_days_that_follow_change_no_earlier_figure_score_or_judgement(new_desk: NewDesk) -> None:
    desk = new_desk(SeededMarket(["BTC-USD", "ETH-USD"]), history_days=100, window_days=60)
    seen: list[dict[str, pl.DataFrame]] = []
    for days in (0, 1, 3, 31):
        assert desk.run(noon_s(hours=24 * days)).succeeded
        now = {spec.name: desk.table(spec.name) for spec in (RISK, ANOMALIES, BACKTEST, CORRELATION)}
        last = day_text(int(noon_s(hours=24 * days) // DAY_S) - 1)
        assert now[RISK.name]["day"].max() == last
        for before in seen:
            assert_unchanged(before, now)
        seen.append(now)
    assert seen[0][RISK.name]["var_95_roll"].drop_nulls().len() > 50
    assert seen[0][ANOMALIES.name]["z_trailing"].drop_nulls().len() > 50


def assert_unchanged(before: dict[str, pl.DataFrame], now: dict[str, pl.DataFrame]) -> None:
    for spec, columns in ((RISK, FIGURES), (ANOMALIES, ["z_trailing", "is_anomaly", "severity"]), (CORRELATION, None)):
        names = [*spec.key, *(columns or ["corr_30", "corr_full", "pairs"])]
        earlier = now[spec.name].join(before[spec.name].select(spec.key), on=spec.key, how="semi")
        assert earlier.select(names).equals(before[spec.name].select(names))
    judged = before[BACKTEST.name].drop("run_id")
    whole_months = judged.join(now[BACKTEST.name].select(BACKTEST.key), on=BACKTEST.key, how="semi")
    assert whole_months.height > 0
    same = now[BACKTEST.name].drop("run_id").join(whole_months.select(BACKTEST.key), on=BACKTEST.key, how="semi")
    assert same.equals(whole_months)
