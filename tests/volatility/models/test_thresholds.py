import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from tickvol.volatility.models.thresholds import choose_thresholds


def test_alert_is_where_f1_is_highest() -> None:
    rng = np.random.default_rng(1)
    probability = rng.random(500)
    positive = rng.random(500) < probability**4
    chosen = choose_thresholds(probability, positive, 0.5)
    best = max(np.unique(probability), key=lambda p: f1_score(positive, probability >= p))
    assert chosen.alert == best


def test_alert_lies_above_the_share_of_spikes() -> None:
    probability = np.repeat([0.05, 0.4], 500)
    positive = np.concatenate([np.arange(500) % 2 == 0, np.arange(500) % 50 == 0])
    assert choose_thresholds(probability, positive, 0.5).alert == 0.4


def test_watch_lies_between_the_share_of_spikes_and_alert_in_log_odds() -> None:
    probability = np.repeat([0.02, 0.8], [900, 100])
    positive = np.repeat([False, True], [900, 100])
    chosen = choose_thresholds(probability, positive, 0.5)
    odds = [p / (1 - p) for p in (0.1, chosen.watch, chosen.alert)]
    assert odds[1] == pytest.approx(np.sqrt(odds[0] * odds[2]))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    share=st.floats(0.01, 0.99),
    levels=st.sampled_from([1, 2, 5, 1000]),
    low=st.floats(0, 1),
)
def test_watch_is_always_below_alert(seed: int, share: float, levels: int, low: float) -> None:
    rng = np.random.default_rng(seed)
    probability = low + (1 - low) * np.floor(rng.random(300) * levels) / levels
    positive = np.arange(300) % 7 == 0
    chosen = choose_thresholds(probability, positive, share)
    assert 0 < chosen.watch < chosen.alert < 1
