"""What is told beside PR-AUC: losses with intervals, operating points, what a lead is worth."""

from dataclasses import replace

import numpy as np
import pytest

from tests.volatility.evaluation.samples import RULES, detector, judged_rows
from tickvol.volatility.evaluation.events import event_metrics
from tickvol.volatility.evaluation.losses import loss_figures
from tickvol.volatility.evaluation.metrics import calibration
from tickvol.volatility.evaluation.operating import operating_points
from tickvol.volatility.evaluation.power import days_to_settle, deflated_lead, standard_error

ROWS = judged_rows()
WEAK = detector(ROWS, "weak", 0.5, baseline=True)
STRONG = detector(ROWS, "strong", 2.5)


def test_losses_are_those_of_the_metrics_and_gains_their_differences() -> None:
    found = loss_figures(ROWS, [WEAK, STRONG], RULES, "weak")
    figures = {one.name: calibration(ROWS.positive, one.probability) for one in (WEAK, STRONG)}
    for gain, loss in (("brier_gain", "brier"), ("log_score_gain", "log_score")):
        expected = figures["weak"][loss] - figures["strong"][loss]
        assert found["strong"][gain]["value"] == pytest.approx(expected, rel=1e-9)
        assert found["strong"][gain]["low"] < expected < found["strong"][gain]["high"]
        assert found["weak"][gain]["value"] == 0.0
    for one in (WEAK, STRONG):
        error = found[one.name]["calibration_error"]
        assert error["value"] == pytest.approx(figures[one.name]["calibration_error"], rel=1e-9)
        assert error["low"] <= error["high"]


def test_an_operating_point_keeps_to_its_rate_and_more_false_alarms_catch_no_less() -> None:
    points = operating_points(ROWS, STRONG, RULES, [0.5, 2.0, 6.0])
    assert [point["at_most"] for point in points] == [0.5, 2.0, 6.0]
    caught = [point["caught"] for point in points]
    assert caught == sorted(caught)
    for point in points:
        assert point["false_alarms_per_hour"] <= point["at_most"]
        again = event_metrics(
            ROWS.product,
            ROWS.bar_end_ns,
            ROWS.positive,
            STRONG.probability >= point["threshold"],
            bar_ns=ROWS.bar_ns,
            horizon_ns=RULES.horizon_s * 10**9,
            cooldown_ns=RULES.alarm_cooldown_s * 10**9,
        )
        assert again["caught"] == point["caught"]
        assert again["lead_time_s"]["median"] == point["median_lead_time_s"]


def test_no_operating_point_breaks_its_rate_where_the_highest_scores_are_many_and_equal() -> None:
    clipped = np.minimum(STRONG.probability, np.quantile(STRONG.probability, 0.5))
    alarmed = replace(STRONG, probability=np.where(np.arange(len(ROWS)) % 7 == 0, 1.0, clipped))
    (point,) = operating_points(ROWS, alarmed, RULES, [0.5])
    assert (point["threshold"], point["caught"], point["median_lead_time_s"]) == (None, 0, None)
    assert point["false_alarms_per_hour"] == 0.0


def test_a_threshold_a_row_rings_where_its_own_is_reached() -> None:
    halves = np.where(np.arange(len(ROWS)) % 2 == 0, 0.2, 0.8)
    mixed = replace(STRONG, threshold=halves)
    inside = ROWS.product == 0
    assert np.array_equal(mixed.threshold_of(inside), halves[inside])
    assert replace(STRONG, threshold=0.3).threshold_of(inside) == 0.3


@pytest.mark.parametrize(
    ("trials", "least", "most"), [(1, 0.0, 0.0), (10, 1.4, 1.7), (100, 2.4, 2.6), (1000, 3.1, 3.4)]
)
def test_luck_grows_with_the_number_of_trials_as_the_highest_of_so_many_draws(
    trials: int, least: float, most: float
) -> None:
    luck = deflated_lead(0.1, 0.1 - 1.96, 0.1 + 1.96, trials)["luck"]
    assert least - 1e-9 <= luck <= most
    if trials > 1:
        draws = np.random.default_rng(trials).normal(0, 1, (4000, trials)).max(axis=1).mean()
        assert luck == pytest.approx(draws, abs=0.06)


def test_the_days_that_settle_a_lead_give_it_the_power_that_was_asked_for() -> None:
    lead, days = 0.04, 12.0
    needed = days_to_settle(lead, lead - 0.1, lead + 0.1, days)
    assert needed is not None
    error = standard_error(lead - 0.1, lead + 0.1) * np.sqrt(days / needed)
    draws = np.random.default_rng(2).normal(lead, error, 20_000)
    assert np.mean(draws - 1.96 * error > 0) == pytest.approx(0.8, abs=0.01)
    assert days_to_settle(-0.01, -0.1, 0.1, days) is None
