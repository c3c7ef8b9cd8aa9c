"""Whether inputs moved: the distance is Wasserstein's, and what blocks of time differ by anyway is no move."""

import dataclasses

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from tests.support.trained import bundles, market
from tickvol.core.times import NS_PER_S
from tickvol.volatility.drift.input_moves import InputMove, MoveRules, input_moves, permuted_wasserstein
from tickvol.volatility.drift.input_rows import InputRows, importance, input_rows
from tickvol.volatility.models.bundle import Bundle

RULES = MoveRules(
    distance=0.3, significance=0.05, min_importance=0.2, min_rows=100, min_blocks=4, permutations=200, seed=7
)
BLOCK_ROWS = 60
NAMES = ("a", "b", "c")


def rows_of(x: np.ndarray, weights: np.ndarray | None = None, start: int = 0) -> InputRows:
    """Rows a second apart, 60 a block; contributions are those of a linear detector."""
    bars = (start + np.arange(len(x), dtype=np.int64)) * NS_PER_S
    weights = np.ones(x.shape[1]) if weights is None else weights
    return InputRows(x, np.nan_to_num(x) * weights, bars, np.arange(len(x)) // BLOCK_ROWS)


def noise(seed: int, blocks: int = 12, inputs: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(blocks * BLOCK_ROWS, inputs))


def moods(seed: int, blocks: int = 12, inputs: int = 3) -> np.ndarray:
    """Each block has a level of its own: what a market's mood does to any input."""
    levels = np.random.default_rng(seed).normal(size=(blocks, inputs))
    return np.repeat(levels, BLOCK_ROWS, axis=0) + 0.1 * noise(seed + 1, blocks, inputs)


def by_name(moves: list[InputMove]) -> dict[str, InputMove]:
    return {move.input: move for move in moves}


values = st.lists(st.tuples(st.floats(-5, 5).map(lambda x: round(x, 2)), st.integers(0, 3)), min_size=8, max_size=40)


@given(values, st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=5))
def test_distance_of_each_deal_is_that_of_scipy(drawn: list[tuple[float, int]], deals: list[list[bool]]) -> None:
    x, block = np.array([value for value, _ in drawn]), np.array([number for _, number in drawn], np.intp)
    found = permuted_wasserstein(x, block, np.array(deals))
    for deal, distance in zip(deals, found, strict=True):
        second = np.array(deal)[block]
        expected = wasserstein_distance(x[~second], x[second]) if 0 < second.sum() < len(x) else 0.0
        assert distance == pytest.approx(expected, abs=1e-9)


def test_only_the_input_that_was_shifted_has_moved() -> None:
    after = noise(2)
    after[:, 1] += 0.5
    moves = by_name(input_moves(rows_of(noise(1)), rows_of(after), NAMES, RULES))
    assert {name: move.moved for name, move in moves.items()} == {"a": False, "b": True, "c": False}
    assert moves["b"].distance == pytest.approx(0.5, abs=0.1)
    assert moves["b"].margin_shift == pytest.approx(0.5, abs=0.1)


def test_what_moods_of_the_market_differ_by_anyway_is_no_move() -> None:
    """The distance is far beyond the threshold, and each row by itself would be sure of it."""
    found = [
        move for seed in range(6) for move in input_moves(rows_of(moods(seed)), rows_of(moods(seed + 50)), NAMES, RULES)
    ]
    far = [move for move in found if move.distance is not None and move.distance > RULES.distance]
    assert len(far) >= 6
    assert sum(bool(move.moved) for move in found) <= 1  # one in twenty
    row_by_row = [InputRows(r.x, r.contributions, r.bar_end_ns, np.arange(len(r.x))) for r in
                  (rows_of(moods(3)), rows_of(moods(53)))]  # fmt: skip
    assert all(move.moved for move in input_moves(*row_by_row, NAMES, RULES))


def test_looking_at_many_inputs_makes_no_more_false_alarms() -> None:
    names = tuple(str(number) for number in range(10))
    rules = dataclasses.replace(RULES, distance=0.0, min_importance=0.01)
    alarmed = 0
    for seed in range(1000, 1060, 3):
        sides = rows_of(moods(seed, inputs=10)), rows_of(moods(seed + 8000, inputs=10))
        alarmed += any(move.moved for move in input_moves(*sides, names, rules))
    assert alarmed <= 3  # of 20; each input by itself would be wrong once, so that half of these would be


def test_a_move_beyond_the_moods_is_found() -> None:
    moves = input_moves(rows_of(moods(1)), rows_of(moods(51) + 3.0), NAMES, RULES)
    assert all(move.moved for move in moves)


@pytest.mark.parametrize(("before", "after"), [(3, 12), (12, 3)])
def test_too_few_blocks_are_not_judged(before: int, after: int) -> None:
    for move in input_moves(rows_of(noise(1, before)), rows_of(noise(2, after) + 9.0), NAMES, RULES):
        assert (move.moved, move.p_value) == (None, None)
        assert move.reason == f"{before} blocks against {after}, at least 4 needed"
        assert move.distance is not None


def test_an_input_that_is_hardly_known_is_not_judged_and_says_so() -> None:
    after = noise(2)
    after[50:, 2] = np.nan
    move = by_name(input_moves(rows_of(noise(1)), rows_of(after), NAMES, RULES))["c"]
    assert (move.moved, move.distance, move.reason) == (None, None, "known in fewer than 100 rows of a side")
    assert move.current_unknown == pytest.approx(1 - 50 / len(after))


def test_any_move_of_a_constant_is_a_far_one_and_none_is_none() -> None:
    before, after = noise(1), noise(2)
    before[:, :2] = after[:, 0] = 1.0
    after[:, 1] = 1.5
    moves = by_name(input_moves(rows_of(before), rows_of(after), NAMES, RULES))
    assert (moves["a"].distance, moves["a"].moved) == (0.0, False)
    assert moves["b"].moved
    assert moves["b"].distance is not None
    assert np.isfinite(moves["b"].distance)
    assert msgspec.json.encode(list(moves.values()))


def test_importance_is_the_share_of_what_moves_the_margin() -> None:
    x = noise(1)
    x[:, 2] = 5.0  # adds much, and always the same
    shares = importance(rows_of(x, np.array([3.0, -1.0, 100.0])))
    assert shares.sum() == pytest.approx(1.0)
    assert shares[0] == pytest.approx(0.75, abs=0.05)
    assert shares[2] == 0.0
    assert importance(rows_of(np.ones((100, 2)))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("bundle", bundles(), ids=lambda bundle: bundle.name)
def test_every_bundle_gives_its_rows_and_shares(bundle: Bundle) -> None:
    rows = input_rows(market(), bundle, max_rows=500, block_s=3600)
    assert rows.x.shape == rows.contributions.shape == (500, len(bundle.input_names))
    assert importance(rows).sum() == pytest.approx(1.0)
    assert np.array_equal(np.unique(rows.block), np.arange(rows.blocks))
    hours = (rows.bar_end_ns - 1) // (3600 * NS_PER_S)
    assert np.array_equal(rows.block, hours - hours.min())  # of both products at once


def test_same_sides_give_the_same_figures() -> None:
    sides = rows_of(moods(1)), rows_of(moods(2))
    assert input_moves(*sides, NAMES, RULES) == input_moves(*sides, NAMES, RULES)
