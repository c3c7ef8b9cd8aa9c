import math

import numpy as np
import pytest

from tests.risk.figures.closes import MADE
from tickvol.risk.figures.drawdown import Episode, deepest, drawdowns, episodes

X = math.nan

CASES = {
    "a fall and its recovery": ([1, 2, 1, 2], [Episode(1, 2, 3, -0.5)]),
    "no recovery yet": ([2, 1, 1.5], [Episode(0, 1, None, -0.5)]),
    "no fall": ([1, 1, 2, 3], []),
    "the first of equal troughs": ([4, 2, 3, 2, 4], [Episode(0, 1, 4, -0.5)]),
    "the first of equal peaks": ([4, 4, 2, 5], [Episode(0, 2, 3, -0.5)]),
    "a peak that is reached and left again": ([4, 2, 4, 3, 4], [Episode(0, 1, 2, -0.5), Episode(2, 3, 4, -0.25)]),
    "a higher peak": ([4, 2, 8, 4], [Episode(0, 1, 2, -0.5), Episode(2, 3, None, -0.5)]),
    "missing days are passed over": ([X, 4, X, 2, X, 4, X], [Episode(1, 3, 5, -0.5)]),
    "nothing known": ([X, X], []),
    "no day": ([], []),
}


@pytest.mark.parametrize("case", CASES)
def test_episodes(case: str) -> None:
    closes, expected = CASES[case]
    assert episodes(np.array(closes, dtype=float)) == tuple(expected)


def test_days_down_and_up_are_counted_in_days() -> None:
    episode = episodes(np.array([4.0, X, 2.0, 3.0, 4.0]))[0]
    assert (episode.days_down, episode.days_up) == (2, 2)
    assert Episode(0, 1, None, -0.5).days_up is None


def test_the_deepest_drawdown_starts_where_its_peak_was_first_set() -> None:
    assert deepest(np.array([4.0, 3.0, 4.0, 1.0, 4.0])) == Episode(0, 3, 4, -0.75)


def test_the_deepest_drawdown_is_the_first_of_equal_ones() -> None:
    assert deepest(np.array([4.0, 2.0, 8.0, 4.0])) == Episode(0, 1, 2, -0.5)


@pytest.mark.parametrize("closes", [[], [X], [1.0], [1.0, 2.0, X]])
def test_without_a_fall_there_is_no_deepest_drawdown(closes: list[float]) -> None:
    assert deepest(np.array(closes)) is None


@pytest.mark.parametrize("name", MADE)
def test_episodes_cover_exactly_the_days_below_a_peak(name: str) -> None:
    drawdown = drawdowns(MADE[name])
    below = np.zeros(len(drawdown), dtype=bool)
    found = episodes(MADE[name])
    for episode in found:
        fallen = episode.peak + int(np.argmax(drawdown[episode.peak :] < 0.0))
        days = slice(fallen, episode.recovery)
        below[days] = True
        assert np.nanmin(drawdown[days]) == drawdown[episode.trough] == episode.depth
    np.testing.assert_array_equal((drawdown < 0.0)[~np.isnan(drawdown)], below[~np.isnan(drawdown)])
    assert len({episode.peak for episode in found}) == len(found)
    worst = deepest(MADE[name])
    assert (worst.depth if worst else 0.0) == min((episode.depth for episode in found), default=0.0)
