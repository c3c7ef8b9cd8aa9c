"""Every leak is caught by the check that is there for it and by no other one; the clean pipeline raises no alarm."""

from dataclasses import replace

import numpy as np
import pytest

from tests.volatility.leakcheck import planted
from tickvol.core.errors import SuspectedLeak
from tickvol.volatility.leakcheck.duplicates import check_duplicates
from tickvol.volatility.leakcheck.pr_auc import check_pr_auc
from tickvol.volatility.leakcheck.result import CheckResult, Fit, require_clean
from tickvol.volatility.leakcheck.shuffled import check_shuffled_labels, permute_labels
from tickvol.volatility.leakcheck.split_overlap import check_split_overlap
from tickvol.volatility.leakcheck.time_shift import check_time_shift
from tickvol.volatility.leakcheck.train_only import check_train_only_fits, noise_other_rows
from tickvol.volatility.models.training import prepare
from tickvol.volatility.schema.label_spec import LabelKind, LabelSpec


@pytest.mark.parametrize(
    ("kind", "names"),
    [(LabelKind.RELATIVE, ("window_ratio", "har", "logistic")), (LabelKind.ABSOLUTE, ("ewma", "xgboost"))],
)
def test_the_clean_pipeline_raises_no_alarm(kind: LabelKind, names: tuple[str, ...]) -> None:
    found = planted.results(planted.clean(kind), names=names, rules=planted.LeakRules(permutations=6))
    assert {name: check.verdict for name, check in found.items()} == dict.fromkeys(found, "ok")
    assert list(found) == [
        "split_overlap",
        "train_only_fits",
        "duplicate_rows",
        "pr_auc",
        "shuffled_labels",
        "time_shift",
    ]


def test_no_skill_of_the_clean_pipeline_is_left_to_explain_when_labels_are_shuffled() -> None:
    prepared = planted.clean()
    dealt = permute_labels(prepared, np.random.default_rng(1))
    for part, rows in prepared.split.parts().items():
        assert (part == "test") == np.array_equal(dealt.positive[rows], prepared.positive[rows])
        assert (part == "test") == np.array_equal(dealt.sample.future[rows], prepared.sample.future[rows])
        assert dealt.positive[rows].sum() == prepared.positive[rows].sum()
    check = check_shuffled_labels(prepared, [planted.honest("logistic", prepared)], planted.honest, planted.RULES)
    assert "built_in" not in check.figures["logistic"]


def test_a_split_without_purge_is_caught() -> None:
    assert planted.alarms(planted.unpurged()) == {"split_overlap"}


def test_a_label_threshold_fitted_on_all_rows_is_caught() -> None:
    assert planted.alarms(planted.thresholds_of_all_rows(LabelKind.RELATIVE)) == {"train_only_fits"}


def test_a_label_threshold_of_a_product_fitted_on_all_rows_is_caught() -> None:
    check = check_train_only_fits(planted.thresholds_of_all_rows(LabelKind.ABSOLUTE), [], planted.honest, 7)
    assert check.reason.startswith("the labels: spike threshold")


def test_weights_fitted_on_validation_too_are_caught() -> None:
    found = planted.alarms(planted.clean(), planted.fitted_on("train", "validation"))
    assert found == {"train_only_fits"}


@pytest.mark.parametrize(
    ("fit", "number"),
    [
        (planted.scale_of_all_rows, "estimator.scale[0]"),
        (planted.regimes_of_all_rows, "regime_boundaries[0]"),
        (planted.calibrated_on_test, "calibration.slope"),
    ],
)
def test_a_number_fitted_on_rows_that_are_not_its_own_is_caught_and_named(fit: Fit, number: str) -> None:
    prepared = planted.clean()
    check = check_train_only_fits(prepared, [fit("logistic", prepared)], fit, 7)
    assert check.passed is False
    assert check.reason.startswith(f"logistic: {number} depends on rows outside train and validation")


