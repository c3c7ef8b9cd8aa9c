"""All figures against a plain reference, on made series and on recorded ones."""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.risk.figures import reference
from tests.risk.figures.closes import ABSENT, MADE, RECORDINGS, SPEC, recorded, recorded_files
from tickvol.risk.figures.correlation import correlation
from tickvol.risk.figures.daily import DailyRisk, risk_of

Array = NDArray[np.float64]


def optional(values: Array) -> reference.Values:
    return [None if value != value else value for value in values.tolist()]


def agree(name: str, figures: Sequence[float] | Array, expected: reference.Values) -> None:
    assert len(figures) == len(expected), name
    for t, (figure, slow) in enumerate(zip(figures, expected, strict=True)):
        if slow is None:
            assert math.isnan(figure), f"{name}, day {t}: {figure} instead of unknown"
        else:
            assert math.isclose(figure, slow, rel_tol=1e-9, abs_tol=1e-12), f"{name}, day {t}: {figure} {slow}"


def check(closes: Array) -> DailyRisk:
    """Compare all figures; returns those that were compared."""
    risk = risk_of(closes, SPEC)
    plain = optional(closes)
    returns = reference.log_returns(plain)
    agree("log_return", risk.log_return, returns)
    agree("simple_return", risk.simple_return, reference.simple_returns(plain))
    vol = reference.volatility(returns)
    annual: reference.Values = [None if v is None else v * math.sqrt(365) for v in vol]
    agree("vol_30", risk.vol_30, vol)
    agree("vol_30_annual", risk.vol_30_annual, annual)
    agree("mean of vol_30_annual", [risk.vol_30_annual_mean], [reference.mean(reference.known(annual))])
    agree("peak", risk.peak, reference.peaks(plain))
    fall = reference.drawdowns(plain)
    agree("drawdown", risk.drawdown, fall)
    agree("max_drawdown", risk.max_drawdown, reference.lowest_so_far(fall))
    agree("worst_daily_loss", risk.worst_daily_loss, reference.lowest_so_far(reference.simple_returns(plain)))
    check_in_sample(risk, returns)
    check_forecasts(risk, returns)
    z, centre, mad = reference.robust_z(returns)
    agree("z_trailing", risk.z_trailing, z)
    agree("median_365", risk.median_365, centre)
    agree("mad_365", risk.mad_365, mad)
    agree("z_full", risk.z_full, reference.robust_z_full(returns))
    agree("is_anomaly", risk.is_anomaly, [None if score is None else float(abs(score) > 3.5) for score in z])
    counts = [len(reference.known(returns[max(0, t - 29) : t + 1])) for t in range(len(returns))]
    assert risk.known_returns_30.tolist() == counts
    counts = [len(reference.known(returns[max(0, t - 365) : t])) for t in range(len(returns))]
    assert risk.known_returns_365.tolist() == counts
    return risk


def check_in_sample(risk: DailyRisk, returns: reference.Values) -> None:
    values = reference.known(returns)
    level = reference.LEVEL
    var = reference.quantile(values, level) if values else None
    agree("var_95_hist_in_sample", [risk.var_95_hist_in_sample], [var])
    agree("its ES", [risk.es_95_hist_in_sample], [None if var is None else reference.tail_mean(values, var)])
    lower = reference.lower_quantile(values, level) if values else None
    agree("inverted_cdf", [risk.var_95_hist_inverted_cdf], [lower])


def check_forecasts(risk: DailyRisk, returns: reference.Values) -> None:
    sigma = reference.ewma_sigma(returns)
    forecasts = {
        "roll": reference.historical(returns),
        "fhs": reference.filtered_historical(returns, sigma),
        "ewma": reference.normal(sigma),
    }
    for method, (var, es) in forecasts.items():
        agree(f"var_95_{method}", risk.var(method), var)
        agree(f"es_95_{method}", risk.es(method), es)
        agree(f"exception_{method}", getattr(risk, f"exception_{method}"), reference.exceptions(returns, var))
    var, es = reference.historical(returns, Fraction(1, 100))
    agree("var_99_roll", risk.var_99_roll, var)
    agree("es_99_roll", risk.es_99_roll, es)


@pytest.mark.parametrize("name", MADE)
def test_figures_agree_with_the_reference(name: str) -> None:
    check(MADE[name])


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=ABSENT)
@pytest.mark.parametrize("path", recorded_files(), ids=lambda path: path.stem)
def test_figures_of_recorded_days_agree_with_the_reference(path) -> None:
    check(recorded(path)[1])


PAIRS = {
    "two walks": ("500 days", "holes everywhere, windows just full enough"),
    "both with holes": ("holes everywhere, windows not full enough", "a month missing in the middle"),
    "one constant": ("a constant price", "few distinct prices"),
    "one that stops moving": ("moving, then constant", "500 days"),
    "one jumps": ("from 1e-8 to 1e8 and back", "prices of 1e8"),
    "the same": ("500 days", "500 days"),
    "too short": ("30 days", "366 days"),
    "just long enough": ("31 days", "366 days"),
    "nothing in common": ("no day", "366 days"),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_correlations_agree_with_the_reference(pair: str) -> None:
    first, second = (risk_of(MADE[name], SPEC).log_return for name in PAIRS[pair])
    days = min(len(first), len(second))
    a, b = first[:days], second[:days]
    figures = correlation(a, b, 30, 27)
    x, y = optional(a), optional(b)
    paired = [None if p is None or q is None else 1.0 for p, q in zip(x, y, strict=True)]
    rolling: reference.Values = []
    for t in range(days):
        window = slice(max(0, t - 29), t + 1)
        enough = t >= 30 and len(reference.known(paired[window])) >= 27
        rolling.append(reference.pearson(x[window], y[window]) if enough else None)
    agree("rolling", figures.rolling, rolling)
    assert figures.pairs.tolist() == [len(reference.known(paired[: t + 1])) for t in range(days)]
    days_checked = range(0, days, 23)
    expanding = [reference.pearson(x[: t + 1], y[: t + 1]) for t in days_checked]
    agree("expanding", [figures.expanding[t] for t in days_checked], expanding)
    agree("full", [figures.full], [reference.pearson(x, y)])
