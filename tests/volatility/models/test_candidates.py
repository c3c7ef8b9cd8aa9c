"""The candidates beyond the first baselines: what each is made of, and the bundle that holds it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression, Ridge

from tests.support.synthetic import synthetic_table
from tickvol.core.times import NS_PER_S
from tickvol.volatility.models.average import AverageDetector
from tickvol.volatility.models.baselines import BASELINES, seasonal_har
from tickvol.volatility.models.boosted import fit_boosted, fit_boosted_forecast, monotone_constraints
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.candidates import MODELS, FitRows, fit_detector, refit_detector
from tickvol.volatility.models.fitting import Sample
from tickvol.volatility.models.forecast import SEASONS, fit_forecast, log_ratio
from tickvol.volatility.models.garch import fit_garch
from tickvol.volatility.models.inputs import har_inputs
from tickvol.volatility.models.linear import season_cell
from tickvol.volatility.models.logistic import fit_spline
from tickvol.volatility.models.training import Prepared, prepare
from tickvol.volatility.models.training_spec import TrainingSpec
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelSpec

DAY_NS = 86_400 * NS_PER_S
CANDLES = FeatureSpec(
    bar_ms=300_000,
    grace_ms=0,
    max_carry_s=0,
    max_silence_s=1,
    windows_s=(900, 3600, 10_800, 21_600),
    reference_window_s=3600,
    half_lives_s=(900, 3600),
    duplicate_memory_s=0,
)


@pytest.fixture(scope="module")
def months() -> Prepared:
    """40 days of candles."""
    table = synthetic_table(5, hours=24 * 40, gaps=(), spec=CANDLES)
    return prepare(table, LabelSpec(horizon_s=3600), TrainingSpec())


@pytest.fixture(scope="module")
def train(prepared: Prepared) -> Sample:
    return prepared.sample.take(prepared.split.train)


@pytest.fixture(scope="module")
def long(months: Prepared) -> Sample:
    """All trainable rows, so that they span four weeks."""
    split = months.split
    return months.sample.take(split.train | split.validation | split.test)


def margin(detector: object, sample: Sample, spec: FeatureSpec) -> NDArray[np.float64]:
    return detector.margin(sample.inputs(detector.inputs, spec))  # type: ignore[attr-defined, no-any-return]


def test_seasonal_har_is_least_squares_with_a_constant_for_each_hour(long: Sample) -> None:
    detector = seasonal_har(long, CANDLES)
    x = long.inputs(detector.inputs, CANDLES)
    hours = np.eye(168)[season_cell(x[:, -1], 1, 168)]
    target = np.log(long.future)
    known = np.isfinite(x).all(axis=1)
    model = LinearRegression(fit_intercept=False).fit(np.column_stack([x[:, :3], hours])[known], target[known])
    expected = model.predict(np.column_stack([x[:, :3], hours])[known]) - np.log(long.reference[known])
    np.testing.assert_allclose(detector.margin(x)[known], expected, atol=1e-8)


def test_without_weeks_of_rows_seasonal_har_is_har(train: Sample) -> None:
    spec = FeatureSpec()
    plain, seasonal = (margin(BASELINES[name](train, spec), train, spec) for name in ("har", "seasonal_har"))
    np.testing.assert_array_equal(plain, seasonal)


def test_hours_on_days_that_lie_months_apart_are_no_weeks_of_rows(train: Sample) -> None:
    spec = FeatureSpec()
    half = train.bar_end_ns > np.median(train.bar_end_ns)
    apart = replace(train, bar_end_ns=train.bar_end_ns + half * 120 * 86_400 * NS_PER_S)
    assert not apart.is_long
    plain, parted = (margin(BASELINES["seasonal_har"](one, spec), train, spec) for one in (train, apart))
    np.testing.assert_array_equal(plain, parted)


def test_semivariance_har_parts_what_fell_from_what_rose(train: Sample) -> None:
    spec = FeatureSpec()
    whole, parted = (
        np.mean((margin(BASELINES[name](train, spec), train, spec) - log_ratio(train)) ** 2)
        for name in ("har", "semivariance_har")
    )
    assert parted <= whole
    assert "downside_vol_60" in {item.column for item in BASELINES["semivariance_har"](train, spec).inputs}


def test_the_forecast_leans_on_har_the_more_the_fewer_its_rows(train: Sample) -> None:
    spec = FeatureSpec()
    stiff = fit_forecast(train, spec, TrainingSpec(forecast_ridge=1e9))
    x = train.inputs(stiff.inputs, spec)
    params = stiff.params()
    z = np.clip((np.where(np.isnan(x), params["fill"], x) - params["centre"]) / np.array(params["scale"]), -6, 6)
    of_har = [item in har_inputs(spec, long=False) for item in stiff.inputs]
    expected = LinearRegression().fit(z[:, of_har], log_ratio(train)).predict(z[:, of_har])
    np.testing.assert_allclose(stiff.margin(x), expected, atol=1e-5)


def test_the_forecast_is_a_ridge_of_what_har_leaves(long: Sample) -> None:
    training = TrainingSpec(forecast_ridge=3.0, season_ridge=3.0)
    detector = fit_forecast(long, CANDLES, training)
    x, params = long.inputs(detector.inputs, CANDLES), detector.params()
    unknown = np.isnan(x)
    z = np.clip((np.where(unknown, params["fill"], x) - params["centre"]) / np.array(params["scale"]), -6, 6)
    seen, both = ~unknown.all(axis=0), unknown.any(axis=0) & ~unknown.all(axis=0)
    of_har = np.array([item in har_inputs(CANDLES, long=True) for item in detector.inputs])
    har = LinearRegression().fit(z[:, of_har], log_ratio(long))
    left = log_ratio(long) - har.predict(z[:, of_har])
    names = [item.column for item in detector.inputs]
    tables = [np.eye(cells)[season_cell(x[:, names.index(name)], cycles, cells)] for name, cycles, cells in SEASONS]
    design = np.column_stack([z[:, seen], unknown[:, both], *tables])
    expected = har.predict(z[:, of_har]) + Ridge(alpha=3.0 * long.overlap).fit(design, left).predict(design)
    np.testing.assert_allclose(detector.margin(x), expected, atol=1e-6)


def test_the_clock_and_the_level_are_learned_only_from_weeks_of_rows(train: Sample, long: Sample) -> None:
    short, wide = fit_forecast(train, FeatureSpec(), TrainingSpec()), fit_forecast(long, CANDLES, TrainingSpec())
    clock = {"week_share", "week_share_new_york", "reference"}
    assert not clock & {item.column for item in short.inputs}
    assert not short.params()["seasons"]
    assert clock <= {item.column for item in wide.inputs}
    assert [len(season["values"]) for season in wide.params()["seasons"]] == [288, 168]


def test_a_season_that_is_there_is_found(long: Sample) -> None:
    column = [item.column for item in fit_forecast(long, CANDLES, TrainingSpec()).inputs].index("week_share_new_york")
    x = long.inputs(fit_forecast(long, CANDLES, TrainingSpec()).inputs, CANDLES)
    evening = season_cell(x[:, column], 7, 24) == 20
    louder = replace(long, future=long.future * np.where(evening, 3.0, 1.0))
    quiet, loud = (margin(fit_forecast(one, CANDLES, TrainingSpec()), long, CANDLES) for one in (long, louder))
    gain = loud - quiet
    assert gain[evening].mean() - gain[~evening].mean() == pytest.approx(np.log(3.0), abs=0.25)


def test_garch_finds_the_numbers_of_the_process_that_it_describes() -> None:
    """Variance of the next bars is omega' + weight * ewma^2 by construction, futures drawn from it."""
    rng = np.random.default_rng(2)
    spec = FeatureSpec()
    names = list(feature_names(spec))
    values = np.full((60_000, len(names)), np.nan)
    vol = np.exp(rng.normal(0, 0.7, len(values)))
    for half_life_s in spec.half_lives_s:
        values[:, names.index(f"ewma_vol_{half_life_s}")] = vol if half_life_s == 60 else np.exp(rng.normal(0, 0.7))
    variance = 0.4 + 0.7 * vol**2
    future = np.sqrt(variance * rng.chisquare(60, len(values)) / 60)
    sample = Sample(
        values=values,
        reference=np.ones(len(values)),
        future=future,
        positive=future > 2,
        bar_end_ns=np.arange(len(values)) * NS_PER_S,
        bar_ns=NS_PER_S,
        overlap=60,
    )
    detector = fit_garch(sample, spec)
    params = detector.params()
    assert params["inputs"][0]["column"] == "ewma_vol_60"
    assert params["constant"] == pytest.approx(0.4, abs=0.03)
    assert params["weight"] == pytest.approx(0.7, abs=0.02)
    np.testing.assert_allclose(margin(detector, sample, spec), 0.5 * np.log(variance), atol=0.05)


