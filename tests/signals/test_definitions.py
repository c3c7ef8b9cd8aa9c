"""Files of definitions: read strictly, and the shipped ones are the documented rule set."""

import numpy as np
import pytest

from tickvol.core.errors import InputError, UsageError
from tickvol.signals.deciding.decide import decide_all
from tickvol.signals.deciding.guards import context_of
from tickvol.signals.deciding.risk import parse_profiles
from tickvol.signals.deciding.strategy import Scorer, most, most_by_group
from tickvol.signals.deciding.strategy_rows import Stored, parse_strategies
from tickvol.signals.definitions import read_rows, series_types, shipped_rows
from tickvol.signals.indicators.registry import INDICATORS
from tickvol.signals.metrics.evaluate import evaluate
from tickvol.signals.metrics.language import Side
from tickvol.signals.metrics.rows import Known, parse_metrics

INTERVALS = {"15m": 900_000, "1h": 3_600_000}
HOUR = INTERVALS["1h"]


@pytest.fixture(scope="module")
def metrics():
    return parse_metrics(shipped_rows("metrics"), Known(series_types(INDICATORS.values()), INTERVALS))


@pytest.fixture(scope="module")
def strategies(metrics):
    profiles = {profile.code: profile for profile in parse_profiles(shipped_rows("risk_profiles"))}
    stored = {metric.code: (number, metric) for number, metric in enumerate(metrics, start=1)}
    return {one.code: one for one in parse_strategies(shipped_rows("strategies"), Stored(stored, profiles, INTERVALS))}


def test_the_shipped_strategies_have_the_documented_figures(strategies):
    points, groups = strategies["TREND_POINTS"], strategies["TREND_GROUPS"]
    assert set(strategies) == {"TREND_POINTS", "TREND_GROUPS"}
    assert (points.scorer, groups.scorer) == (Scorer.EDGE, Scorer.GROUPS)
    for one in (points, groups):
        assert (one.interval, one.threshold, one.guards.min_edge, one.guards.one_trade) == ("1h", 5.0, 2.0, True)
        assert one.costs.round_trip_frac == 0.002
        assert [(band.edge_from, band.tp_atr, band.sl_atr, band.lookahead_bars) for band in one.risk.bands] == [
            (2.0, 1.5, 1.0, 12),
            (4.5, 2.5, 1.5, 24),
        ]
        assert [most(one.metrics, side) for side in (Side.BUY, Side.SELL)] == [7.0, 7.0]
        assert [most_by_group(one.metrics, side) for side in (Side.BUY, Side.SELL)] == [7.0, 7.0]
    assert (points.guards.squeeze_quantile, points.guards.variance_quantile) == (None, None)
    assert (groups.guards.squeeze_quantile, groups.guards.variance_quantile) == (0.1, 0.99)


def test_the_shipped_definitions_never_change_by_accident(strategies):
    assert [strategies[code].definition_hash[:16] for code in ("TREND_POINTS", "TREND_GROUPS")] == [
        "038d6c8f1d7f2045",
        "7197cd48d7eb5d53",
    ]


def rule_set(x, i, s):
    """Points of a side at bar i from the documented rules; s is 1 for BUY, -1 for SELL."""
    lead, lag = ("plus_di14", "minus_di14") if s > 0 else ("minus_di14", "plus_di14")
    low, high = (50, 70) if s > 0 else (30, 50)
    return (
        1.0 * (s * x["ema12"][i] > s * x["ema26"][i])
        + 1.0 * (s * x["close"][i] > s * x["ema200"][i])
        + 0.5 * (x["adx14"][i] > 20)
        + 0.5 * (x[lead][i] > x[lag][i])
        + 1.0 * (low <= x["rsi14"][i] <= high)
        + 0.5 * (s * x["macd_hist"][i] > 0)
        + 0.5 * (s * (x["macd_hist"][i] - x["macd_hist"][i - 3]) > 0)
        + 0.5 * (s * x["obv_share20"][i] > 0.05)
        + 0.5 * (x["volume_ratio20"][i] > 1.2)
        + 0.5 * (s * x["vwap_dev20"][i] > 0)
        + 0.5 * (0.01 <= x["bandwidth"][i] <= 0.08)
    )


def test_the_shipped_points_equal_the_rule_set_bar_by_bar(strategies):
    rng, n = np.random.default_rng(11), 600
    scale = {
        "ema12": (99, 101), "ema26": (99, 101), "ema50": (99, 101), "ema200": (99, 101), "close": (99, 101),
        "adx14": (10, 40), "plus_di14": (10, 40), "minus_di14": (10, 40), "rsi14": (25, 75), "macd": (-1, 1),
        "macd_signal": (-1, 1), "macd_hist": (-1, 1), "obv_share20": (-0.2, 0.2), "volume_ratio20": (0.5, 2),
        "vwap_dev20": (-0.01, 0.01), "bandwidth": (0.0, 0.1), "percent_b": (-0.2, 1.2), "atr14": (0.1, 3.0),
        "atr_frac": (0.001, 0.03),
    }  # fmt: skip
    series = {code: rng.uniform(low, high, n) for code, (low, high) in scale.items()}
    close = series["close"]
    for strategy in strategies.values():
        states = {
            one.metric.code: evaluate(one.metric, series, close, close, close, length_ms=HOUR)
            for one in strategy.metrics
        }
        found = decide_all(strategy, "BTC-USDT", states, context_of(strategy.guards, series, close))
        for scores, s in ((found.scores.buy, 1), (found.scores.sell, -1)):
            np.testing.assert_array_equal(scores[3:], [rule_set(series, i, s) for i in range(3, n)])
        assert len(set(found.action.tolist())) == 3


def test_mirrored_metrics_have_mirrored_sides(metrics):
    codes = {metric.code: metric for metric in metrics}
    buys = [code for code in codes if code.startswith("BUY_")]
    assert len(buys) == 11
    for code in buys:
        mirror = codes["SELL_" + code.removeprefix("BUY_")]
        assert (mirror.side, mirror.weight, mirror.group) == (Side.SELL, codes[code].weight, codes[code].group)


def test_a_key_that_stands_twice_is_refused(tmp_path):
    path = tmp_path / "metrics.yaml"
    path.write_text("- code: A\n  weight: 1\n  weight: 2\n")
    with pytest.raises(UsageError, match=r"metrics.yaml: line 1: weight: stands twice: remove one"):
        read_rows(path)


def test_files_that_are_no_yaml_or_absent_are_refused(tmp_path):
    (tmp_path / "bad.yaml").write_text("- [")
    with pytest.raises(UsageError, match="is no YAML"):
        read_rows(tmp_path / "bad.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        read_rows(tmp_path / "absent.yaml")
    with pytest.raises(UsageError, match="kind: rules: must be one of metrics"):
        shipped_rows("rules")
