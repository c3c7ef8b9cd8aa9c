"""Coverage tests against the reference and scipy, and their size where the truth is known."""

import math

import numpy as np
import pytest
from scipy.stats import binom, chi2, norm

from tests.risk.figures import reference
from tickvol.risk.figures.coverage import Coverage, coverage, light, lights, verdict

X = math.nan


def judged(hits: list[bool], level: float = 0.05) -> Coverage:
    """Coverage of a VaR of -1 and an ES of -2, against returns of -3 and 0."""
    n = len(hits)
    return coverage(np.where(hits, -3.0, 0.0) if n else np.empty(0), np.full(n, -1.0), np.full(n, -2.0), level)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("n", [2, 30, 250, 638])
def test_ratios_and_p_values_agree_with_the_reference(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    hits = (random.random(n) < (0.02, 0.05, 0.5)[seed % 3]).tolist()
    found = judged(hits)
    pof, ind = reference.kupiec(hits, 0.05), reference.christoffersen(hits)
    assert (found.n, found.exceptions, found.rate) == (n, sum(hits), sum(hits) / n)
    figures = [found.lr_pof, found.p_pof, found.lr_ind, found.p_ind, found.lr_cc, found.p_cc]
    expected = [pof, chi2.sf(pof, 1), ind, chi2.sf(ind, 1), pof + ind, chi2.sf(pof + ind, 2)]
    np.testing.assert_allclose(figures, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("hits", [[False] * 300, [True] * 300], ids=["none", "all"])
def test_0_log_0_is_0(hits: list[bool]) -> None:
    found = judged(hits)
    assert found.lr_pof == pytest.approx(-600 * math.log(0.05 if hits[0] else 0.95))
    assert found.lr_ind == 0.0


def test_an_exception_lies_strictly_below_the_var() -> None:
    assert coverage(np.array([-1.0, -1.0000001]), np.full(2, -1.0), np.full(2, -2.0), 0.05).exceptions == 1


def test_a_day_that_is_not_judged_closes_up() -> None:
    returns = np.array([X, 0.0, -3.0, X, -3.0, 0.0])
    var = np.array([-1.0, X, -1.0, -1.0, -1.0, -1.0])
    es = np.full(6, -2.0)
    assert coverage(returns, var, es, 0.05) == judged([True, True, False])


def test_es_tests_are_those_of_acerbi_and_szekely() -> None:
    found = judged([True] * 3 + [False] * 37)
    assert found.es_z1 == 1.0 - 1.5
    assert found.es_z2 == pytest.approx(1.0 - 3 * 1.5 / (0.05 * 40))
    none = judged([False] * 40)
    assert math.isnan(none.es_z1)
    assert none.es_z2 == 1.0


@pytest.mark.parametrize("es", [X, 0.0])
def test_es_tests_need_an_es_on_each_exception(es: float) -> None:
    found = coverage(np.array([-3.0, 0.0]), np.full(2, -1.0), np.array([es, -2.0]), 0.05)
    assert math.isnan(found.es_z1)
    assert math.isnan(found.es_z2)


def test_no_day_is_judged_without_days() -> None:
    found = judged([])
    assert (found.n, found.exceptions, found.expected, found.light) == (0, 0, 0.0, "unknown")
    assert found.verdict == "not_enough_days"
    assert all(math.isnan(value) for value in (found.rate, found.p_pof, found.p_ind, found.p_cc, found.es_z2))


@pytest.mark.parametrize("level", [0.01, 0.05])
def test_light_follows_the_binomial_distribution(level: float) -> None:
    for exceptions in range(251):
        below = binom.cdf(exceptions, 250, level)
        colour = "green" if below < 0.95 else "yellow" if below < 0.9999 else "red"
        assert light(exceptions, 250, level) == colour


def test_light_looks_at_the_last_250_days() -> None:
    assert judged([True] * 40 + [False] * 250).light == "green"
    assert judged([False] * 400 + [True] * 40).light == "red"
    assert judged([True] * 40 + [False] * 209).light == "unknown"


def test_lights_are_those_of_each_day() -> None:
    random = np.random.default_rng(2)
    hits = np.where(random.random(700) < 0.1, X, (random.random(700) < np.linspace(0.02, 0.2, 700)).astype(float))
    found = lights(hits, 0.05)
    assert {"unknown", "green", "yellow", "red"} == set(found)
    for day in range(0, 700, 7):
        known = hits[: day + 1][~np.isnan(hits[: day + 1])]
        assert found[day] == judged((known == 1.0).tolist()).light
    assert lights(np.empty(0), 0.05) == []


VERDICTS = {
    "249 days say nothing": ((249, 60, 0.0, 0.0), "not_enough_days"),
    "250 days suffice": ((250, 12, 0.5, 0.5), "ok"),
    "too many": ((250, 30, 0.049, 0.5), "too_many"),
    "too few": ((250, 3, 0.049, 0.5), "too_few"),
    "the rate goes first": ((500, 50, 0.049, 0.0), "too_many"),
    "no independence below 500 days": ((499, 25, 0.5, 0.0), "ok"),
    "independence from 500 days on": ((500, 25, 0.5, 0.049), "clustered"),
    "just not significant": ((500, 25, 0.05, 0.05), "ok"),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_verdict(case: str) -> None:
    (n, exceptions, p_pof, p_ind), expected = VERDICTS[case]
    assert verdict(n, exceptions, 0.05, p_pof, p_ind) == expected


def simulated(series: int, days: int, seed: int) -> list[Coverage]:
    """True forecasts of normal returns."""
    z = norm.ppf(0.05)
    var, es = np.full(days, z), np.full(days, -norm.pdf(z) / 0.05)
    returns = np.random.default_rng(seed).standard_normal((series, days))
    return [coverage(row, var, es, 0.05) for row in returns]


def rejected(found: list[Coverage], test: str) -> float:
    return float(np.mean([getattr(one, test) < 0.05 for one in found]))


def test_true_forecasts_are_rejected_as_often_as_the_level_says() -> None:
    found = simulated(2_000, 638, 1)
    assert 0.035 <= rejected(found, "p_pof") <= 0.065
    assert np.mean([one.light == "red" for one in found]) <= 0.001
    assert abs(np.mean([one.es_z2 for one in found])) < 0.02


@pytest.mark.slow
def test_sizes_of_the_tests_with_many_series() -> None:
    found = simulated(20_000, 638, 2)
    assert rejected(found, "p_pof") == pytest.approx(0.045, abs=0.006)
    assert rejected(found, "p_ind") == pytest.approx(0.049, abs=0.006)
    assert rejected(found, "p_cc") == pytest.approx(0.041, abs=0.006)
    assert np.mean([one.light == "red" for one in found]) <= 0.001
    # The reason why independence is not judged below 500 days.
    assert rejected(simulated(20_000, 250, 3), "p_ind") < 0.03
