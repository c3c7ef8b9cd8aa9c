"""All figures of one product, day by day, and its forecasts judged as of any day."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tickvol.risk.figures import anomalies, coverage, drawdown, returns, value_at_risk, volatility
from tickvol.risk.figures.garch import GarchFit, garch_sigma
from tickvol.risk.figures.reasons import reasons
from tickvol.risk.figures.spec import RiskSpec

Array = NDArray[np.float64]

METHODS = ("roll", "fhs", "ewma", "garch")
_VAR_99_LEVEL = 0.01  # the level that the figure's name states


@dataclass(frozen=True)
class DailyRisk:
    """Figures of one product under the names of the tables' columns.

    Arrays are (n,), one entry per day from the first to the last: float64 with NaN where unknown, exceptions and
    anomalies 1 or 0 or NaN, counts int64. `var_95_hist_in_sample`, `es_95_hist_in_sample` and
    `var_95_hist_inverted_cdf` describe the whole series, NaN without a return. The numbers 30, 365, 95 in the names
    stand for the spec's windows and level.
    """

    spec: RiskSpec
    close: Array
    simple_return: Array
    log_return: Array
    vol_30: Array
    vol_30_annual: Array
    vol_30_annual_mean: float
    peak: Array
    drawdown: Array
    max_drawdown: Array
    var_95_hist_in_sample: float
    es_95_hist_in_sample: float
    var_95_hist_inverted_cdf: float
    var_95_roll: Array
    es_95_roll: Array
    var_99_roll: Array
    es_99_roll: Array
    var_95_fhs: Array
    es_95_fhs: Array
    var_95_ewma: Array
    es_95_ewma: Array
    var_95_garch: Array
    es_95_garch: Array
    exception_roll: Array
    exception_fhs: Array
    exception_ewma: Array
    exception_garch: Array
    known_returns_30: NDArray[np.int64]
    known_returns_365: NDArray[np.int64]
    worst_daily_loss: Array
    z_trailing: Array
    z_full: Array
    median_365: Array
    mad_365: Array
    is_anomaly: Array
    is_anomaly_full: Array
    garch_fits: tuple[GarchFit, ...]

    def __len__(self) -> int:
        return len(self.close)

    @cached_property
    def reason(self) -> list[str]:
        """Why figures of each day are unknown; empty where none is."""
        return reasons(self)

    @property
    def direction(self) -> list[str | None]:
        """`up` or `down` of each anomaly by the trailing z; None elsewhere."""
        return [anomalies.direction(z, self.spec.z_threshold) for z in self.z_trailing.tolist()]

    @property
    def severity(self) -> list[str | None]:
        """`moderate`, `strong` or `extreme` of each anomaly by the trailing z; None elsewhere."""
        return [anomalies.severity(z, self.spec.z_threshold) for z in self.z_trailing.tolist()]

    @property
    def first_judged(self) -> int:
        """Index of the first day whose forecasts count for coverage: the same for all methods."""
        return self.spec.var_window_days + 1

    def var(self, method: str) -> Array:
        """VaR of one of `METHODS`."""
        values: Array = getattr(self, f"var_95_{method}")
        return values

    def es(self, method: str) -> Array:
        """ES of one of `METHODS`."""
        values: Array = getattr(self, f"es_95_{method}")
        return values


def risk_of(closes: Array, spec: RiskSpec) -> DailyRisk:
    """All figures of one product.

    Parameters
    ----------
    closes : (n,) float64, positive, one entry per day, NaN on a day without a close; the unfinished last day is not
        among them

    Raises
    ------
    ValueError
        A close is not positive or not finite.
    """
    wrong = np.flatnonzero(~(np.isnan(closes) | ((closes > 0.0) & np.isfinite(closes))))
    if len(wrong):
        day = int(wrong[0])
        raise ValueError(f"closes[{day}]: {closes[day]}: a close is positive and finite: reject its candle")
    logs, simple = returns.log_returns(closes), returns.simple_returns(closes)
    vol = volatility.rolling_volatility(logs, spec.vol_window_days, spec.min_known(spec.vol_window_days))
    annual = vol * math.sqrt(spec.year_days)
    drawn = drawdown.drawdowns(closes)
    overall = value_at_risk.in_sample(logs, spec.var_level)
    days, enough = spec.var_window_days, spec.min_known(spec.var_window_days)
    roll, roll_99 = value_at_risk.historical_at(logs, days, enough, (spec.var_level, _VAR_99_LEVEL))
    sigma = volatility.ewma_sigma(logs, spec.ewma_lambda, spec.ewma_start_days)
    fhs = value_at_risk.filtered_historical(logs, sigma, days, enough, spec.var_level)
    ewma = value_at_risk.normal(sigma, spec.var_level)
    fitted = garch_sigma(logs, days, enough, spec.garch_refit_days, spec.garch_starts)
    garch = value_at_risk.normal(fitted.sigma, spec.var_level)
    trailing = anomalies.trailing_z(logs, spec.z_window_days, spec.min_known(spec.z_window_days))
    z_full = anomalies.full_z(logs)
    return DailyRisk(
        spec=spec,
        close=closes,
        simple_return=simple,
        log_return=logs,
        vol_30=vol,
        vol_30_annual=annual,
        vol_30_annual_mean=volatility.mean_of_known(annual),
        peak=drawdown.peaks(closes),
        drawdown=drawn,
        max_drawdown=drawdown.deepest_so_far(drawn),
        var_95_hist_in_sample=overall.var,
        es_95_hist_in_sample=overall.es,
        var_95_hist_inverted_cdf=overall.var_inverted_cdf,
        var_95_roll=roll.var,
        es_95_roll=roll.es,
        var_99_roll=roll_99.var,
        es_99_roll=roll_99.es,
        var_95_fhs=fhs.var,
        es_95_fhs=fhs.es,
        var_95_ewma=ewma.var,
        es_95_ewma=ewma.es,
        var_95_garch=garch.var,
        es_95_garch=garch.es,
        exception_roll=value_at_risk.exceptions(logs, roll.var),
        exception_fhs=value_at_risk.exceptions(logs, fhs.var),
        exception_ewma=value_at_risk.exceptions(logs, ewma.var),
        exception_garch=value_at_risk.exceptions(logs, garch.var),
        known_returns_30=returns.known_counts(logs, spec.vol_window_days, with_own_day=True),
        known_returns_365=returns.known_counts(logs, days, with_own_day=False),
        worst_daily_loss=returns.worst_so_far(simple),
        z_trailing=trailing.z,
        z_full=z_full,
        median_365=trailing.median,
        mad_365=trailing.mad,
        is_anomaly=anomalies.is_anomaly(trailing.z, spec.z_threshold),
        is_anomaly_full=anomalies.is_anomaly(z_full, spec.z_threshold),
        garch_fits=fitted.fits,
    )


def backtests(risk: DailyRisk, as_of: int | None = None) -> dict[str, coverage.Coverage]:
    """Each method judged by all days up to one, the last by default.

    Parameters
    ----------
    as_of : index of the last day that is judged; appending days changes nothing as of an earlier one
    """
    end = len(risk) if as_of is None else as_of + 1
    days = slice(min(risk.first_judged, end), end)
    level = risk.spec.var_level
    return {
        method: coverage.coverage(risk.log_return[days], risk.var(method)[days], risk.es(method)[days], level)
        for method in METHODS
        if method != "garch" or risk.spec.garch_refit_days
    }


def lights(risk: DailyRisk, method: str) -> list[str]:
    """Traffic light of a method as of each day."""
    hits = value_at_risk.exceptions(risk.log_return, risk.var(method))
    hits[: risk.first_judged] = np.nan
    return coverage.lights(hits, risk.spec.var_level)
