"""From a probability to CALM, WATCH or ALERT; both thresholds are chosen on validation rows only."""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.evaluation.metrics import precision_recall


class DecisionThresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Probability from which the signal is WATCH, and from which ALERT; `watch < alert`."""

    watch: float
    alert: float


def choose_thresholds(
    probability: NDArray[np.float64], positive: NDArray[np.bool_], watch_share: float
) -> DecisionThresholds:
    """ALERT where F1 is highest, WATCH between the share of spikes and ALERT.

    ALERT is the probability with the highest F1 among those above the share of spikes: at or below it an alarm says
    less than "as always". Where none lies above it, ALERT is the highest probability. WATCH lies `watch_share` of the
    way, in log-odds, from the share of spikes up to ALERT; where ALERT is not above that share, from half of ALERT.

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
