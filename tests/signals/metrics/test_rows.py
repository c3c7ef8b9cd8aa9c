"""Rows of metrics: what is read, what is refused, and all problems at once."""

import pytest

from tickvol.core.errors import UsageError
from tickvol.signals.metrics.language import Direction, Group, Metric, Side, WindowUnit
from tickvol.signals.metrics.rows import Known, SeriesType, parse_metrics

KNOWN = Known(
    {
        "close": SeriesType("close", "price", 0.0),
        "ema200": SeriesType("ema200", "price", 0.0, memory_bars=2800),
        "macd": SeriesType("macd", "price", memory_bars=364),
        "macd_signal": SeriesType("macd_signal", "price", memory_bars=490),
        "rsi14": SeriesType("rsi14", "0-100", 0.0, 100.0, 490),
        "plus_di14": SeriesType("plus_di14", "0-100", 0.0, 100.0, 490),
    },
    {"15m": 900_000, "1h": 3_600_000},
    {"BTC-USDT"},
)
ROW = {
    "code": "BTC_BUY_MACD_BULL_2H",
    "symbol": "BTC-USDT",
    "interval": "1h",
    "anchor": "macd",
    "reference": "macd_signal",
    "direction": "CROSS_UP",
    "window": "2 HOURS",
    "side": "BUY",
    "group": "MOMENTUM",
    "weight": 1.30,
}
RSI = {"code": "R", "anchor": "rsi14", "direction": "ABOVE", "threshold_start": 50, "side": "BUY", "group": "TREND"}
RSI = {**RSI, "weight": 1}


def problems(*rows):
    with pytest.raises(UsageError) as caught:
        parse_metrics(list(rows), KNOWN)
    return list(caught.value.problems)


def test_a_row_becomes_a_metric_with_its_defaults_written_out():
    (metric,) = parse_metrics([ROW], KNOWN)
    assert metric == Metric(
        "BTC_BUY_MACD_BULL_2H",
        *("macd", Direction.CROSS_UP, Side.BUY, Group.MOMENTUM, 1.3, "macd_signal"),
        *(0.0, None, 2, WindowUnit.HOURS, "BTC-USDT", "1h"),
    )


REFUSED = {
    "unknown_indicator": ({"anchor": "rsi99"}, "anchor: rsi99: must be a known indicator"),
    "unknown_reference": ({"reference": "rsi99"}, "reference: rsi99: must be a known indicator"),
    "units_differ": ({"reference": "close"}, "reference: close: must have the unit of rsi14: 0-100"),
    "threshold_absent": ({"threshold_start": None}, "threshold_start: None: missing"),
    "end_absent": ({"direction": "BETWEEN"}, "threshold_end: None: missing"),
    "reversed": (
        {"direction": "BETWEEN", "threshold_end": 40},
        "threshold_end: 40.0: must not be below threshold_start",
    ),
    "outside_the_range": ({"threshold_start": 101}, "must lie in [0, 100], the range of rsi14"),
    "outside_the_range_of_a_difference": (
        {"reference": "plus_di14", "threshold_start": -101},
        "must lie in [-100, 100], the range of rsi14 - plus_di14",
    ),
    "negative_trend": ({"direction": "TREND_UP", "threshold_start": -1}, "must lie in [0, 100], the range of the cha"),
    "superfluous_end": ({"threshold_end": 60}, "threshold_end: 60: ABOVE takes none"),
    "not_finite": ({"threshold_start": float("nan")}, "threshold_start: nan: must be a finite number"),
    "no_window": ({"window": "0 BARS"}, "window: 0 BARS: must be a count from 1"),
    "window_off_the_grid": ({"window": "90 MINUTES"}, "window: 90 MINUTES: must be a whole number of bars of 1h"),
    "window_beyond_the_memory": ({"window": "491 BARS", "interval": "1h"}, "is 491 bars of 1h: must be at most 490"),
    "negative_weight": ({"weight": -1}, "weight: -1: must be at least 0"),
    "infinite_weight": ({"weight": float("inf")}, "weight: inf: must be a finite number"),
    "no_weight": ({"weight": None}, "weight: None: missing"),
    "weight_on_context": ({"side": "CONTEXT"}, "weight: 1.0: must be 0 or absent: CONTEXT never scores"),
    "unknown_key": ({"treshold": 1}, "treshold: 1: unknown key"),
    "unknown_side": ({"side": "LONG"}, "side: LONG: must be one of BUY, SELL, NO_TRADE, CONTEXT"),
    "unknown_symbol": ({"symbol": "XYZ-USD"}, "symbol: XYZ-USD: must be a known product"),
    "unknown_interval": ({"interval": "7m"}, "interval: 7m: must be a known interval"),
    "lower_case_code": ({"code": "r"}, "code: r: must be 1 to 64 of A-Z"),
    "level_in_another_unit": ({"direction": "REJECT_UP", "threshold_start": 0}, "needs a level in the unit price"),
    "active_as_a_number": ({"active": 1}, "active: 1: must be true or false"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_broken_rule_is_named_with_row_key_and_value(case):
    change, expected = REFUSED[case]
    found = problems(ROW, {**RSI, **change})
    assert len(found) == 1
    assert found[0].startswith("row 2 (")
    assert expected in found[0]


def test_a_rejection_takes_no_reference():
    row = {**RSI, "anchor": "ema200", "reference": "close", "direction": "REJECT_UP", "threshold_start": 0.01}
    assert "REJECT_UP compares with prices: remove it" in problems(row)[0]


def test_all_problems_of_all_rows_are_found_at_once():
    found = problems(
        {**RSI, "weight": -1, "window": "2", "anchor": "x"}, "text", {**ROW, "side": "UP"}, {**ROW, "weight": 2}
    )
    assert [line.split(":")[0] for line in found] == [
        *["row 1 (R)"] * 3,
        "row 2 (?)",
        *["row 3 (BTC_BUY_MACD_BULL_2H)"],
        "row 4 (BTC_BUY_MACD_BULL_2H)",
    ]


def test_one_definition_under_two_codes_is_refused():
    assert "row 2 (OTHER): code: OTHER: has the definition of R" in problems(RSI, {**RSI, "code": "OTHER"})[0]


def test_a_file_that_is_no_list_is_refused():
    with pytest.raises(UsageError, match="must be a list of rows"):
        parse_metrics({"code": "R"}, KNOWN)


def test_a_context_metric_needs_no_weight():
    context = {key: value for key, value in RSI.items() if key != "weight"}
    assert parse_metrics([{**context, "side": "CONTEXT"}], KNOWN)[0].weight == 0.0