def test_garch_agrees_with_the_forecast_of_arch_on_a_simulated_process() -> None:
    """arch estimates omega, alpha and beta freely; ours takes the nearest of the engine's half-lives for beta."""
    from arch import arch_model

    rng = np.random.default_rng(7)
    omega, alpha, beta = 0.02, 0.08, 0.9
    returns, state = np.empty(30_000), omega / (1 - alpha - beta)
    for t in range(len(returns)):
        returns[t] = rng.normal() * np.sqrt(state)
        state = omega + alpha * returns[t] ** 2 + beta * state
    theirs = arch_model(returns, mean="Zero", vol="GARCH", p=1, q=1, rescale=False).fit(disp="off")
    half_life = round(np.log(0.5) / np.log(beta))
    weights = 0.5 ** (np.arange(900) / half_life)
    squares = np.convolve(returns**2, weights)[: len(returns)] / weights.sum()
    spec = FeatureSpec(half_lives_s=(half_life,))
    names = feature_names(spec)
    rows = np.arange(1000, len(returns) - 1)
    values = np.full((len(rows), len(names)), np.nan)
    values[:, names.index(f"ewma_vol_{half_life}")] = np.sqrt(squares[rows])
    sample = Sample(
        values=values,
        reference=np.ones(len(rows)),
        future=np.abs(returns[rows + 1]),
        positive=np.abs(returns[rows + 1]) > 3,
        bar_end_ns=rows * NS_PER_S,
        bar_ns=NS_PER_S,
        overlap=1,
    )
    ours = np.exp(margin(fit_garch(sample, spec), sample, spec))
    assert np.corrcoef(ours, theirs.conditional_volatility[rows + 1])[0, 1] > 0.99
    np.testing.assert_allclose(ours.mean(), theirs.conditional_volatility[rows + 1].mean(), rtol=0.03)


