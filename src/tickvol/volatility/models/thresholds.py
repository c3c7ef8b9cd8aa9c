"""Thresholds of CALM, WATCH and ALERT, chosen on validation rows only."""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.evaluation.metrics import precision_recall


class DecisionThresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Probabilities at or above which the signal is WATCH and ALERT; `watch < alert`."""

    watch: float
    alert: float


def choose_thresholds(
    probability: NDArray[np.float64], positive: NDArray[np.bool_], watch_share: float
) -> DecisionThresholds:
    """ALERT at the highest F1, WATCH between the prevalence and ALERT.

    ALERT is the probability with the highest F1 among those above the prevalence: at or below it an alarm is less
    informative than the base rate. Where none lies above it, ALERT is the highest probability. WATCH lies `watch_share`
    of the way, in log-odds, from the prevalence up to ALERT; where ALERT is not above it, from half of ALERT.

    Parameters
    ----------
    probability : (n,) calibrated. positive : (n,) bool, of both classes.
    """
    base = float(positive.mean())
    precision, recall, candidates = precision_recall(positive, probability)
    with np.errstate(invalid="ignore"):
        f1 = np.nan_to_num(2 * precision * recall / (precision + recall))
    above = candidates > base
    alert = float(candidates[above][np.argmax(f1[above])]) if above.any() else float(candidates[0])
    alert = min(max(alert, 1e-6), 1.0 - 1e-6)
    low = _log_odds(base if base < alert else alert / 2)
    watch_log_odds = low + watch_share * (_log_odds(alert) - low)
    return DecisionThresholds(watch=1.0 / (1.0 + math.exp(-watch_log_odds)), alert=alert)


def _log_odds(probability: float) -> float:
    return math.log(probability / (1.0 - probability))
