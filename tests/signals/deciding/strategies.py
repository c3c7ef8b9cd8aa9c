"""Small strategies and contexts for the tests of decisions."""

import math

import numpy as np

from tickvol.signals.deciding.guards import Context
from tickvol.signals.deciding.risk import Band, RiskProfile
from tickvol.signals.deciding.strategy import Guards, Scorer, Strategy, TradeCosts, Weighted
from tickvol.signals.metrics.evaluate import States
from tickvol.signals.metrics.language import Direction, Group, Metric, Side

BANDS = (Band(1.0, 3.0, 1.0, 0.5, 6), Band(3.0, math.inf, 2.0, 1.0, 12))
RISK = RiskProfile("R", BANDS, 0.001, 0.2, 0.001, 0.1)
OPEN = Guards(min_edge=1.0, squeeze_quantile=None, variance_quantile=None, cost_multiple=0.0, max_age_ms=1000)


def metric(code, side, weight, group=Group.TREND, symbol=None):
    return Metric(code, code.lower(), Direction.ABOVE, side, group, weight, threshold_start=0.0, symbol=symbol)


def weighted(number, code, side, weight, group=Group.TREND, symbol=None):
    return Weighted(number, metric(code, side, weight, group, symbol), side, weight)


METRICS = (
    weighted(1, "B1", Side.BUY, 2.0),
    weighted(2, "B2", Side.BUY, 1.5, Group.MOMENTUM),
    weighted(3, "B3", Side.BUY, 0.5, Group.VOLUME),
    weighted(4, "S1", Side.SELL, 2.0),
    weighted(5, "S2", Side.SELL, 1.5, Group.VOLATILITY),
    weighted(6, "S3", Side.SELL, 1.5, Group.MOMENTUM),
    weighted(7, "N1", Side.NO_TRADE, 0.0),
    weighted(8, "C1", Side.CONTEXT, 0.0),
)


def strategy_of(metrics=METRICS, scorer=Scorer.EDGE, threshold=2.0, guards=OPEN, costs=None, **changes):
    return Strategy("S", scorer, "1h", threshold, metrics, guards, RISK, costs or TradeCosts(10.0, 0.0), **changes)


def context_for(n=1, **changes):
    values = {
        "close": np.full(n, 100.0),
        "atr14": np.full(n, 1.0),
        "atr_frac": np.full(n, 0.01),
        "bandwidth": np.full(n, 0.05),
        "bandwidth_low": np.full(n, 0.01),
        "atr_frac_high": np.full(n, 0.05),
        "age_ms": np.zeros(n, dtype=np.int64),
        "open_trade": np.zeros(n, dtype=np.bool_),
    }
    return Context(**{**values, **{name: np.asarray(value).reshape(-1) for name, value in changes.items()}})


def one_bar(true=(), unknown=(), metrics=METRICS):
    """States of one bar by code."""
    codes = [one.metric.code for one in metrics]
    return {code: (1 if code in true else -1 if code in unknown else 0, 0.25) for code in codes}


def columns_of(matrix, metrics=METRICS):
    """States of n bars by code from a (k, n) matrix."""
    matrix = np.asarray(matrix, dtype=np.int8)
    observed = np.where(matrix < 0, np.nan, matrix * 0.5)
    return {one.metric.code: States(row, seen) for one, row, seen in zip(metrics, matrix, observed, strict=True)}
