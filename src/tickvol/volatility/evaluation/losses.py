"""Brier score, log score and calibration error with intervals; the first two as gains over a reference forecaster."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.evaluation.bootstrap import percentile_interval, resample_sums
from tickvol.volatility.evaluation.judge import JudgedRows, JudgingRules, ScoredDetector
from tickvol.volatility.evaluation.lead import plain
from tickvol.volatility.evaluation.metrics import CALIBRATION_BINS, LOG_SCORE_CLIP, calibration


def loss_figures(
    rows: JudgedRows, detectors: Sequence[ScoredDetector], rules: JudgingRules, yardstick: str
) -> dict[str, dict[str, Any]]:
    """By detector: `brier_gain` and `log_score_gain` (the reference's loss minus its own: above 0 is better) and
    `calibration_error`, each with the middle 95% of the resamples.
    """
    losses = {one.name: _losses(rows.positive, one.probability) for one in detectors}
    resampled = resample_sums(
        rows.axis,
        rows.bar_end_ns,
        (_columns(rows, one, losses[yardstick] - losses[one.name]) for one in detectors),
        block_bars=rules.block_bars(rows.bar_ns),
        samples=rules.bootstrap_samples,
        seed=rules.seed,
    )
    found: dict[str, dict[str, Any]] = {}
    for one, sums in zip(detectors, resampled, strict=True):
        total = np.maximum(sums[:, 0], 1.0)
        gain = (losses[yardstick] - losses[one.name]).mean(axis=0)
        found[one.name] = {
            "brier_gain": {"value": float(gain[0]), **plain(percentile_interval(sums[:, 1] / total))},
            "log_score_gain": {"value": float(gain[1]), **plain(percentile_interval(sums[:, 2] / total))},
            "calibration_error": {
                "value": calibration(rows.positive, one.probability)["calibration_error"],
                **plain(percentile_interval(np.abs(sums[:, 3:]).sum(axis=1) / total)),
            },
        }
    return found


def _columns(rows: JudgedRows, detector: ScoredDetector, gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3 + bins): ones, gains in both losses, and the row's share of its calibration bin's error."""
    return np.column_stack([np.ones(len(rows)), gain, _binned(rows.positive, detector.probability)])


def _losses(positive: NDArray[np.bool_], probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2): squared error, and negative log of the probability given to what happened."""
    held = np.clip(probability, LOG_SCORE_CLIP, 1.0 - LOG_SCORE_CLIP)
    return np.column_stack([(probability - positive) ** 2, -np.log(np.where(positive, held, 1.0 - held))])


def _binned(positive: NDArray[np.bool_], probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, bins): probability minus spike in the column of the row's bin; bins as in `calibration_bins`."""
    quantiles = np.arange(1, CALIBRATION_BINS) / CALIBRATION_BINS
    edges = np.unique(np.quantile(probability, quantiles, method="inverted_cdf"))
    columns = np.zeros((len(positive), len(edges) + 1))
    columns[np.arange(len(positive)), np.searchsorted(edges, probability, side="left")] = probability - positive
    return columns