def test_more_recent_volatility_never_makes_a_spike_less_likely(prepared: Prepared, train: Sample) -> None:
    spec = FeatureSpec()
    validation = prepared.sample.take(prepared.split.validation)
    detector = fit_boosted(train, validation, spec, TrainingSpec(xgboost_max_rounds=30))
    signs = [int(sign) for sign in monotone_constraints(detector.inputs)[1:-1].split(",")]
    assert sum(signs) == 3 * len(spec.windows_s) + len(spec.half_lives_s)
    x = validation.inputs(detector.inputs, spec)[::50]
    for place in np.flatnonzero(signs):
        raised = x.copy()
        raised[:, place] *= 1.5
        assert (detector.margin(raised) >= detector.margin(x) - 1e-6).all(), detector.inputs[place].name


def test_splines_bend_where_a_straight_line_cannot(train: Sample) -> None:
    spec = FeatureSpec()
    train_names = feature_names(spec)
    z = np.random.default_rng(3).normal(0, 1, len(train))
    values = train.values.copy()
    values[:, train_names.index("vol_zscore")] = z
    both_ends = replace(train, values=values, positive=np.abs(z) > 1.5)
    detector = fit_spline(both_ends, spec, TrainingSpec(logistic_c=1.0))
    found = margin(detector, both_ends, spec)
    assert found[np.abs(z) > 2].mean() > found[np.abs(z) < 0.5].mean() + 2


@pytest.mark.parametrize("name", MODELS)
def test_every_candidate_survives_its_bundle_and_its_parts_add_up(
    name: str, bundles: dict[str, Bundle], table: FeatureTable, tmp_path: Path
) -> None:
    bundle = bundles[name]
    bundle.save(tmp_path / name)
    again = Bundle.load(tmp_path / name)
    assert again.version == bundle.version
    np.testing.assert_array_equal(again.score(table), bundle.score(table))
    part = table.take(bundle.scorable(table)).take(np.arange(200))
    _, contributions = again.evidence(part)
    constant = bundle.score(part) - contributions.sum(axis=1)
    np.testing.assert_allclose(constant, constant[0], rtol=1e-4, atol=1e-4)


def test_the_ensemble_is_the_mean_of_its_members_log_odds(bundles: dict[str, Bundle], table: FeatureTable) -> None:
    ensemble = bundles["average"]
    assert isinstance(ensemble.detector, AverageDetector)
    members = [bundles[member["name"]] for member in ensemble.detector.params()["members"]]
    log_odds = [
        one.manifest.calibration.slope * one.score(table) + one.manifest.calibration.intercept for one in members
    ]
    np.testing.assert_allclose(ensemble.score(table), np.mean(log_odds, axis=0), rtol=1e-9)


def test_fitting_again_keeps_the_number_of_trees(prepared: Prepared, train: Sample) -> None:
    validation = prepared.sample.take(prepared.split.validation)
    training = TrainingSpec(xgboost_max_rounds=40, xgboost_early_stopping_rounds=5, xgboost_learning_rate=0.3)
    for name, fit in (("xgboost", fit_boosted), ("boosted_forecast", fit_boosted_forecast)):
        first = fit_detector(name, FitRows(train, validation), FeatureSpec(), training)
        assert first.params() == fit(train, validation, FeatureSpec(), training).params()
        again = refit_detector(first, name, prepared.sample.take(prepared.split.test), FeatureSpec(), training)
        assert again.rounds == first.rounds < 40  # type: ignore[attr-defined]
