"""Leak checks of one training run: the cheap ones alone, or together with those that retrain many times."""

from collections.abc import Sequence

from tickvol.volatility.leakcheck.duplicates import check_duplicates
from tickvol.volatility.leakcheck.pr_auc import check_pr_auc
from tickvol.volatility.leakcheck.result import CheckResult, Fit
from tickvol.volatility.leakcheck.rules import LeakRules
from tickvol.volatility.leakcheck.shuffled import check_shuffled_labels
from tickvol.volatility.leakcheck.split_overlap import check_split_overlap
from tickvol.volatility.leakcheck.time_shift import check_time_shift
from tickvol.volatility.leakcheck.train_only import check_train_only_fits
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.training import Prepared


def training_checks(prepared: Prepared, bundles: Sequence[Bundle], fit: Fit, rules: LeakRules) -> list[CheckResult]:
    """Checks of every training run: split overlap, train-only fits, duplicate rows, PR-AUC.

    Parameters
    ----------
    prepared : data that the bundles were trained on; for a walk-forward fold its own.
    fit : trains the named detector the way the bundles were trained.
    """
    return [
        check_split_overlap(prepared.table, prepared.split, prepared.label.horizon_s),
        check_train_only_fits(prepared, bundles, fit, rules.seed),
        check_duplicates(prepared, rules.duplicate_tolerance),
        check_pr_auc(prepared, bundles, rules),
    ]


def fold_checks(inner: Prepared, outer: Prepared, bundles: Sequence[Bundle], rules: LeakRules) -> list[CheckResult]:
    """Checks of every walk-forward fold: nothing of validation in train, nothing of test in either.

    Parameters
    ----------
    inner, outer : a fold's rows for its choices, and for its evaluation. bundles : fitted on outer train rows.
    """
    return [
        check_split_overlap(inner.table, inner.split, inner.label.horizon_s),
        check_split_overlap(outer.table, outer.split, outer.label.horizon_s),
        check_duplicates(outer, rules.duplicate_tolerance),
        check_pr_auc(outer, bundles, rules),
    ]


def control_checks(prepared: Prepared, bundles: Sequence[Bundle], fit: Fit, rules: LeakRules) -> list[CheckResult]:
    """Slower checks: shuffled labels and features shifted in time."""
    return [
        check_shuffled_labels(prepared, bundles, fit, rules),
        check_time_shift(prepared, bundles, rules),
    ]
