"""Walk-forward folds: no second of one part is seen by another, and nothing sees the sealed block."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.synthetic import START_NS, synthetic_table
from tickvol.core.errors import NotEnoughData
from tickvol.core.times import NS_PER_S
from tickvol.volatility.labels.spikes import trainable
from tickvol.volatility.models.fold_rules import FoldRules
from tickvol.volatility.models.folds import Fold, sealed_fold, walk_forward
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelSpec

HOUR_NS = 3600 * NS_PER_S
HORIZON_S = 60
TABLE = synthetic_table(4, hours=9, products=("BTC-USD", "ETH-USD"), gaps=())
ROWS = trainable(TABLE, LabelSpec(horizon_s=HORIZON_S))


def rules(folds: int = 3, first: float = 0.4, validation: float = 0.3, sealed_h: float = 7.5) -> FoldRules:
    sealed = START_NS + round(sealed_h * HOUR_NS)
    return FoldRules(folds=folds, first_share=first, validation_share=validation, sealed_from_ns=sealed)


def spans(table: FeatureTable, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """When each row's look-back opens and its label closes."""
    times = table.bar_end_ns[rows]
    return times - table.spec.lookback_s * NS_PER_S, times + HORIZON_S * NS_PER_S


def follows(table: FeatureTable, later: np.ndarray, earlier: np.ndarray) -> bool:
    """Whether all that later rows see comes after all that earlier rows see; rows of all products move together."""
    return bool(spans(table, later)[0].min() >= spans(table, earlier)[1].max())


@settings(max_examples=30, deadline=None)
@given(folds=st.integers(2, 5), first=st.floats(0.2, 0.6), validation=st.floats(0.2, 0.5), sealed_h=st.floats(6.5, 9.0))
def test_no_second_of_one_part_is_seen_by_another(folds: int, first: float, validation: float, sealed_h: float) -> None:
    chosen = rules(folds, first, validation, sealed_h)
    found = walk_forward(TABLE, ROWS, horizon_s=HORIZON_S, rules=chosen)
    for fold in found:
        if fold.outer.test.any():
            assert follows(TABLE, fold.outer.test, fold.outer.train)
        if fold.inner.validation.any():
            assert follows(TABLE, fold.inner.validation, fold.inner.train)
        assert not (fold.inner.train | fold.inner.validation)[~fold.outer.train].any()
        assert spans(TABLE, fold.outer.train | fold.outer.test)[1].max() <= chosen.sealed_from_ns
        assert not ROWS[~(ROWS | fold.outer.train | fold.outer.test)].any()
    for before, after in pairwise(found):
        assert (after.outer.train | ~before.outer.train).all(), "folds expand"
        assert not (before.outer.test & after.outer.test).any()


def test_train_rows_are_all_that_came_before() -> None:
    for fold in walk_forward(TABLE, ROWS, horizon_s=HORIZON_S, rules=rules()):
        closes = TABLE.bar_end_ns + HORIZON_S * NS_PER_S
        assert fold.outer.train.sum() == (ROWS & (closes <= fold.outer.train_end_ns)).sum()
        lost = ROWS & (TABLE.bar_end_ns < last_of(fold)) & ~fold.outer.train & ~fold.outer.test
        assert fold.outer.purged >= lost.sum() > 0


def last_of(fold: Fold) -> int:
    return int(TABLE.bar_end_ns[fold.outer.test].max())


def test_a_cut_near_a_break_lies_in_it_and_costs_nothing() -> None:
    hours = (TABLE.bar_end_ns - START_NS) / HOUR_NS
    broken = TABLE.take((hours < 3.0) | (hours > 4.5))
    rows = trainable(broken, LabelSpec(horizon_s=HORIZON_S))
    fold = walk_forward(broken, rows, horizon_s=HORIZON_S, rules=rules(2, 0.45))[0]
    before = rows & (broken.bar_end_ns < START_NS + 4 * HOUR_NS)
    assert np.array_equal(fold.outer.train, before)
    assert fold.outer.purged == 0
    first = broken.bar_end_ns[rows & ~before].min()
    assert broken.bar_end_ns[fold.outer.test].min() == first


def test_the_sealed_fold_is_trained_on_all_before_and_judged_on_all_behind() -> None:
    fold = sealed_fold(TABLE, ROWS, horizon_s=HORIZON_S, rules=rules())
    assert follows(TABLE, fold.outer.test, fold.outer.train)
    assert spans(TABLE, fold.outer.test)[0].min() >= rules().sealed_from_ns
    last = walk_forward(TABLE, ROWS, horizon_s=HORIZON_S, rules=rules())[-1]
    assert not (last.outer.test & fold.outer.test).any()
    assert (fold.outer.train | ~last.outer.test).all(), "test rows of the folds are train rows of the sealed one"


def test_what_lies_in_the_sealed_block_moves_no_cut() -> None:
    chosen = rules()
    sealed = TABLE.bar_end_ns + HORIZON_S * NS_PER_S > chosen.sealed_from_ns
    fewer = replace(TABLE.take(~sealed))
    there = walk_forward(TABLE, ROWS, horizon_s=HORIZON_S, rules=chosen)
    gone = walk_forward(fewer, ROWS[~sealed], horizon_s=HORIZON_S, rules=chosen)
    assert [fold.outer.train_end_ns for fold in there] == [fold.outer.train_end_ns for fold in gone]
    assert [fold.inner.train_end_ns for fold in there] == [fold.inner.train_end_ns for fold in gone]


def test_too_few_rows_before_the_sealed_block_are_an_error() -> None:
    with pytest.raises(NotEnoughData, match=r"walk_forward\.folds: 3: 0 of \d+ .*sealed_from: 2"):
        walk_forward(TABLE, ROWS, horizon_s=HORIZON_S, rules=rules(sealed_h=0.1))
