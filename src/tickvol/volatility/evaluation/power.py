"""Significance of a lead: deflation by the number of trials, and days of data needed to confirm it."""

import math
from statistics import NormalDist
from typing import Any

_NORMAL = NormalDist()
_EULER = 0.5772156649015329
_WIDTH = 2 * _NORMAL.inv_cdf(0.975)


def standard_error(low: float, high: float) -> float:
    """Standard error of a normal quantity from its 95% interval."""
    return (high - low) / _WIDTH


def deflated_lead(lead: float, low: float, high: float, trials: int) -> dict[str, Any]:
    """A lead minus the lead that the best of so many trials without skill would show by luck.

    The expected highest of N independent standard normal values is about
    (1 - g) z(1 - 1/N) + g z(1 - 1/(N e)), g being Euler's constant (Bailey and Lopez de Prado, 2014). Trials on the
    same rows are correlated, so this deflates more than necessary.

    >>> round(deflated_lead(0.05, 0.03, 0.07, 100)["luck"], 4)
    0.0258
    """
    error = standard_error(low, high)
    expected = 0.0
    if trials > 1:
        expected = (1 - _EULER) * _NORMAL.inv_cdf(1 - 1 / trials) + _EULER * _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    luck = expected * error
    survives = _NORMAL.cdf((lead - luck) / error) if error > 0 else None
    return {"trials": trials, "luck": luck, "lead": lead - luck, "probability_above_zero": survives}


def days_to_settle(lead: float, low: float, high: float, days: float, power: float = 0.8) -> float | None:
    """Days of test rows after which a true lead of this size has its 95% interval above 0 with probability `power`.

    The standard error falls with the square root of the days. None for a lead of 0 or less, which no number of days
    can confirm.

    >>> round(days_to_settle(0.05, -0.05, 0.15, 10), 1)
    81.7
    """
    if lead <= 0:
        return None
    wanted = lead / (_NORMAL.inv_cdf(0.975) + _NORMAL.inv_cdf(power))
    return float(days * (standard_error(low, high) / wanted) ** 2)
