"""The domain classifier finds what differs, and does not find again by heart what it was trained on."""

import numpy as np
import pytest

from tests.volatility.drift.test_input_moves import BLOCK_ROWS, NAMES, moods, noise, rows_of
from tickvol.core.times import NS_PER_S
from tickvol.volatility.drift.domain_classifier import ClassifierRules, domain_classifier
from tickvol.volatility.drift.input_rows import InputRows

RULES = ClassifierRules(c=0.1, folds=4, embargo_ns=5 * NS_PER_S, min_blocks=4, samples=200, seed=7)
APART = 10**6


def shuffled(rows: InputRows, seed: int) -> InputRows:
    """Rows dealt to the folds one by one, as an ordinary cross-validation does."""
    order = np.random.default_rng(seed).permutation(len(rows.x))
    return InputRows(rows.x, rows.contributions, rows.bar_end_ns, rows.block[order])


def test_it_tells_a_shift_and_names_the_input() -> None:
    after = noise(2)
    after[:, 1] += 1.0
    found = domain_classifier(rows_of(noise(1)), rows_of(after, start=APART), NAMES, RULES)
    assert found.auc == pytest.approx(0.76, abs=0.03)  # of two normals a spread apart
    assert found.auc_low is not None
    assert found.tells_apart
    assert found.inputs[0].input == "b"
    assert found.inputs[0].weight_share > 0.8
    assert found.inputs[0].auc_alone == pytest.approx(0.76, abs=0.03)
    assert (found.folds, found.reason) == (4, None)


def test_rows_of_one_kind_are_not_told_apart() -> None:
    found = domain_classifier(rows_of(noise(1)), rows_of(noise(2), start=APART), NAMES, RULES)
    assert found.tells_apart is False
    assert found.auc == pytest.approx(0.5, abs=0.05)


def test_folds_of_time_know_nothing_by_heart_and_folds_of_rows_all_of_it() -> None:
    """Twenty-four blocks with a level of their own in forty inputs: any half of them can be told from the other."""
    names = tuple(str(number) for number in range(40))
    free = ClassifierRules(c=0.1, folds=4, embargo_ns=-APART * NS_PER_S, min_blocks=4, samples=20, seed=7)
    honest, by_heart = [], []
    for seed in range(8):
        sides = rows_of(moods(1000 + 3 * seed, inputs=40)), rows_of(moods(9000 + 3 * seed, inputs=40), start=APART)
        honest.append(domain_classifier(*sides, names, RULES))
        by_heart.append(domain_classifier(shuffled(sides[0], 1), shuffled(sides[1], 2), names, free))
    assert np.mean([found.auc for found in honest if found.auc is not None]) == pytest.approx(0.5, abs=0.12)
    assert sum(bool(found.tells_apart) for found in honest) <= 2
    assert all(found.auc is not None and found.auc > 0.95 for found in by_heart)


def test_rows_within_the_embargo_are_not_trained_on() -> None:
    """The last row of each block gives the side away to its neighbour only."""
    wide = ClassifierRules(c=0.1, folds=4, embargo_ns=APART * NS_PER_S, min_blocks=4, samples=20, seed=7)
    found = domain_classifier(rows_of(noise(1)), rows_of(noise(2)), NAMES, wide)
    assert (found.auc, found.tells_apart, found.reason) == (None, None, "the embargo leaves no row to train on")
    near = ClassifierRules(c=0.1, folds=4, embargo_ns=BLOCK_ROWS * NS_PER_S, min_blocks=4, samples=20, seed=7)
    assert domain_classifier(rows_of(noise(1)), rows_of(noise(2), start=APART), NAMES, near).folds == 4


@pytest.mark.parametrize(("blocks", "least", "says"), [(3, 4, "as many folds"), (5, 6, "at least 6 needed")])
def test_without_blocks_enough_there_is_no_interval_and_a_reason(blocks: int, least: int, says: str) -> None:
    rules = ClassifierRules(c=0.1, folds=4, embargo_ns=0, min_blocks=least, samples=20, seed=7)
    found = domain_classifier(rows_of(noise(1, blocks)), rows_of(noise(2), start=APART), NAMES, rules)
    assert (found.auc_low, found.auc_high, found.tells_apart) == (None, None, None)
    assert found.reason is not None
    assert says in found.reason
    assert (found.auc is None) == (blocks < 4)


def test_being_unknown_tells_too() -> None:
    after = noise(2)
    after[::2, 0] = np.nan
    found = domain_classifier(rows_of(noise(1)), rows_of(after, start=APART), NAMES, RULES)
    assert found.tells_apart
    assert found.inputs[0].input == "a"


def test_an_input_that_one_side_never_knows_is_borne() -> None:
    after = noise(2)
    after[:, 0] = np.nan
    found = domain_classifier(rows_of(noise(1)), rows_of(after, start=APART), NAMES, RULES)
    assert found.tells_apart
    assert found.inputs[0].auc_alone is None


def test_same_sides_give_the_same_figures() -> None:
    sides = rows_of(moods(1)), rows_of(moods(2), start=APART)
    assert domain_classifier(*sides, NAMES, RULES) == domain_classifier(*sides, NAMES, RULES)
