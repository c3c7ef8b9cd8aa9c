"""Regimes: tagged from what was known, unknown where it was not, compared with the rest."""

import numpy as np
import pytest

from tickvol.core.errors import InputError
from tickvol.signals.analysing import weeks
from tickvol.signals.analysing.regimes import (
    APART,
    RegimeInputs,
    chance_note,
    radar,
    regime_figures,
    regime_tags,
    trailing_median,
    trailing_percentile,
)

HOUR = 3_600_000


def inputs(n=500, seed=0, **changed):
    rng = np.random.default_rng(seed)
    base = {
        "predicting_at_ms": np.arange(n) * HOUR,
        "close": rng.uniform(90, 110, n),
        "ema200": rng.uniform(90, 110, n),
        "adx14": rng.uniform(0, 60, n),
        "macd_hist": rng.standard_normal(n),
        "atr_frac": rng.uniform(0, 0.02, n),
        "trailing_atr_frac": np.full(n, 0.01),
        "volume_ratio20": rng.uniform(0, 4, n),
        "strong_edge": rng.random(n) < 0.5,
        "squeeze": rng.random(n) < 0.1,
        "sentiment": np.where(rng.random(n) < 0.3, np.nan, rng.uniform(-1, 1, n)),
    }
    return RegimeInputs(**(base | changed))


def test_regimes_that_exclude_each_other_never_meet_and_cover_what_is_known():
    tags = regime_tags(inputs())
    assert frozenset().union(*APART) <= set(tags)
    for names in APART:
        assert np.all(sum(tags[name].astype(int) for name in names) == 1), names


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("ema200", ("TREND_UP", "TREND_DOWN")),
        ("adx14", ("TREND_STRONG",)),
        ("macd_hist", ("MOMENTUM_POS", "MOMENTUM_NEG")),
        ("atr_frac", ("VOLATILITY_HIGH", "VOLATILITY_LOW")),
        ("trailing_atr_frac", ("VOLATILITY_HIGH", "VOLATILITY_LOW")),
        ("volume_ratio20", ("VOLUME_SPIKE",)),
    ],
)
def test_an_unknown_value_is_in_no_regime_of_its_kind(name, kinds):
    tags = regime_tags(inputs(**{name: np.full(500, np.nan)}))
    assert not any(tags[kind].any() for kind in kinds)


def test_sessions_and_weekends_are_those_of_utc():
    tags = regime_tags(inputs(n=24 * 7))
    assert [int(tags[name].sum()) for name in ("ASIA", "EU", "US", "WEEKEND")] == [56, 42, 70, 48]
    assert tags["ASIA"][[0, 7]].all()
    assert tags["EU"][[8, 13]].all()
    assert tags["US"][[14, 23]].all()
    assert np.flatnonzero(tags["WEEKEND"])[0] == 48  # the epoch is a Thursday


def test_the_trailing_median_is_that_of_each_window_and_knows_no_future():
    values = np.random.default_rng(0).random(1500)
    values[100:150] = np.nan
    got = trailing_median(values)
    for i in (0, 198, 248, 249, 250, 719, 720, 1000, 1499):
        window = values[max(0, i - 719) : i + 1]
        known = window[np.isfinite(window)]
        expected = np.median(known) if len(known) >= 200 else np.nan
        np.testing.assert_equal(got[i], expected)
    changed = values.copy()
    changed[1000:] *= 9
    assert np.array_equal(trailing_median(changed)[:1000], got[:1000], equal_nan=True)
    assert len(trailing_median(values[:0])) == 0


def test_the_trailing_percentile_counts_what_is_not_above():
    values = np.arange(1000.0)
    assert trailing_percentile(values) == 1.0
    assert trailing_percentile(np.r_[values, 639.5]) == pytest.approx(360 / 720)
    assert trailing_percentile(values[:199]) is None
    assert trailing_percentile(np.r_[values, np.nan]) is None
    assert trailing_percentile(values[:0]) is None


def test_figures_of_a_regime_are_those_of_its_trades_against_the_rest():
    rng = np.random.default_rng(1)
    net = 0.01 * rng.standard_normal(600)
    times = np.sort(rng.integers(0, 40 * weeks.WEEK_MS, 600))
    drawn = weeks.draw_weeks(times, seed=0)
    good = rng.random(600) < 0.3
    net = net + 0.01 * good
    tags = {"GOOD": good, "FEW": np.arange(600) < 29, "ALL": np.ones(600, dtype=bool)}
    first, few, everything = regime_figures(net, tags, drawn)
    assert first.expectancy_frac == pytest.approx(net[good].mean(), abs=1e-16)
    assert first.difference_frac == pytest.approx(net[good].mean() - net[~good].mean(), abs=1e-16)
    assert first.difference_interval.excludes_zero
    assert (few.too_few, few.n, few.expectancy_frac, few.interval) == (True, 29, None, None)
    assert (everything.difference_frac, everything.difference_interval) == (None, None)
    note = chance_note([first, few, everything])
    assert note == "1 of 1 differences have an interval that excludes 0; about 0.1 would by chance alone."
    with pytest.raises(InputError, match="GOOD"):
        regime_figures(net[:5], {"GOOD": good}, drawn)


def test_the_radar_leaves_out_what_is_unknown_and_names_it():
    full = radar(adx14=75.0, agreement=0.5, volatility=0.2, volume=0.9, sentiment=-0.5)
    assert full.axes == {"trend": 1.0, "momentum": 0.5, "volatility": 0.2, "volume": 0.9, "sentiment": 0.25}
    bare = radar(adx14=float("nan"), agreement=None, volatility=None, volume=0.9, sentiment=float("nan"))
    assert bare.axes == {"volume": 0.9}
    assert bare.unknown == ("trend", "momentum", "volatility", "sentiment")
