"""Regimes: boundaries from train, codes for every row, unknown where the volatility is."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tickvol.volatility.evaluation.regimes import UNKNOWN, regime_of, tercile_boundaries


@given(st.lists(st.floats(1e-6, 1.0), min_size=3, max_size=80, unique=True))
def test_regimes_of_the_train_rows_hold_about_a_third_each(vol):
    vol = np.array(vol)
    counts = np.bincount(regime_of(vol, tercile_boundaries(vol)), minlength=3)
    assert np.abs(counts - len(vol) / 3).max() <= 1


def test_a_higher_volatility_is_never_in_a_lower_regime():
    vol = np.sort(np.random.default_rng(0).exponential(size=100))
    assert (np.diff(regime_of(vol, (0.5, 1.5))) >= 0).all()


def test_unknown_volatility_has_no_regime():
    assert regime_of(np.array([np.nan, 1.0]), (0.5, 2.0)).tolist() == [UNKNOWN, 1]


def test_without_train_rows_there_are_no_regimes():
    assert tercile_boundaries(np.array([1.0, np.nan, np.nan])) is None
    assert regime_of(np.array([1.0]), None).tolist() == [UNKNOWN]
