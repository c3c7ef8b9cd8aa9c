"""Checks with features shifted in time: a row's features must not contain its future."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.evaluation.metrics import average_precision
from tickvol.volatility.labels.future import horizon_bars
from tickvol.volatility.leakcheck.foresight import Foresight, foresight
from tickvol.volatility.leakcheck.result import CheckResult
from tickvol.volatility.leakcheck.rules import LeakRules
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.training import Prepared
from tickvol.volatility.schema.feature_table import FeatureTable

NAME = "time_shift"

_LATER_STEPS = 4
"""Fractions of a horizon by which features are shifted later."""


def check_time_shift(prepared: Prepared, bundles: Sequence[Bundle], rules: LeakRules) -> CheckResult:
    """Check that no feature knows the time after its row, by three tests on the rows that detectors are given:

    1. *Foresight*: does a change of a feature correlate with one single future bar more than with those after it? A
       leak is a step above `max_foresight`, searched up to one horizon or half the longest window ahead.
    2. *The label itself*: does any single feature, or its reverse, order the labelled rows with a PR-AUC above
       `max_pr_auc`?
    3. *Alignment*: volatility of the reference window over the row's own reference predicts the label almost
       perfectly once it is shifted *later*, by a part of the horizon or all of it, because it then covers the
       label's own window. Where it predicts better unshifted, the rows were given their features too late already.

    The PR-AUC of each learned detector with its features shifted is also reported. It decides nothing, because what a
    detector has learned of other things than volatility fades in later rows too.
    """
    labelled = prepared.split.train | prepared.split.validation | prepared.split.test
    table, horizon = prepared.table, horizon_bars(prepared.table, prepared.label.horizon_s)
    reach = max(horizon, table.spec.bars(table.spec.longest_window_s) // 2 + 1)
    found, bars = foresight(table, prepared.sample.values, max_ahead_bars=reach, min_bars=rules.min_bars)
    telling = _telling_features(prepared, labelled, rules.max_pr_auc)
    aligned = _alignment(prepared, labelled, horizon)
    problems = [*_foresight_problems(found, rules.max_foresight), *_label_problems(telling), *_late_problems(aligned)]
    figures: dict[str, Any] = {
        "bars": bars,
        "foresight": {of.feature: {"bars_ahead": of.bars_ahead, "step": of.step} for of in found[:10]},
        "label_in_feature": telling,
        "alignment_by_shift_bars": {str(shift): value for shift, value in aligned.items()},
        "skill_by_shift_bars": _skill_by_shift(prepared, bundles, horizon),
    }
    if problems:
        return CheckResult(name=NAME, passed=False, reason="; ".join(problems), figures=figures)
    if not found:
        reason = f"no product has {rules.min_bars} bars with a known return"
        return CheckResult(name=NAME, passed=None, reason=reason, figures=figures)
    reason = f"{len(found)} features, the largest step ahead is {found[0].step:.2f} ({found[0].feature})"
    return CheckResult(name=NAME, passed=True, reason=reason, figures=figures)


def _foresight_problems(found: Sequence[Foresight], limit: float) -> list[str]:
    ahead = [of for of in found if of.step > limit]
    more = [f"so do {len(ahead) - 3} more features"] if len(ahead) > 3 else []
    return [
        f"{of.feature} knows the bar {of.bars_ahead} ahead ({of.product}, step {of.step:.2f}, limit {limit:g})"
        for of in ahead[:3]
    ] + more


def _label_problems(telling: Mapping[str, float]) -> list[str]:
    return [f"{name} alone orders the labels, PR-AUC {value:.3f}" for name, value in telling.items()]


def _late_problems(aligned: Mapping[int, float | None]) -> list[str]:
    now = aligned[0]
    later = [value for shift, value in aligned.items() if shift and value is not None]
    if now is None or not later or now < max(later):
        return []
    return [f"volatility tells the label better as it is (PR-AUC {now:.3f}) than moved later ({max(later):.3f})"]


def shifted_rows(table: FeatureTable, bars: int) -> NDArray[np.intp]:
    """(n,) index of the row of the same product `bars` later (earlier where negative); -1 without one."""
    found = np.full(len(table), -1, np.intp)
    wanted = table.bar_end_ns + bars * table.spec.bar_ns
    for number in range(len(table.products)):
        rows = np.flatnonzero(table.product == number)
        times = table.bar_end_ns[rows]
        at = np.minimum(np.searchsorted(times, wanted[rows]), max(len(rows) - 1, 0))
        there = times[at] == wanted[rows]
        found[rows[there]] = rows[at[there]]
    return found


def _telling_features(prepared: Prepared, known: NDArray[np.bool_], limit: float) -> dict[str, float]:
    telling = {}
    for name, column in zip(prepared.table.names, prepared.sample.values.T, strict=True):
        rows = known & np.isfinite(column)
        both = [average_precision(prepared.positive[rows], sign * column[rows]) or 0.0 for sign in (1.0, -1.0)]
        # Known for a few rows only, a feature orders them by chance.
        if max(both) > limit and 2 * int(rows.sum()) >= int(known.sum()):
            telling[name] = max(both)
    return telling


def _alignment(prepared: Prepared, known: NDArray[np.bool_], horizon: int) -> dict[int, float | None]:
    """PR-AUC of the reference window's volatility, shifted later by so many bars, over the row's reference."""
    table = prepared.table
    volatility = prepared.sample.values[:, table.names.index(f"realized_vol_{table.spec.reference_window_s}")]
    shifts = sorted({0, *(round(horizon * step / _LATER_STEPS) for step in range(1, _LATER_STEPS + 1))})
    places = {shift: shifted_rows(table, shift) for shift in shifts}
    reference = np.where(prepared.sample.reference > 0, prepared.sample.reference, np.nan)
    moved = {shift: np.where(at >= 0, volatility[at], np.nan) / reference for shift, at in places.items()}
    rows = known & np.isfinite(list(moved.values())).all(axis=0)
    return {shift: average_precision(prepared.positive[rows], score[rows]) for shift, score in moved.items()}


def _skill_by_shift(prepared: Prepared, bundles: Sequence[Bundle], horizon: int) -> dict[str, dict[str, float | None]]:
    lookback = prepared.table.spec.lookback_s * 1000 // prepared.table.spec.bar_ms
    shifts = (-(lookback + horizon), -horizon, 0, horizon)
    return {
        bundle.name: {str(shift): _skill(prepared, bundle, shift) for shift in shifts}
        for bundle in bundles
        if not bundle.manifest.baseline
    }


def _skill(prepared: Prepared, bundle: Bundle, shift: int) -> float | None:
    """PR-AUC on the test rows with features from `shift` bars later and the rows' own labels and references."""
    at = shifted_rows(prepared.table, shift)
    rows = prepared.split.test & (at >= 0)
    moved = replace(prepared.sample.take(rows), values=prepared.sample.values[at[rows]])
    margin = bundle.detector.margin(moved.inputs(bundle.detector.inputs, prepared.table.spec))
    return average_precision(moved.positive, margin)
