"""All figures of a product together: names, reasons, recorded facts."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.risk.figures.closes import ABSENT, RECORDINGS, SPEC, recorded, walk, without
from tickvol.risk.figures.calendar import day_text
from tickvol.risk.figures.daily import DailyRisk, backtests, risk_of
from tickvol.risk.figures.drawdown import deepest
from tickvol.risk.tables import ANOMALIES, RISK

NOT_FIGURES = {"product_id", "day", "source", "run_id", "silver_version", "config_hash", "scored_at_run"}


def test_each_figure_of_the_tables_has_its_column() -> None:
    risk = risk_of(walk(400), SPEC)
    for table in (RISK, ANOMALIES):
        for column in table.columns:
            if column.name not in NOT_FIGURES:
                figure = getattr(risk, column.name)
                assert np.ndim(figure) == 0 or len(figure) == 400, column.name


@pytest.mark.parametrize("close", [0.0, -1.0, math.inf])
def test_a_close_that_is_no_price_is_refused(close: float) -> None:
    closes = walk(40)
    closes[3] = close
    with pytest.raises(ValueError, match=r"closes\[3\]: .* positive and finite"):
        risk_of(closes, SPEC)


def texts(risk: DailyRisk, day: int) -> list[str]:
    return risk.reason[day].split("; ")


def test_reasons_of_young_days_say_how_much_history_is_needed() -> None:
    risk = risk_of(walk(400), SPEC)
    young = [
        "volatility needs 30 days of history",
        "EWMA needs 30 known returns before",
        "VaR needs 366 days of history",
    ]
    assert texts(risk, 0) == ["no return: first day", *young]
    assert texts(risk, 29) == young
    assert texts(risk, 30) == young[1:]
    assert texts(risk, 31) == young[2:]
    assert texts(risk, 365) == young[2:]
    assert texts(risk, 366) == [""]


def test_reasons_count_what_is_known_of_a_window() -> None:
    risk = risk_of(without(walk(800), 400, slice(500, 520)), SPEC)
    assert texts(risk, 400) == ["no close"]
    assert texts(risk, 401) == ["no return: no close on the day before"]
    assert texts(risk, 402) == [""]
    assert texts(risk, 510) == ["no close", "volatility: 19 of 30 returns known, 27 needed"]
    assert texts(risk, 540) == ["volatility: 20 of 30 returns known, 27 needed"]
    sparse = risk_of(without(walk(800), slice(500, 540)), SPEC)
    assert texts(sparse, 600) == [
        "VaR: 324 of 365 returns known, 329 needed",
        "GARCH: no fit, because too few returns were known or none varied",
    ]
    assert texts(risk_of(without(walk(400), slice(2, 20)), SPEC), 370) == [
        "filtered VaR: fewer than 329 of 365 returns have a volatility before them"
    ]


def test_a_row_has_a_reason_exactly_where_a_figure_is_unknown() -> None:
    risk = risk_of(without(walk(800), 400, slice(500, 540)), SPEC)
    unknown = np.zeros(len(risk), dtype=bool)
    for column in RISK.columns:
        if column.name not in NOT_FIGURES | {"reason", "var_95_hist_in_sample"}:
            unknown |= np.isnan(getattr(risk, column.name))
    assert [bool(text) for text in risk.reason] == unknown.tolist()


def test_garch_that_is_switched_off_has_no_figures_and_no_backtest() -> None:
    risk = risk_of(walk(400), replace(SPEC, garch_refit_days=0))
    assert np.isnan(risk.var_95_garch).all()
    assert list(backtests(risk)) == ["roll", "fhs", "ewma"]
    assert texts(risk, 399) == ["GARCH is switched off"]


def test_direction_and_severity_belong_to_anomalies() -> None:
    closes = walk(500, 4, 0.01)
    closes[450:] *= 0.8
    closes[480:] *= 1.15
    risk = risk_of(closes, SPEC)
    assert (risk.direction[450], risk.severity[450]) == ("down", "extreme")
    assert risk.direction[480] == "up"
    assert [text is not None for text in risk.severity] == (risk.is_anomaly == 1.0).tolist()


def test_backtests_start_on_the_same_day_for_all_methods() -> None:
    judged = backtests(risk_of(without(walk(700), 450), SPEC))
    assert {found.n for found in judged.values()} == {700 - 366 - 2}
    assert all(found.n == 0 for found in backtests(risk_of(walk(366), SPEC)).values())
    assert all(found.n == 0 for found in backtests(risk_of(np.empty(0), SPEC)).values())


# Volatility per year; depth, peak, trough and recovery of the deepest drawdown; VaR and ES of the whole series in
# percent; exceptions of roll, EWMA, FHS and GARCH in 638 days; anomalies by trailing z, full z and both.
FACTS = {
    "BTC": (0.450, -0.281, "2025-01-21", "2025-04-08", "2025-05-18", -3.68, -5.25, (31, 32, 35, 24), (21, 34, 20)),
    "ETH": (0.602, -0.638, "2024-03-11", "2025-04-08", "2025-08-09", -4.95, -7.35, (41, 34, 34, 30), (32, 30, 20)),
    "SOL": (0.832, -0.598, "2025-01-18", "2025-04-08", None, -6.69, -9.32, (31, 30, 38, 25), (6, 9, 6)),
}


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=ABSENT)
@pytest.mark.parametrize("coin", FACTS)
def test_facts_of_recorded_days(coin: str) -> None:
    mean_vol, depth, peak, trough, recovery, var, es, exceptions, anomalies = FACTS[coin]
    first, closes = recorded(RECORDINGS / f"{coin}USDT_1d.csv")
    risk, worst, judged = risk_of(closes, SPEC), deepest(closes), None
    assert round(risk.vol_30_annual_mean, 3) == mean_vol
    assert worst is not None
    assert round(worst.depth, 3) == depth
    assert (day_text(first + worst.peak), day_text(first + worst.trough)) == (peak, trough)
    assert (None if worst.recovery is None else day_text(first + worst.recovery)) == recovery
    assert (round(100 * risk.var_95_hist_in_sample, 2), round(100 * risk.es_95_hist_in_sample, 2)) == (var, es)
    judged = backtests(risk)
    assert {found.n for found in judged.values()} == {638}
    assert tuple(judged[method].exceptions for method in ("roll", "ewma", "fhs", "garch")) == exceptions
    both = risk.is_anomaly * risk.is_anomaly_full
    assert tuple(int(np.nansum(flags)) for flags in (risk.is_anomaly, risk.is_anomaly_full, both)) == anomalies
