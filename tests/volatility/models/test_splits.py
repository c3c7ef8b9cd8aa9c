import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.synthetic import START_NS, synthetic_table
from tickvol.core.errors import NotEnoughData
from tickvol.core.times import NS_PER_S
from tickvol.volatility.labels.spikes import trainable
from tickvol.volatility.models.splits import Split, require_positives, split_by_time
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelSpec

TWO = ("BTC-USD", "ETH-USD")


def split(table: FeatureTable, horizon_s: int = 60, train: float = 0.6, validation: float = 0.2) -> Split:
    rows = trainable(table, LabelSpec(horizon_s=horizon_s))
    return split_by_time(table, rows, horizon_s=horizon_s, train_share=train, validation_share=validation)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 1000),
    horizon_s=st.sampled_from([1, 60, 300]),
    train=st.floats(0.3, 0.6),
    validation=st.floats(0.1, 0.3),
)
def test_no_second_of_one_part_is_seen_by_another(seed: int, horizon_s: int, train: float, validation: float) -> None:
    table = synthetic_table(seed, hours=4, products=TWO)
    parts = split(table, horizon_s, train, validation)
    spans = []
    for rows in parts.parts().values():
        times = table.bar_end_ns[rows]
        if len(times):
            spans.append((times.min() - table.spec.lookback_s * NS_PER_S, times.max() + horizon_s * NS_PER_S))
    for (_, ends), (starts, _) in itertools.pairwise(spans):
        assert ends <= starts


def test_rows_right_at_the_cuts_are_kept_and_the_next_ones_dropped() -> None:
    table = synthetic_table(1, hours=4, gaps=())
    parts = split(table)
    times, lookback_ns = table.bar_end_ns, table.spec.lookback_s * NS_PER_S
    assert times[parts.train].max() == parts.train_end_ns - 60 * NS_PER_S
    assert times[parts.validation].min() == parts.train_end_ns + lookback_ns
    assert times[parts.validation].max() == parts.validation_end_ns - 60 * NS_PER_S
    assert times[parts.test].min() == parts.validation_end_ns + lookback_ns


def test_shares_are_of_the_trainable_rows() -> None:
    table = synthetic_table(1, hours=4, products=TWO)
    rows = trainable(table, LabelSpec())
    parts = split(table)
    before = rows & (table.bar_end_ns < parts.train_end_ns)
    assert before.sum() == pytest.approx(0.6 * rows.sum(), abs=2)
    assert parts.purged == rows.sum() - sum(part.sum() for part in parts.parts().values())


def test_untrainable_rows_are_in_no_part() -> None:
    table = synthetic_table(1, hours=4)
    rows = trainable(table, LabelSpec())
    for part in split(table).parts().values():
        assert not (part & ~rows).any()


def test_too_few_spikes_is_an_error_that_counts_them() -> None:
    table = synthetic_table(1, hours=4)
    parts = split(table)
    positive = np.zeros(len(table), np.bool_)
    positive[np.flatnonzero(parts.train)[:30]] = True
    positive[np.flatnonzero(parts.validation)[:3]] = True
    with pytest.raises(
        NotEnoughData, match=r"at least 20 spikes.*train 30 spikes in \d+ rows, validation 3 spikes.*test 0"
    ):
        require_positives(parts, positive, 20)
    require_positives(parts, np.arange(len(table)) % 10 == 0, 20)


def test_too_few_calm_rows_is_an_error_too() -> None:
    parts = split(synthetic_table(1, hours=4))
    with pytest.raises(NotEnoughData):
        require_positives(parts, np.ones(len(parts.train), np.bool_), 20)


def test_no_trainable_row_is_an_error() -> None:
    table = synthetic_table(1, hours=0.1, start_ns=START_NS)
    with pytest.raises(NotEnoughData, match="none of 360 rows is trainable"):
        split(table)