@pytest.mark.parametrize("name", ["logistic", pytest.param("xgboost", marks=pytest.mark.slow)])
def test_a_detector_that_was_fitted_on_test_rows_too_keeps_its_skill_when_labels_are_shuffled(name: str) -> None:
    found = planted.alarms(planted.clean(), planted.fitted_on("train", "test"), names=(name,))
    assert found == {"train_only_fits", "shuffled_labels"}


def test_an_order_that_is_built_in_is_no_leak() -> None:
    found = planted.results(planted.clean(), planted.order_built_in, names=("monotone",))["shuffled_labels"]
    assert found.passed
    assert found.figures["monotone"]["t"] > planted.RULES.max_shuffled_t
    assert "built in, not learned from other rows: monotone" in found.reason


def test_a_label_copied_into_a_feature_that_nobody_uses_is_caught_by_the_time_shift() -> None:
    prepared = planted.clean()
    leaking = planted.with_feature(prepared, "time_of_day_sin", prepared.positive.astype(float))
    found = planted.results(leaking)
    assert planted.leaking(found) == {"time_shift"}
    assert found["time_shift"].reason == "time_of_day_sin alone orders the labels, PR-AUC 1.000"


def test_a_label_copied_into_an_input_is_caught_by_the_pr_auc_too() -> None:
    prepared = planted.clean()
    leaking = planted.with_feature(prepared, "jump_share_60", prepared.positive.astype(float))
    assert planted.alarms(leaking) == {"time_shift", "pr_auc"}


@pytest.mark.parametrize("bars", [1, 60])
def test_rows_with_the_features_of_later_ones_are_caught(bars: int) -> None:
    leaking = prepare(planted.features_later(planted.market(), bars), LabelSpec(), planted.TRAINING)
    found = planted.results(leaking)
    assert "time_shift" in planted.leaking(found) <= {"time_shift", "pr_auc"}
    assert f"knows the bar {bars} ahead" in found["time_shift"].reason
    # By the whole horizon the volatility tells all that it ever can; by one bar it still tells more when moved later.
    assert ("than moved later" in found["time_shift"].reason) == (bars == 60)


@pytest.mark.parametrize(("feature", "bars"), [("realized_vol_10", 10), ("range_900", 900)])
def test_a_centred_window_in_the_rows_is_caught_with_its_reach(feature: str, bars: int) -> None:
    column = planted.centred_vol(planted.market(), bars)
    leaking = planted.with_feature(planted.clean(), feature, column)
    found = planted.results(leaking)
    assert planted.leaking(found) == {"time_shift"}
    assert found["time_shift"].reason.startswith(f"{feature} knows the bar {bars // 2 - 1} ahead")


def test_train_rows_again_in_test_are_caught() -> None:
    assert planted.alarms(planted.train_rows_in_test(planted.clean())) == {"duplicate_rows"}


@pytest.mark.parametrize(("apart", "same"), [(1e-13, True), (1e-9, False)])
def test_rows_are_the_same_within_the_tolerance_and_no_further(apart: float, same: bool) -> None:
    check = check_duplicates(planted.train_rows_in_test(planted.clean(), apart=apart), 1e-12)
    assert check.passed is not same
    assert check.figures["pairs"] == (40 if same else 0)


def test_a_key_that_is_there_twice_is_caught() -> None:
    prepared = planted.clean()
    times = prepared.table.bar_end_ns.copy()
    times[100] = times[101]
    check = check_duplicates(replace(prepared, table=replace(prepared.table, bar_end_ns=times)), 1e-12)
    assert check.reason == "1 keys (product, bar_end_ns) are in the table twice"


def test_a_row_in_two_splits_is_caught_by_its_time_and_as_a_duplicate() -> None:
    prepared = planted.clean()
    validation = prepared.split.validation.copy()
    validation[np.flatnonzero(prepared.split.train)[0]] = True
    shared = replace(prepared, split=replace(prepared.split, validation=validation))
    assert check_duplicates(shared, 1e-12).reason == "1 rows are in two splits"
    assert check_split_overlap(shared.table, shared.split, 60).passed is False


