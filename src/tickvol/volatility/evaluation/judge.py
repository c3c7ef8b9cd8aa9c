"""Evaluation of all detectors on the same rows, against the best baseline, with intervals and verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import NotEnoughData, SuspectedLeak
from tickvol.core.times import DAY_S, NS_PER_S
from tickvol.volatility.evaluation.bootstrap import TimeAxis, resample_pr_auc, why_no_interval
from tickvol.volatility.evaluation.events import event_metrics, find_events
from tickvol.volatility.evaluation.lead import best_baseline, lead_figures, lead_interval, plain
from tickvol.volatility.evaluation.metrics import at_threshold, calibration, classification_report, ranking
from tickvol.volatility.evaluation.regimes import REGIMES


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingRules:
    """Rules of an evaluation.

    Attributes
    ----------
    horizon_s : seconds that a label looks ahead; events merge and alarms count within it.
    block_s : length of a bootstrap block, look-back plus horizon.
    alarm_cooldown_s : seconds after an alarm in which no other alarm fires.
    bootstrap_samples, seed : number of resamples and their random seed.
    min_blocks, min_events : minimum of each for an interval.
    max_pr_auc : above it a leak is suspected and the evaluation is refused.
    """

    horizon_s: int
    block_s: int
    alarm_cooldown_s: int
    bootstrap_samples: int
    min_blocks: int
    min_events: int
    max_pr_auc: float
    seed: int = 0

    def block_bars(self, bar_ns: int) -> int:
        """Number of bars in a block."""
        return self.block_s * NS_PER_S // bar_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRows:
    """The rows on which all detectors are evaluated, sorted by (product, bar_end_ns); all arrays (n,).

    Attributes
    ----------
    products, product : names, and int32 index into them.
    bar_end_ns : int64.
    positive : bool, the label.
    regime : int8, index into `REGIMES` or -1.
    bar_ns : length of a bar.
    axis : all bars of the evaluated span, with or without evaluated rows; bootstrap blocks are cut from it.
    fold : int8, fold of each row; PR-AUC is computed within each. None where there are no folds.
    """

    products: tuple[str, ...]
    product: NDArray[np.int32]
    bar_end_ns: NDArray[np.int64]
    positive: NDArray[np.bool_]
    regime: NDArray[np.int8]
    bar_ns: int
    axis: TimeAxis
    fold: NDArray[np.int8] | None = None

    def fold_of(self, rows: NDArray[np.bool_]) -> NDArray[np.int8] | None:
        """Folds of the rows selected by a mask."""
        return None if self.fold is None else self.fold[rows]

    def __len__(self) -> int:
        return len(self.bar_end_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredDetector:
    """Scores of a detector for the evaluated rows.

    Attributes
    ----------
    margin : (n,) float64, finite; ranks the rows. PR-AUC uses it, because calibration may tie margins that
        differ.
    probability : (n,) float64, finite, calibrated; used for everything else.
    threshold : probability at or above which an alarm fires; one, or one per row where folds have chosen their own.
    """

    name: str
    baseline: bool
    margin: NDArray[np.float64]
    probability: NDArray[np.float64]
    threshold: float | NDArray[np.float64]

    def threshold_of(self, rows: NDArray[np.bool_]) -> float | NDArray[np.float64]:
        """Thresholds of the rows selected by a mask."""
        return self.threshold if isinstance(self.threshold, float) else self.threshold[rows]


def judge(rows: JudgedRows, detectors: Sequence[ScoredDetector], rules: JudgingRules) -> dict[str, Any]:
    """Metrics, leads over the best baseline and verdicts of all detectors.

    Returns
    -------
    dict
        `sample`, `best_baseline` and `detectors` of `docs/evaluation.md`, plain JSON values.

    Raises
    ------
    NotEnoughData
        Without rows or detectors.
    SuspectedLeak
        When a detector is implausibly good; the message holds the metrics.
    """
    if len(rows) == 0 or not detectors:
        raise NotEnoughData(f"{len(rows)} rows, {len(detectors)} detectors: at least one of each is needed to judge")
    order = sorted(detectors, key=lambda detector: detector.name)
    overall = {detector.name: ranking(rows.positive, detector.margin, rows.fold) for detector in order}
    _refuse_leak(overall, rules)
    sample = _sample(rows, rules)
    pr_auc = {name: figures["pr_auc"] for name, figures in overall.items()}
    baselines = [detector.name for detector in order if detector.baseline]
    yardstick = best_baseline({name: pr_auc[name] for name in baselines})
    because = sample["no_interval_because"]
    everything = np.ones(len(rows), np.bool_)
    resampled = {} if because else _resample(rows, order, everything, rules)
    leads = _part_leads(rows, order, yardstick, rules, because)
    return {
        "sample": sample,
        "best_baseline": yardstick,
        "detectors": {
            detector.name: {
                "baseline": detector.baseline,
                "threshold": detector.threshold if isinstance(detector.threshold, float) else None,
                **overall[detector.name],
                **lead_figures(detector.name, pr_auc, yardstick, baselines, resampled, because),
                **_figures(rows, detector, rules, leads[detector.name]),
            }
            for detector in order
        },
    }


def _refuse_leak(overall: Mapping[str, Mapping[str, Any]], rules: JudgingRules) -> None:
    problems = [
        f"{name}: PR-AUC {figures['pr_auc']:.4f} at prevalence {figures['prevalence']:.4f} on {figures['rows']} rows"
        for name, figures in overall.items()
        if figures["pr_auc"] is not None and figures["pr_auc"] > rules.max_pr_auc
    ]
    if problems:
        raise SuspectedLeak(
            f"{'; '.join(problems)}: above evaluation.max_pr_auc ({rules.max_pr_auc}): a leak of the future is "
            "suspected and no report is written; look for features that know the label"
        )


def _sample(rows: JudgedRows, rules: JudgingRules) -> dict[str, Any]:
    events = len(find_events(rows.product, rows.bar_end_ns, rows.positive, rules.horizon_s * NS_PER_S))
    block_bars = rules.block_bars(rows.bar_ns)
    blocks = rows.axis.blocks(block_bars)
    return {
        "rows": len(rows),
        "positives": int(rows.positive.sum()),
        "events": events,
        "runs": len(rows.axis.run_start),
        "blocks": blocks,
        "block_s": rules.block_s,
        "no_interval_because": why_no_interval(
            blocks, events, min_blocks=rules.min_blocks, min_events=rules.min_events
        ),
    }


def _resample(
    rows: JudgedRows, detectors: Sequence[ScoredDetector], part: NDArray[np.bool_], rules: JudgingRules
) -> dict[str, NDArray[np.float64]]:
    """(samples,) PR-AUC of each detector on a subset of the rows; the resamples are the same for every subset."""
    found = resample_pr_auc(
        rows.axis,
        rows.bar_end_ns[part],
        rows.positive[part],
        np.vstack([detector.margin[part] for detector in detectors]),
        block_bars=rules.block_bars(rows.bar_ns),
        samples=rules.bootstrap_samples,
        seed=rules.seed,
        strata=rows.fold_of(part),
    )
    return {detector.name: values for detector, values in zip(detectors, found, strict=True)}


def _products(rows: JudgedRows) -> dict[str, NDArray[np.bool_]]:
    masks = {name: rows.product == number for number, name in enumerate(rows.products)}
    return {name: mask for name, mask in masks.items() if mask.any()}


def _regimes(rows: JudgedRows) -> dict[str, NDArray[np.bool_]]:
    masks = {name: rows.regime == number for number, name in enumerate(REGIMES)}
    return {name: mask for name, mask in masks.items() if mask.any()}


def _part_leads(
    rows: JudgedRows,
    detectors: Sequence[ScoredDetector],
    yardstick: str | None,
    rules: JudgingRules,
    because: str | None,
) -> dict[str, dict[str, Any]]:
    """Intervals of the lead by detector and part (product or regime), over the best baseline of all rows."""
    found: dict[str, dict[str, Any]] = {detector.name: {} for detector in detectors}
    for part, mask in (_products(rows) | _regimes(rows)).items():
        resampled = {} if because else _resample(rows, detectors, mask, rules)
        for name, leads in found.items():
            leads[part] = plain(lead_interval(name, yardstick, resampled, because))
    return found


def _figures(
    rows: JudgedRows, detector: ScoredDetector, rules: JudgingRules, leads: Mapping[str, Any]
) -> dict[str, Any]:
    everything = np.ones(len(rows), np.bool_)
    day = rows.bar_end_ns // (DAY_S * NS_PER_S)
    days = {str(np.datetime64(int(number), "D")): day == number for number in np.unique(day)}

    def part(mask: NDArray[np.bool_], name: str | None = None) -> dict[str, Any]:
        lead = {} if name is None else {"lead_interval": leads[name]}
        return _part(rows, detector, mask, bins=False) | lead

    return {
        **_part(rows, detector, everything),
        "classification_report": classification_report(rows.positive, detector.probability, detector.threshold),
        "events": _events(rows, detector, everything, rules),
        "by_product": {
            name: part(mask, name) | {"events": _events(rows, detector, mask, rules)}
            for name, mask in _products(rows).items()
        },
        "by_day": {name: part(mask) | {"events": _events(rows, detector, mask, rules)} for name, mask in days.items()},
        "by_regime": {name: part(mask, name) for name, mask in _regimes(rows).items()},
    }


def _part(rows: JudgedRows, detector: ScoredDetector, mask: NDArray[np.bool_], *, bins: bool = True) -> dict[str, Any]:
    positive, probability = rows.positive[mask], detector.probability[mask]
    calibrated = calibration(positive, probability)
    found = calibrated.pop("bins")
    figures = ranking(positive, detector.margin[mask], rows.fold_of(mask))
    figures |= at_threshold(positive, probability, detector.threshold_of(mask))
    return figures | calibrated | ({"calibration_bins": found} if bins else {})


def _events(rows: JudgedRows, detector: ScoredDetector, mask: NDArray[np.bool_], rules: JudgingRules) -> dict[str, Any]:
    return event_metrics(
        rows.product[mask],
        rows.bar_end_ns[mask],
        rows.positive[mask],
        detector.probability[mask] >= detector.threshold_of(mask),
        bar_ns=rows.bar_ns,
        horizon_ns=rules.horizon_s * NS_PER_S,
        cooldown_ns=rules.alarm_cooldown_s * NS_PER_S,
    )
