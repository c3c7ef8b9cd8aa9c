"""Study document of candidates over folds: the evaluation and robustness checks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.times import DAY_S, NS_PER_S, iso
from tickvol.volatility.evaluation.bootstrap import percentile_interval, resample_pr_auc
from tickvol.volatility.evaluation.conformal import coverage_figures
from tickvol.volatility.evaluation.judge import JudgedRows, JudgingRules, ScoredDetector, judge
from tickvol.volatility.evaluation.lead import plain
from tickvol.volatility.evaluation.losses import loss_figures
from tickvol.volatility.evaluation.metrics import average_precision, ranking
from tickvol.volatility.evaluation.operating import operating_points
from tickvol.volatility.evaluation.power import days_to_settle, deflated_lead
from tickvol.volatility.models.calibration import Calibrator
from tickvol.volatility.models.candidates import FitRows, fit_detector, refit_detector
from tickvol.volatility.models.input_groups import GROUPS
from tickvol.volatility.models.training import margins
from tickvol.volatility.models.training_spec import TrainingSpec
from tickvol.volatility.models.walk_forward import SELECTED, FoldResult, fold_days, pool
from tickvol.volatility.schema.feature_table import table_fingerprint

REFERENCE_FORECASTER = "har"
"""Reference forecaster for gains in Brier and log score, whichever baseline ranks best."""

LEARNERS = (REFERENCE_FORECASTER, "seasonal_har", "forecast", "xgboost")
_SHARES = (0.125, 0.25, 0.5, 1.0)


def study_document(
    source: str,
    results: Sequence[FoldResult],
    rules: JudgingRules,
    training: TrainingSpec,
    *,
    trials: int,
    false_alarms_per_hour: Sequence[float],
    conformal: tuple[float, float],
) -> tuple[dict[str, Any], JudgedRows, tuple[ScoredDetector, ...]]:
    """The document of one source and horizon, with the rows and scores behind it, for figures.

    Parameters
    ----------
    source : `ticks` or `candles`.
    trials : number of training runs compared so far on these rows, from the ledger; the best result is deflated by it.
    conformal : level and step.

    Raises
    ------
    SuspectedLeak
        As `judge`.
    """
    rows, scored = pool(results)
    judgement = judge(rows, scored, rules)
    losses = loss_figures(rows, scored, rules, REFERENCE_FORECASTER)
    days = len(np.unique(rows.bar_end_ns)) * rows.bar_ns / (DAY_S * NS_PER_S)
    for one in scored:
        figures = judgement["detectors"][one.name]
        figures |= losses[one.name]
        figures["operating_points"] = operating_points(rows, one, rules, false_alarms_per_hour)
        figures["lead_after_trials"] = _after_trials(figures, trials)
    if judgement["best_baseline"] is not None:
        _add_days(judgement, rows, scored, rules, days)
    table = results[0].outer.table
    return (
        {
            "source": source,
            "products": list(table.products),
            "simulated": table.simulated,
            "label": msgspec.to_builtins(results[0].outer.label),
            "features": {"fingerprint": table_fingerprint(table), "spec_fingerprint": table.spec.fingerprint()},
            "rules": asdict(rules),
            "days": days,
            "folds": [_fold(result) for result in results],
            "conformal": _conformal(results, conformal, rules.horizon_s),
            "learning_curve": learning_curve(results[-1], training),
            "ablation": ablation(results, rows, rules, training),
            **judgement,
        },
        rows,
        scored,
    )


def _after_trials(figures: Mapping[str, Any], trials: int) -> dict[str, Any] | None:
    interval, lead = figures["lead_interval"], figures["lead"]
    if interval["low"] is None or lead is None:
        return None
    return deflated_lead(lead, interval["low"], interval["high"], trials)


def _add_days(
    judgement: Mapping[str, Any], rows: JudgedRows, scored: Sequence[ScoredDetector], rules: JudgingRules, days: float
) -> None:
    """Add to the selected candidate the number of test days that would confirm its lead.

    It uses the spread over resamples, even where there are too few blocks for an interval; it is marked rough then.
    """
    named = {one.name: one for one in scored}
    pair = np.vstack([named[name].margin for name in (SELECTED, judgement["best_baseline"])])
    resampled = _resampled(rows, pair, rules)
    spread = percentile_interval(resampled[0] - resampled[1])
    figures = judgement["detectors"][SELECTED]
    settled = None
    if spread.low is not None and spread.high is not None and figures["lead"] is not None:
        settled = days_to_settle(figures["lead"], spread.low, spread.high, days)
    figures["days_to_settle"] = {
        "days": settled,
        "rough": judgement["sample"]["no_interval_because"] is not None,
    }


def _resampled(rows: JudgedRows, scores: NDArray[np.float64], rules: JudgingRules) -> NDArray[np.float64]:
    return resample_pr_auc(
        rows.axis,
        rows.bar_end_ns,
        rows.positive,
        scores,
        block_bars=rules.block_bars(rows.bar_ns),
        samples=rules.bootstrap_samples,
        seed=rules.seed,
        strata=rows.fold,
    )


def _fold(result: FoldResult) -> dict[str, Any]:
    split, table = result.outer.split, result.outer.table
    times = table.bar_end_ns[split.test]
    thresholds = result.outer.thresholds
    return {
        "number": result.fold.number,
        "train_days": fold_days(result),
        "train_rows": int(split.train.sum()),
        "train_until": iso(split.train_end_ns),
        "purged": split.purged,
        "test_from": iso(int(times.min())),
        "test_to": iso(int(times.max())),
        "test_rows": int(split.test.sum()),
        "test_spikes": int(result.outer.positive[split.test].sum()),
        "spike_from": thresholds.common if thresholds.common is not None else dict(thresholds.by_product),
        "selected": result.selected,
        "calibration": {name: bundle.manifest.calibration.kind for name, bundle in result.bundles.items()},
        "bundle_hash": {name: bundle.version for name, bundle in result.bundles.items()},
        "validation_pr_auc": {
            name: one.manifest.metrics["validation"]["pr_auc"] for name, one in result.bundles.items()
        },
        "test_pr_auc": {name: one.manifest.metrics["test"]["pr_auc"] for name, one in result.bundles.items()},
    }


def _conformal(results: Sequence[FoldResult], rule: tuple[float, float], horizon_s: int) -> list[dict[str, Any]]:
    """Conformal coverage of each fold's selected detector; held-out validation spikes set the test rows' threshold."""
    found = []
    for result in results:
        bundle, test = result.bundles[result.selected], result.outer.split.test
        figures = coverage_figures(
            result.spike_log_odds[result.selected],
            Calibrator(bundle.manifest.calibration).log_odds(margins(bundle.detector, result.outer, test)),
            result.outer.positive[test],
            result.outer.table.bar_end_ns[test],
            alpha=rule[0],
            step=rule[1],
            horizon_ns=horizon_s * NS_PER_S,
        )
        found.append({"fold": result.fold.number, "detector": result.selected, **figures})
    return found


def learning_curve(result: FoldResult, training: TrainingSpec) -> list[dict[str, Any]]:
    """PR-AUC on the last fold's test rows of detectors fitted on its latest train rows, an eighth of them up to all."""
    outer, split = result.outer, result.outer.split
    positive = outer.positive[split.test]
    train = np.flatnonzero(split.train)
    order = train[np.argsort(outer.table.bar_end_ns[train], kind="stable")]
    curve = []
    for share in _SHARES:
        chosen = np.zeros(len(split.train), np.bool_)
        chosen[order[len(order) - round(len(order) * share) :]] = True
        sample = outer.sample.take(chosen)
        bars = len(np.unique(outer.table.bar_end_ns[chosen]))
        point: dict[str, Any] = {"days": bars * outer.table.spec.bar_ns / (DAY_S * NS_PER_S), "pr_auc": {}}
        for name in LEARNERS:
            if name in result.bundles and sample.positive.any() and not sample.positive.all():
                detector = refit_detector(result.bundles[name].detector, name, sample, outer.table.spec, training)
                point["pr_auc"][name] = average_precision(positive, margins(detector, outer, split.test))
        curve.append(point)
    return curve


