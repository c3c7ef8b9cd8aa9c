"""Metrics of a detector's probabilities against spikes. An undefined metric is None, never 0.

One rule for all: rows of a single class, no rows, or a probability that is not finite give None; so does a ratio whose
denominator is 0 (a precision without alarms).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CALIBRATION_BINS = 10
LOG_SCORE_CLIP = 1e-6
"""Probabilities are clipped this far from 0 and 1 for the log score: isotonic calibration gives both, and a single miss
would be infinite."""


def judgeable(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> bool:
    """True if both classes are present and all scores are finite."""
    return bool(positive.any() and not positive.all() and np.isfinite(scores).all())


def ratio(numerator: float, denominator: float) -> float | None:
    """Ratio of two numbers, None where the denominator is 0."""
    return float(numerator) / float(denominator) if denominator else None


def tie_ends(descending_scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Index of the last row of each group of equal scores; a threshold includes equal scores together.

    >>> tie_ends(np.array([0.9, 0.5, 0.5, 0.1])).tolist()
    [0, 2, 3]
    """
    return np.append(np.flatnonzero(np.diff(descending_scores)), len(descending_scores) - 1).astype(np.intp)


def precision_recall(
    positive: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and threshold at each distinct score, thresholds descending; all three (m,) float64.

    Precondition: `judgeable`.
    """
    order = np.argsort(-scores, kind="stable")
    ends = tie_ends(scores[order])
    hits = np.cumsum(positive[order])[ends]
    return hits / (ends + 1), hits / hits[-1], scores[order][ends]


def average_precision(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> float | None:
    """Area under the precision-recall curve, the sum over thresholds of (recall step) x precision, no interpolation.

    Parameters
    ----------
    positive : (n,) bool, True for a spike.
    scores : (n,) float64, higher is more likely; equal scores are grouped, so their order does not matter.

    Returns
    -------
    float | None
        Equal to `sklearn.metrics.average_precision_score`; its chance level is the prevalence.

    >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]))
    0.8333333333333333
    """
    if not judgeable(positive, scores):
        return None
    precision, recall, _ = precision_recall(positive, scores)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def stratified_precision(
    positive: NDArray[np.bool_], scores: NDArray[np.float64], strata: NDArray[np.int8]
) -> float | None:
    """Mean of `average_precision` over strata weighted by their spikes; strata with one class do not count.

    Detectors refitted for each fold do not share a scale, so rows of different folds are not compared (Forman and
    Scholz, 2010, on averaging over folds).
    """
    area, spikes = 0.0, 0
    for stratum in np.unique(strata):
        inside = strata == stratum
        own = average_precision(positive[inside], scores[inside])
        if own is not None:
            count = int(positive[inside].sum())
            area, spikes = area + own * count, spikes + count
    return area / spikes if spikes else None


def ranking(
    positive: NDArray[np.bool_], scores: NDArray[np.float64], strata: NDArray[np.int8] | None = None
) -> dict[str, float | int | None]:
    """PR-AUC with its context: prevalence, and skill = (PR-AUC - prevalence) / (1 - prevalence)."""
    rows = len(positive)
    prevalence = ratio(int(positive.sum()), rows)
    pr_auc = average_precision(positive, scores) if strata is None else stratified_precision(positive, scores, strata)
    skill = None if pr_auc is None or prevalence is None else ratio(pr_auc - prevalence, 1.0 - prevalence)
    return {
        "rows": rows,
        "positives": int(positive.sum()),
        "prevalence": prevalence,
        "pr_auc": pr_auc,
        "pr_auc_skill": skill,
    }


def confusion(positive: NDArray[np.bool_], alarmed: NDArray[np.bool_]) -> dict[str, int]:
    """Confusion matrix counts; an alarm is a score at or above the threshold."""
    return {
        "true_positives": int(np.sum(positive & alarmed)),
        "false_positives": int(np.sum(~positive & alarmed)),
        "false_negatives": int(np.sum(positive & ~alarmed)),
        "true_negatives": int(np.sum(~positive & ~alarmed)),
    }


def at_threshold(
    positive: NDArray[np.bool_], scores: NDArray[np.float64], threshold: float | NDArray[np.float64]
) -> dict[str, Any]:
    """Precision, recall and F1 of row-wise alarms, with their confusion matrix."""
    counts = confusion(positive, scores >= threshold)
    hits, false, missed = counts["true_positives"], counts["false_positives"], counts["false_negatives"]
    known = judgeable(positive, scores)
    return {
        "precision": ratio(hits, hits + false) if known else None,
        "recall": ratio(hits, hits + missed) if known else None,
        "f1": ratio(2 * hits, 2 * hits + false + missed) if known else None,
        "confusion_matrix": counts,
    }


def classification_report(
    positive: NDArray[np.bool_], scores: NDArray[np.float64], threshold: float | NDArray[np.float64]
) -> dict[str, Any]:
    """Precision, recall, F1 and support of both classes, their macro averages, and accuracy."""
    alarmed = scores >= threshold
    classes = {"calm": (~positive, ~alarmed), "spike": (positive, alarmed)}
    report: dict[str, Any] = {}
    for name, (truth, said) in classes.items():
        hits = int(np.sum(truth & said))
        report[name] = {
            "precision": ratio(hits, int(said.sum())),
            "recall": ratio(hits, int(truth.sum())),
            "f1": ratio(2 * hits, int(said.sum()) + int(truth.sum())),
            "support": int(truth.sum()),
        }
    report["macro_average"] = {
        key: _mean([report["calm"][key], report["spike"][key]]) for key in ("precision", "recall", "f1")
    }
    report["accuracy"] = ratio(int(np.sum(positive == alarmed)), len(positive))
    return report


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def calibration_bins(
    positive: NDArray[np.bool_], probability: NDArray[np.float64], bins: int = CALIBRATION_BINS
) -> list[dict[str, float | int]]:
    """Mean probability against share of spikes in bins of equal mass.

    Bin edges are the `1/bins, 2/bins, ...` quantiles of the probabilities themselves. Equal probabilities are never
    split, so a detector with few distinct values has fewer bins. Bins of equal width would put nearly all rows of a
    rare event into one.
    """
    if not judgeable(positive, probability):
        return []
    edges = np.unique(np.quantile(probability, np.arange(1, bins) / bins, method="inverted_cdf"))
    place = np.searchsorted(edges, probability, side="left")
    return [
        {
            "rows": int(np.sum(place == number)),
            "mean_probability": float(probability[place == number].mean()),
            "spike_share": float(positive[place == number].mean()),
        }
        for number in np.unique(place)
    ]


def calibration(positive: NDArray[np.bool_], probability: NDArray[np.float64]) -> dict[str, Any]:
    """Brier score, log score and calibration error of probabilities in [0, 1].

    `brier` is the mean of (probability - spike)^2, `log_score` the mean of -log of the probability given to what
    happened (natural logarithm, clipped by `LOG_SCORE_CLIP`), `calibration_error` the mean over rows of |mean
    probability - share of spikes| of the row's bin (`calibration_bins`). All three: lower is better.
    """
    bins = calibration_bins(positive, probability)
    if not bins:
        return {"brier": None, "log_score": None, "calibration_error": None, "bins": []}
    held = np.clip(probability, LOG_SCORE_CLIP, 1.0 - LOG_SCORE_CLIP)
    gaps = sum(part["rows"] * abs(part["mean_probability"] - part["spike_share"]) for part in bins)
    return {
        "brier": float(np.mean((probability - positive) ** 2)),
        "log_score": float(-np.mean(np.log(np.where(positive, held, 1.0 - held)))),
        "calibration_error": gaps / len(positive),
        "bins": bins,
    }
