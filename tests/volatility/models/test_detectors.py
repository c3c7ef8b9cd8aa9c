import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tickvol.volatility.models.baselines import BASELINES, har
from tickvol.volatility.models.boosted import fit_boosted
from tickvol.volatility.models.fitting import Sample
from tickvol.volatility.models.linear import train_medians
from tickvol.volatility.models.logistic import fit_logistic
from tickvol.volatility.models.standardise import CLIP
from tickvol.volatility.models.training import Prepared
from tickvol.volatility.models.training_spec import TrainingSpec
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec

SPEC = FeatureSpec()
NAMES = feature_names(SPEC)


@pytest.fixture(scope="module")
def train(prepared: Prepared) -> Sample:
    return prepared.sample.take(prepared.split.train)


def column(sample: Sample, name: str) -> NDArray[np.float64]:
    return sample.values[:, NAMES.index(name)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("minus_trailing_vol", lambda s: -np.log(column(s, "typical_vol"))),
        ("window_ratio", lambda s: column(s, "vol_ratio_60_300")),
        ("zscore", lambda s: column(s, "vol_zscore")),
        ("ewma", lambda s: np.log(column(s, "ewma_vol_60") / s.reference)),
    ],
)
def test_baseline_orders_by_its_formula(train: Sample, name: str, expected: object) -> None:
    detector = BASELINES[name](train, SPEC)
    wanted = expected(train)  # type: ignore[operator]
    known = np.isfinite(wanted)
    np.testing.assert_allclose(detector.margin(train.inputs(detector.inputs, SPEC))[known], wanted[known], rtol=1e-12)


def test_har_is_least_squares_of_log_volatilities_over_the_reference(train: Sample) -> None:
    design = np.column_stack(
        [np.ones(len(train)), *(np.log(column(train, f"realized_vol_{w}") * math.sqrt(60 / w)) for w in (60, 300, 900))]
    )
    known = np.isfinite(design).all(axis=1)
    weights = np.linalg.lstsq(design[known], np.log(train.future)[known])[0]
    expected = design @ weights - np.log(train.reference)
    detector = har(train, SPEC)
    found = detector.margin(train.inputs(detector.inputs, SPEC))
    np.testing.assert_allclose(found[known], expected[known], rtol=1e-8)
    assert np.isfinite(found).all()


def test_har_takes_a_volatility_of_zero_for_the_smallest_one_of_train(train: Sample) -> None:
    values = train.values.copy()
    values[:50, NAMES.index("realized_vol_60")] = 0.0
    future = train.future.copy()
    future[:50] = 0.0
    changed = replace(train, values=values, future=future)
    detector = har(changed, SPEC)
    x = changed.inputs(detector.inputs, SPEC)
    smallest = values[50:, NAMES.index("realized_vol_60")].min()
    np.testing.assert_allclose(x[:50, 0], np.log(smallest))
    assert np.isfinite(detector.margin(x)).all()


def test_an_unknown_input_counts_as_its_train_median(train: Sample) -> None:
    detector = BASELINES["zscore"](train, SPEC)
    zscores = column(train, "vol_zscore")
    np.testing.assert_allclose(detector.margin(np.array([[np.nan]])), np.median(zscores[np.isfinite(zscores)]))


def test_medians_are_of_known_values_and_zero_where_none_is_known() -> None:
    x = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan], [np.inf, np.nan]])
    np.testing.assert_array_equal(train_medians(x), [2.0, 0.0])


def test_logistic_regression_says_the_same_as_scikit_learn(train: Sample) -> None:
    training = TrainingSpec(logistic_c=0.01)
    detector = fit_logistic(train, SPEC, training)
    x = train.inputs(detector.inputs, SPEC)
    params = detector.params()
    unknown = np.isnan(x)
    z = np.clip((np.where(unknown, params["fill"], x) - params["centre"]) / np.array(params["scale"]), -CLIP, CLIP)
    both = unknown.any(axis=0)
    design = np.column_stack([z, unknown[:, both]])
    model = LogisticRegression(C=0.01, solver="newton-cholesky", tol=1e-8).fit(design, train.positive)
    np.testing.assert_allclose(detector.margin(x), model.decision_function(design), rtol=1e-9, atol=1e-9)


def test_logistic_regression_learns_what_being_unknown_says(train: Sample) -> None:
    values = train.values.copy()
    unknown = train.positive & (np.arange(len(train)) % 2 == 0)
    values[unknown, NAMES.index("jump_share_900")] = np.nan
    changed = replace(train, values=values)
    detector = fit_logistic(changed, SPEC, TrainingSpec(logistic_c=1.0))
    params = detector.params()
    place = [item.column for item in detector.inputs].index("jump_share_900")
    assert params["unknown_weights"][place] > 1.0


def test_logistic_regression_gives_no_weight_to_what_train_never_knew(train: Sample) -> None:
    values = train.values.copy()
    values[:, NAMES.index("jump_share_900")] = np.nan
    changed = replace(train, values=values)
    params = fit_logistic(changed, SPEC, TrainingSpec()).params()
    place = [item["column"] for item in params["inputs"]].index("jump_share_900")
    assert params["weights"][place] == params["unknown_weights"][place] == 0.0


def test_contributions_add_up_to_the_margin(prepared: Prepared, train: Sample) -> None:
    validation = prepared.sample.take(prepared.split.validation)
    for detector in (
        fit_logistic(train, SPEC, TrainingSpec()),
        fit_boosted(train, validation, SPEC, TrainingSpec(xgboost_max_rounds=20)),
    ):
        x = validation.inputs(detector.inputs, SPEC)
        constant = detector.margin(x) - detector.contributions(x).sum(axis=1)
        np.testing.assert_allclose(constant, constant[0], rtol=1e-4, atol=1e-5)


def test_trees_take_the_unknown_as_it_comes(prepared: Prepared, train: Sample) -> None:
    validation = prepared.sample.take(prepared.split.validation)
    detector = fit_boosted(train, validation, SPEC, TrainingSpec(xgboost_max_rounds=5))
    assert np.isfinite(detector.margin(np.full((3, len(detector.inputs)), np.nan))).all()


def test_trees_stop_when_validation_no_longer_gains(prepared: Prepared, train: Sample) -> None:
    validation = prepared.sample.take(prepared.split.validation)
    training = TrainingSpec(xgboost_learning_rate=1.0, xgboost_early_stopping_rounds=3)
    detector = fit_boosted(train, validation, SPEC, training)
    assert detector.booster.num_boosted_rounds() < 50
