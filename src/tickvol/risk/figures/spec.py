"""Windows, levels and thresholds that decide the figures."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class RiskSpec:
    """Parameters of the figures of one product.

    Parameters
    ----------
    vol_window_days : days of a volatility, its own day included
    year_days : days by which a daily volatility is annualised
    min_known_share : share of a window's returns that must be known, in (0, 1]
    var_level : probability of a return below the VaR
    var_window_days : days of a VaR's window, which ends the day before
    ewma_lambda : decay of the EWMA variance per known return
    ewma_start_days : known returns whose mean square starts the EWMA variance
    garch_refit_days : days between two fits; 0: no GARCH figures
    garch_starts : starting points of each fit
    z_window_days : days of the window of the trailing robust z, which ends the day before
    z_threshold : |z| above which a return is an anomaly
    correlation_window_days : common days of a rolling correlation, its own day included
    """

    vol_window_days: int
    year_days: int
    min_known_share: float
    var_level: float
    var_window_days: int
    ewma_lambda: float
    ewma_start_days: int
    garch_refit_days: int
    garch_starts: int
    z_window_days: int
    z_threshold: float
    correlation_window_days: int

    def min_known(self, window_days: int) -> int:
        """Fewest known returns with which a window counts: `ceil(min_known_share * window_days)`."""
        return min_known(window_days, self.min_known_share)


def min_known(window_days: int, share: float) -> int:
    """Fewest known returns of a window.

    A product that misses an integer by rounding only is that integer.

    >>> min_known(30, 0.9), min_known(365, 0.9), min_known(100, 0.07)
    (27, 329, 7)
    """
    return math.ceil(share * window_days - 1e-9)
