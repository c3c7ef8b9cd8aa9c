"""Performance before the labels are known, estimated from calibrated probabilities alone (CBPE).

If probabilities are calibrated, a row of probability p is a spike with probability p, so the expected confusion matrix
is: true positives = sum of p over the alarms, false positives = sum of (1 - p) over them, false negatives = sum of p
over the rest. Metrics derived from it (precision, recall, F1, PR-AUC, Brier) are estimates: ratios of expectations.
They hold as far as the calibration does, whatever the features do; where the relation between features and label has
changed, the probabilities are wrong and so are the estimates, and only the comparison with the outcomes shows it.

Source: confidence-based performance estimation, NannyML documentation, "How it works: performance estimation".
"""

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.evaluation.bootstrap import weighted_average_precision
from tickvol.volatility.evaluation.metrics import ratio


def expected_performance(probability: NDArray[np.float64], alarmed: NDArray[np.bool_]) -> dict[str, float | int | None]:
    """Expected metrics of alarms, from calibrated probabilities.

    Parameters
    ----------
    probability : (n,) float64 in [0, 1], calibrated.
    alarmed : (n,) bool, True if the row's signal is an alarm.

    Returns
    -------
    dict
        `rows`, `true_positives`, `false_positives`, `false_negatives`, `true_negatives` (expected counts),
        `prevalence`, `precision`, `recall`, `f1`, `brier`, `pr_auc`; None where a ratio is undefined.

    >>> found = expected_performance(np.array([0.5, 0.25, 0.25]), np.array([True, False, False]))
    >>> found["precision"], found["recall"], found["prevalence"]
    (0.5, 0.5, 0.3333333333333333)
    """
    rows, spikes = len(probability), float(probability.sum())
    hits = float(probability[alarmed].sum())
    false = float(np.sum(1.0 - probability[alarmed]))
    missed = float(probability[~alarmed].sum())
    return {
        "rows": rows,
        "true_positives": hits,
        "false_positives": false,
        "false_negatives": missed,
        "true_negatives": float(np.sum(1.0 - probability[~alarmed])),
        "prevalence": ratio(spikes, rows),
        "precision": ratio(hits, hits + false),
        "recall": ratio(hits, spikes),
        "f1": ratio(2 * hits, 2 * hits + false + missed),
        "brier": ratio(float(np.sum(probability * (1.0 - probability))), rows),
        "pr_auc": expected_average_precision(probability),
    }


def expected_average_precision(probability: NDArray[np.float64]) -> float | None:
    """Average precision when each row is a spike with its own probability, which is also its score.

    >>> round(expected_average_precision(np.array([1.0, 0.5, 0.0])), 4)
    0.9167
    """
    if len(probability) == 0:
        return None
    once = np.ones((1, len(probability)), np.int32)
    (area,) = weighted_average_precision(probability, probability, once)
    return float(area) if np.isfinite(area) else None
