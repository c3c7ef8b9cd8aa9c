"""Thresholds of the promotion gates."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRules:
    """Limits of the gates.

    Attributes
    ----------
    champion_tolerance : how far below 0 the lower bound of the lead over the champion may lie, PR-AUC.
    regime_tolerance : how far a regime's PR-AUC may be below the champion's.
    min_regimes : volatility regimes in which both must have a defined PR-AUC.
    calibration_tolerance : how far the calibration error may be above the champion's.
    max_pr_auc : above it a leak is suspected.
    max_p99_us : microseconds for one row, 99% quantile.
    min_days : distinct UTC days among the evaluated rows.
    """

    champion_tolerance: float
    regime_tolerance: float
    min_regimes: int
    calibration_tolerance: float
    max_pr_auc: float
    max_p99_us: float
    min_days: int