def test_a_market_that_stands_still_repeats_itself_without_being_called_a_duplicate() -> None:
    prepared = planted.clean()
    values = prepared.table.values.copy()
    values[:] = values[0]
    values[:, prepared.table.names.index("realized_vol_900")] = 0.0
    assert check_duplicates(planted.with_values(prepared, values), 1e-12).passed


def test_a_pr_auc_of_nearly_1_is_caught() -> None:
    assert planted.alarms(planted.clean(), planted.too_good) == {"pr_auc"}


def test_test_rows_before_train_rows_are_a_leak_however_far_apart() -> None:
    split = planted.clean().split
    check = check_split_overlap(planted.market(), replace(split, train=split.test, test=split.train), 60)
    assert check.reason == "test rows lie before rows of train or validation: what is fitted later knows them"


def test_splits_may_touch_and_no_more() -> None:
    table, split = planted.market(), planted.clean().split
    length_ns = (table.spec.lookback_s + 60) * 10**9
    for gap_ns, passed in ((length_ns, True), (length_ns - table.spec.bar_ns, False)):
        first = table.bar_end_ns[table.product == 1].min()  # other products count too
        train = (table.product == 0) & (table.bar_end_ns <= first + 600 * 10**9)
        later = (table.product == 1) & (table.bar_end_ns >= table.bar_end_ns[train].max() + gap_ns)
        none = np.zeros(len(table), bool)
        check = check_split_overlap(table, replace(split, train=train, validation=none, test=later), 60)
        assert check.passed is passed
        assert check.figures["train_test"]["nearest_s"] == gap_ns / 1e9


def test_what_cannot_be_looked_for_is_not_called_clean() -> None:
    prepared = planted.clean()
    none = np.zeros(len(prepared.table), bool)
    only_train = replace(prepared, split=replace(prepared.split, validation=none, test=none))
    bundles = [planted.honest("logistic", prepared)]
    few_bars = planted.LeakRules(min_bars=10**6)
    for check in (
        check_split_overlap(only_train.table, only_train.split, 60),
        check_shuffled_labels(only_train, bundles, planted.honest, planted.RULES),
        check_shuffled_labels(prepared, [planted.honest("har", prepared)], planted.honest, planted.RULES),
        check_time_shift(prepared, bundles, few_bars),
        check_pr_auc(prepared, [planted.too_good("logistic", prepared)], planted.LeakRules(min_events=100)),
    ):
        assert check.passed is None
        assert check.verdict == "not checked"
        assert check.reason


def test_hidden_rows_share_no_number_with_those_that_they_replace() -> None:
    prepared = planted.clean()
    kept = prepared.split.train
    hidden = noise_other_rows(prepared, kept, np.random.default_rng(1))
    assert np.array_equal(hidden.table.values[kept], prepared.table.values[kept], equal_nan=True)
    assert np.array_equal(hidden.sample.positive[kept], prepared.positive[kept])
    for ours, theirs in (
        (hidden.sample.values, prepared.sample.values),
        (hidden.sample.reference, prepared.sample.reference),
        (hidden.sample.future, prepared.sample.future),
        (hidden.label_values, prepared.label_values),
    ):
        assert not (ours[~kept] == theirs[~kept]).any()


def test_a_leak_stops_what_would_follow_and_unchecked_ones_do_not() -> None:
    found = [
        CheckResult(name="one", passed=True, reason="fine"),
        CheckResult(name="two", passed=None, reason="no rows"),
        CheckResult(name="three", passed=False, reason="a number is wrong"),
    ]
    require_clean(found[:2], "nothing was saved")
    with pytest.raises(SuspectedLeak, match="three: a number is wrong; nothing was saved"):
        require_clean(found, "nothing was saved")
