"""Figures of a day never change when days are appended."""

from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.risk.figures.closes import SPEC, scattered, walk, without
from tickvol.risk.figures.daily import METHODS, DailyRisk, backtests, lights, risk_of

Array = NDArray[np.float64]

DAYS = 680
IN_SAMPLE = {"z_full", "is_anomaly_full"}
FIGURES = [field.name for field in fields(DailyRisk) if "ndarray" in str(field.type) and field.name not in IN_SAMPLE]
SERIES = {
    "whole": walk(DAYS, 21),
    "holes": scattered(DAYS, 20, 22),
    "a month missing": without(walk(DAYS, 23), slice(450, 480)),
}


def test_all_figures_but_the_full_sample_ones_are_compared() -> None:
    assert len(FIGURES) == 29


def unchanged(whole: DailyRisk, closes: Array, cut: int) -> None:
    """The figures of the days before the cut are, to the bit, those of the shorter series."""
    short = risk_of(closes[:cut], SPEC)
    for name in FIGURES:
        np.testing.assert_array_equal(getattr(whole, name)[:cut], getattr(short, name), err_msg=f"{name}, cut {cut}")
    assert whole.direction[:cut] == short.direction
    assert whole.severity[:cut] == short.severity
    assert whole.reason[:cut] == short.reason
    for method in METHODS:
        assert lights(whole, method)[:cut] == lights(short, method)
    as_of = backtests(whole, as_of=cut - 1)
    for method, judged in backtests(short).items():
        assert repr(judged) == repr(as_of[method]), method


def check(cuts: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    wholes = {name: risk_of(closes, SPEC) for name, closes in SERIES.items()}
    for i in range(cuts):
        name = list(SERIES)[i % len(SERIES)]
        unchanged(wholes[name], SERIES[name], int(random.integers(367 if i % 4 else 1, DAYS)))


def test_figures_never_change_when_days_are_appended() -> None:
    check(20, 1)


@pytest.mark.slow
def test_figures_never_change_at_any_of_many_cuts() -> None:
    check(200, 2)


def test_the_full_sample_z_does_change() -> None:
    closes = SERIES["whole"]
    whole, short = risk_of(closes, SPEC), risk_of(closes[:500], SPEC)
    assert (whole.z_full[1:500] != short.z_full[1:]).all()


@pytest.mark.parametrize("day", [486, 500], ids=["a day of a refit", "another day"])
def test_forecasts_do_not_contain_their_own_day(day: int) -> None:
    closes = SERIES["whole"].copy()
    before = risk_of(closes, SPEC)
    closes[day] *= 0.5
    after = risk_of(closes, SPEC)
    for name in FIGURES:
        if name.startswith(("var_", "es_", "median", "mad")):
            np.testing.assert_array_equal(
                getattr(before, name)[: day + 1], getattr(after, name)[: day + 1], err_msg=name
            )
    assert after.z_trailing[day] < -3.5
