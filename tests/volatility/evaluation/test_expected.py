"""What calibrated probabilities promise is what comes, within what chance allows; what others promise is not."""

import numpy as np
import pytest

from tickvol.volatility.evaluation.expected import expected_average_precision, expected_performance
from tickvol.volatility.evaluation.metrics import at_threshold, average_precision, calibration

ROWS, THRESHOLD = 40_000, 0.3


def simulated(seed):
    """Probabilities, and spikes that come as often as these say."""
    random = np.random.default_rng(seed)
    probability = random.beta(0.5, 3.5, ROWS)
    return probability, random.random(ROWS) < probability


def came(positive, probability):
    found = at_threshold(positive, probability, THRESHOLD)
    return {
        **{name: found[name] for name in ("precision", "recall", "f1")},
        "prevalence": positive.mean(),
        "brier": calibration(positive, probability)["brier"],
        "pr_auc": average_precision(positive, probability),
    }


def errors(distort=lambda probability: probability):
    """Estimate minus truth of each metric, for 30 draws of the spikes; (30,) each."""
    found = []
    for seed in range(30):
        probability, positive = simulated(seed)
        said = distort(probability)
        expected, truth = expected_performance(said, said >= THRESHOLD), came(positive, said)
        found.append([expected[name] - truth[name] for name in truth])
    return dict(zip(truth, np.array(found).T, strict=True))


def test_calibrated_probabilities_promise_what_comes():
    for name, error in errors().items():
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(error)), name
        assert abs(error).max() < 0.03, name


def test_overconfident_probabilities_promise_more_precision_than_comes():
    error = errors(lambda probability: np.minimum(1.6 * probability, 1.0))
    for name in ("precision", "prevalence", "pr_auc"):
        assert error[name].min() > 0.02, name


def test_with_certain_probabilities_the_estimate_is_the_truth():
    positive = np.random.default_rng(1).random(500) < 0.2
    certain = positive.astype(float)
    alarmed = np.random.default_rng(2).random(500) < 0.3
    found, truth = expected_performance(certain, alarmed), at_threshold(positive, alarmed.astype(float), 0.5)
    for name in ("precision", "recall", "f1"):
        assert found[name] == pytest.approx(truth[name])
    assert {name: found[name] for name in truth["confusion_matrix"]} == truth["confusion_matrix"]
    assert found["brier"] == 0
    assert expected_average_precision(certain) == average_precision(positive, certain) or not positive.any()


def test_order_of_rows_does_not_matter_and_ties_are_taken_together():
    probability = np.array([0.2, 0.2, 0.5, 0.5, 0.9])
    shuffled = np.random.default_rng(0).permutation(probability)
    assert expected_average_precision(shuffled) == pytest.approx(expected_average_precision(probability))
    assert expected_average_precision(np.full(4, 0.25)) == pytest.approx(0.25)


def test_what_is_not_defined_is_none():
    nothing = expected_performance(np.zeros(0), np.zeros(0, bool))
    assert nothing["rows"] == 0
    assert {nothing[name] for name in ("precision", "recall", "f1", "prevalence", "brier", "pr_auc")} == {None}
    calm = expected_performance(np.full(3, 0.1), np.zeros(3, bool))
    assert calm["precision"] is None
    assert calm["recall"] == 0
