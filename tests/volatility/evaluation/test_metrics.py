"""Metrics against scikit-learn, and the rule that what is not defined is None."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from tickvol.volatility.evaluation import metrics

rows = st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=2, max_size=60).filter(
    lambda pairs: len({positive for positive, _ in pairs}) == 2
)


def _arrays(pairs):
    return np.array([p for p, _ in pairs]), np.array([s for _, s in pairs]) / 20


@given(rows)
def test_average_precision_is_that_of_scikit_learn_with_ties(pairs):
    positive, scores = _arrays(pairs)
    assert metrics.average_precision(positive, scores) == pytest.approx(
        reference.average_precision_score(positive, scores), rel=1e-12
    )


@given(rows, st.randoms(use_true_random=False))
def test_order_of_rows_changes_no_metric(pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    for measure in (metrics.average_precision, metrics.ranking):
        assert measure(*_arrays(pairs)) == measure(*_arrays(shuffled))


@given(rows, st.integers(0, 20))
def test_metrics_at_a_threshold_are_those_of_scikit_learn(pairs, step):
    positive, scores = _arrays(pairs)
    said = scores >= step / 20
    found = metrics.at_threshold(positive, scores, step / 20)
    counts = found["confusion_matrix"]
    assert reference.confusion_matrix(positive, said).ravel().tolist() == [
        counts["true_negatives"], counts["false_positives"], counts["false_negatives"], counts["true_positives"],
    ]  # fmt: skip
    assert found["recall"] == pytest.approx(reference.recall_score(positive, said))
    assert found["f1"] == pytest.approx(reference.f1_score(positive, said, zero_division=0))
    if said.any():
        assert found["precision"] == pytest.approx(reference.precision_score(positive, said))
    else:
        assert found["precision"] is None


@given(rows)
def test_brier_and_log_score_are_those_of_scikit_learn(pairs):
    positive, probability = _arrays(pairs)
    found = metrics.calibration(positive, probability)
    clipped = np.clip(probability, metrics.LOG_SCORE_CLIP, 1 - metrics.LOG_SCORE_CLIP)
    assert found["brier"] == pytest.approx(reference.brier_score_loss(positive, probability))
    assert found["log_score"] == pytest.approx(reference.log_loss(positive, clipped))


@given(rows)
def test_calibration_bins_hold_every_row_once_and_part_no_equal_probabilities(pairs):
    positive, probability = _arrays(pairs)
    bins = metrics.calibration_bins(positive, probability, bins=5)
    assert sum(part["rows"] for part in bins) == len(positive)
    assert sum(part["rows"] * part["spike_share"] for part in bins) == pytest.approx(positive.sum())
    assert len(bins) <= min(5, len(set(probability)))


def test_calibration_bins_of_distinct_probabilities_have_equal_mass():
    probability = np.random.default_rng(1).permutation(np.arange(100) / 100)
    bins = metrics.calibration_bins(probability > 0.5, probability)
    assert [part["rows"] for part in bins] == [10] * 10


def test_a_calibrated_detector_has_a_small_error_and_one_that_says_double_a_large_one():
    random = np.random.default_rng(3)
    probability = random.uniform(0, 0.4, 20_000)
    positive = random.random(20_000) < probability
    assert metrics.calibration(positive, probability)["calibration_error"] < 0.01
    assert metrics.calibration(positive, 2 * probability)["calibration_error"] == pytest.approx(0.2, abs=0.01)


def test_skill_is_zero_at_the_prevalence_and_one_at_the_best():
    positive = np.array([True, False, False, False])
    assert metrics.ranking(positive, np.full(4, 0.3))["pr_auc_skill"] == pytest.approx(0.0)
    assert metrics.ranking(positive, np.array([0.9, 0.1, 0.2, 0.3]))["pr_auc_skill"] == 1.0


@pytest.mark.parametrize(
    ("positive", "scores"),
    [
        pytest.param([], [], id="no rows"),
        pytest.param([True, True], [0.2, 0.7], id="only spikes"),
        pytest.param([False, False], [0.2, 0.7], id="no spike"),
        pytest.param([True, False], [np.nan, 0.7], id="an unknown score"),
        pytest.param([True, False], [np.inf, 0.7], id="an infinite score"),
    ],
)
def test_what_is_not_defined_is_none_and_never_zero(positive, scores):
    positive, scores = np.array(positive, np.bool_), np.array(scores, np.float64)
    assert metrics.ranking(positive, scores)["pr_auc"] is None
    assert metrics.ranking(positive, scores)["pr_auc_skill"] is None
    found = metrics.at_threshold(positive, scores, 0.5) | metrics.calibration(positive, scores)
    assert [found[key] for key in ("precision", "recall", "f1", "brier", "log_score", "calibration_error")] == [
        None
    ] * 6


def test_precision_without_alarms_is_none():
    found = metrics.at_threshold(np.array([True, False]), np.array([0.1, 0.2]), 0.9)
    assert found["precision"] is None
    assert found["recall"] == 0.0


@given(rows)
def test_classification_report_is_that_of_scikit_learn(pairs):
    positive, scores = _arrays(pairs)
    said = scores >= 0.5
    ours = metrics.classification_report(positive, scores, 0.5)
    theirs = reference.classification_report(
        positive, said, labels=[False, True], target_names=["calm", "spike"], output_dict=True, zero_division=np.nan
    )
    assert ours["accuracy"] == pytest.approx(np.mean(positive == said))
    for name in ("calm", "spike"):
        assert ours[name]["support"] == theirs[name]["support"]
        for ours_key, theirs_key in (("precision", "precision"), ("recall", "recall")):
            value = theirs[name][theirs_key]
            assert (ours[name][ours_key] is None) if np.isnan(value) else ours[name][ours_key] == pytest.approx(value)