def ablation(
    results: Sequence[FoldResult], rows: JudgedRows, rules: JudgingRules, training: TrainingSpec
) -> dict[str, dict[str, Any]]:
    """Loss of the forecast's PR-AUC without each group of inputs: value and the middle 95% of the resamples."""
    groups: list[tuple[str, ...]] = [(), *((name,) for name in GROUPS)]
    order = np.lexsort(
        (
            np.concatenate([result.outer.table.bar_end_ns[result.outer.split.test] for result in results]),
            np.concatenate([result.outer.table.product[result.outer.split.test] for result in results]),
        )
    )
    scores = np.vstack([_forecast_without(results, group, training)[order] for group in groups])
    resampled = _resampled(rows, scores, rules)
    values = [ranking(rows.positive, one, rows.fold)["pr_auc"] or 0.0 for one in scores]
    return {
        group[0]: {
            "pr_auc_without": values[number],
            "loss": values[0] - values[number],
            **plain(percentile_interval(resampled[0] - resampled[number])),
        }
        for number, group in enumerate(groups)
        if group
    }


def _forecast_without(
    results: Sequence[FoldResult], group: tuple[str, ...], training: TrainingSpec
) -> NDArray[np.float64]:
    """Margins of the test rows of all folds, fold by fold."""
    fewer = msgspec.structs.replace(training, leave_out=(*training.leave_out, *group))
    found = []
    for result in results:
        outer = result.outer
        train = FitRows(outer.sample.take(outer.split.train), None)
        found.append(margins(fit_detector("forecast", train, outer.table.spec, fewer), outer, outer.split.test))
    return np.concatenate(found)


def candidates_of(document: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Detectors of a study: the selected one first, then by descending PR-AUC."""
    named = sorted(document["detectors"].items(), key=lambda item: (-(item[1]["pr_auc"] or 0.0), item[0]))
    return sorted(named, key=lambda item: item[0] != SELECTED)
