import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression

from tickvol.volatility.models.calibration import Calibration, Calibrator, fit_calibration
from tickvol.volatility.models.training_spec import CalibrationKind

KINDS: tuple[CalibrationKind, ...] = ("platt", "isotonic", "beta")


def drawn(seed: int, slope: float = 2.0, rows: int = 4000) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    margin = rng.normal(0, 1, rows)
    return margin, rng.random(rows) < 1 / (1 + np.exp(2.0 - slope * margin))


def test_platt_finds_the_log_odds_it_was_drawn_from() -> None:
    margin, positive = drawn(1, rows=40_000)
    fitted = fit_calibration("platt", margin, positive)
    assert fitted.slope == pytest.approx(2.0, abs=0.1)
    assert fitted.intercept == pytest.approx(-2.0, abs=0.1)


def test_platt_does_not_depend_on_scale_and_place_of_the_margin() -> None:
    margin, positive = drawn(2)
    near = Calibrator(fit_calibration("platt", margin, positive))(margin)
    far = Calibrator(fit_calibration("platt", 1e4 * margin - 7e5, positive))(1e4 * margin - 7e5)
    np.testing.assert_allclose(near, far, atol=1e-6)


def test_a_detector_that_ranks_backwards_is_flattened_not_inverted() -> None:
    margin, positive = drawn(3, slope=-2.0)
    probability = Calibrator(fit_calibration("platt", margin, positive))(margin)
    assert (np.diff(probability[np.argsort(margin)]) >= 0).all()
    assert np.ptp(probability) < 0.01
    assert probability.mean() == pytest.approx(positive.mean(), abs=0.01)


def test_isotonic_equals_scikit_learn_inside_and_beyond_its_knots() -> None:
    margin, positive = drawn(4)
    ours = Calibrator(fit_calibration("isotonic", margin, positive))
    theirs = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(margin, positive)
    asked = np.linspace(-6, 6, 1001)
    np.testing.assert_allclose(ours(asked), theirs.predict(asked), atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(KINDS), slope=st.floats(-3, 3))
def test_probabilities_never_fall_with_the_margin_and_survive_json(
    seed: int, kind: CalibrationKind, slope: float
) -> None:
    margin, positive = drawn(seed, slope, rows=200)
    if positive.all() or not positive.any():
        return
    fitted = fit_calibration(kind, margin, positive)
    asked = np.linspace(-50, 50, 500)
    probability = Calibrator(fitted)(asked)
    assert (np.diff(probability) >= 0).all()
    assert ((probability >= 0) & (probability <= 1)).all()
    again = Calibrator(msgspec.json.decode(msgspec.json.encode(fitted), type=Calibration))
    np.testing.assert_array_equal(again(asked), probability)


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_margin_gives_the_share_of_spikes(kind: CalibrationKind) -> None:
    positive = np.arange(1000) % 10 == 0
    found = Calibrator(fit_calibration(kind, np.ones(1000), positive))(np.ones(1))
    assert found[0] == pytest.approx(0.1, abs=0.005)


def test_beta_bends_what_a_sigmoid_cannot() -> None:
    margin, _ = drawn(11, rows=60_000)
    truth = 0.5 * (1 + np.tanh(margin)) ** 3 / 4  # steep below, flat above
    positive = np.random.default_rng(0).random(len(margin)) < truth
    errors = {
        kind: np.abs(Calibrator(fit_calibration(kind, margin, positive))(margin) - truth).mean()
        for kind in ("platt", "beta")
    }
    assert errors["beta"] < 0.5 * errors["platt"]


def test_the_best_is_the_one_that_foretells_the_other_half_of_the_time() -> None:
    margin, positive = drawn(12, rows=2000)
    assert fit_calibration("best", margin, positive).kind in ("platt", "beta")
    stepped = np.random.default_rng(5).random(len(margin)) < np.where(margin > 0, 0.6, 0.1)
    assert fit_calibration("best", margin, stepped).kind == "isotonic"


def test_halves_go_by_time_and_not_by_place() -> None:
    margin, positive = drawn(13, rows=2000)
    order = np.random.default_rng(1).permutation(len(margin))
    there = fit_calibration("best", margin, positive, np.arange(len(margin)))
    back = fit_calibration("best", margin[order], positive[order], order.astype(np.int64))
    assert back.kind == there.kind
    assert back.slope == pytest.approx(there.slope, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_log_odds_rank_without_ties_whatever_the_kind(kind: CalibrationKind) -> None:
    margin, positive = drawn(14, rows=500)
    log_odds = Calibrator(fit_calibration(kind, margin, positive)).log_odds(margin)
    assert (np.diff(log_odds[np.argsort(margin)]) > 0).all()
