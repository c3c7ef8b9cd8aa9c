"""Check with shuffled labels: a detector must not gain skill from them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.evaluation.metrics import average_precision, judgeable
from tickvol.volatility.leakcheck.result import CheckResult, Fit
from tickvol.volatility.leakcheck.rules import LeakRules
from tickvol.volatility.leakcheck.train_only import noise_other_rows
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.training import Prepared

NAME = "shuffled_labels"


def check_shuffled_labels(prepared: Prepared, bundles: Sequence[Bundle], fit: Fit, rules: LeakRules) -> CheckResult:
    """Check that detectors which learn from labels have no test skill when trained on shuffled labels.

    Labels of train are permuted among the rows of train, those of validation among its own, `permutations` times.
    Skill is the PR-AUC of the margin on the true test labels minus the PR-AUC of the reversed margin. A detector that
    has learned nothing still orders rows in *some* direction, and as volatility clusters, a random direction has a
    PR-AUC well above or below the prevalence; but it is reversed as often as not, so this difference is 0 on average,
    whatever the inputs and however the test rows overlap. It counts when its mean is above `max_shuffled_skill` and
    more than `max_shuffled_t` standard errors above 0 (trees isolate a rare extreme sooner where a chance spike lies
    than where a chance calm row does, which leaves one or two hundredths).

    An order may also be built in (a monotone constraint, a forecast among the inputs). So where skill counts, each fit
    is repeated with all rows outside train and validation replaced by noise: the skill left then cannot stem from those
    rows, and only the rest is called a leak. Baselines are left out, as no label changes their order.
    """
    test = prepared.split.test
    learned = [bundle.name for bundle in bundles if not bundle.manifest.baseline]
    if not learned:
        return CheckResult(name=NAME, passed=None, reason="no detector learns its order from labels")
    if not judgeable(prepared.positive[test], np.zeros(int(test.sum()))):
        return CheckResult(name=NAME, passed=None, reason="the test split does not hold spikes and calm rows")
    figures = {name: _shuffled_skill(prepared, name, fit, rules) for name in learned}
    summary = ", ".join(f"{name} {of['mean']:+.3f} (t {of['t']:+.1f})" for name, of in figures.items())
    reason = f"skill left on test: {summary}; limits {rules.max_shuffled_skill:g} and t {rules.max_shuffled_t:g}"
    built_in = [name for name, of in figures.items() if _counts(of, rules) and not of["leak"]]
    reason += f"; built in, not learned from other rows: {', '.join(built_in)}" if built_in else ""
    clean = not any(of["leak"] for of in figures.values())
    return CheckResult(name=NAME, passed=clean, reason=reason, figures=figures)


def _shuffled_skill(prepared: Prepared, name: str, fit: Fit, rules: LeakRules) -> dict[str, Any]:
    """Mean skill over the permutations, its t-value, and `leak`: True if it stems from rows outside the fit."""
    dealt = [permute_labels(prepared, np.random.default_rng([rules.seed, k])) for k in range(rules.permutations)]
    skill = np.array([_signed_skill(prepared, fit(name, labels)) for labels in dealt])
    figures: dict[str, Any] = {"mean": float(skill.mean()), "t": _t_value(skill), "permutations": len(skill)}
    if not _counts(figures, rules):
        return figures | {"leak": False}
    fitted = prepared.split.train | prepared.split.validation
    alone = [noise_other_rows(labels, fitted, np.random.default_rng(rules.seed)) for labels in dealt]
    built_in = np.array([_signed_skill(prepared, fit(name, labels)) for labels in alone])
    rest = {"mean": float(np.mean(skill - built_in)), "t": _t_value(skill - built_in)}
    return figures | {"built_in": float(built_in.mean()), "leak": _counts(rest, rules)}


def _counts(skill: Mapping[str, Any], rules: LeakRules) -> bool:
    return bool(skill["mean"] > rules.max_shuffled_skill and skill["t"] > rules.max_shuffled_t)


def permute_labels(prepared: Prepared, random: np.random.Generator) -> Prepared:
    """Permute labels (with the futures that they are computed from) among the rows of train, and of validation."""
    order = np.arange(len(prepared.table))
    for rows in (prepared.split.train, prepared.split.validation):
        order[rows] = random.permutation(order[rows])
    sample = replace(prepared.sample, future=prepared.sample.future[order], positive=prepared.sample.positive[order])
    return replace(
        prepared, label_values=prepared.label_values[order], positive=prepared.positive[order], sample=sample
    )


def _signed_skill(prepared: Prepared, bundle: Bundle) -> float:
    """PR-AUC on the test rows minus the PR-AUC of the reversed order."""
    test = prepared.sample.take(prepared.split.test)
    margin = bundle.detector.margin(test.inputs(bundle.detector.inputs, prepared.table.spec))
    return (average_precision(test.positive, margin) or 0.0) - (average_precision(test.positive, -margin) or 0.0)


def _t_value(values: NDArray[np.float64]) -> float:
    """Mean in standard errors; 0 where all are 0, and very large where all are equal but not 0."""
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return float(np.mean(values)) / max(error, 1e-9)
