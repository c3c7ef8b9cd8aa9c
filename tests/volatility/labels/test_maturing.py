"""Labels that mature row by row are those of the stored table, whatever the batches and wherever it starts again."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.synthetic import START_NS, synthetic_table
from tickvol.core.times import NS_PER_S
from tickvol.volatility.labels.maturing import Maturing, Terms
from tickvol.volatility.labels.spikes import label_values
from tickvol.volatility.schema.label_spec import LabelKind, LabelSpec, Outcome

WHOLE = synthetic_table(4, hours=0.4, gaps=[(600, 605), (900, 910)])
TABLE = WHOLE.take(~((WHOLE.bar_end_ns > START_NS + 1200 * NS_PER_S) & (WHOLE.bar_end_ns < START_NS + 1207 * NS_PER_S)))
TERMS = Terms(LabelKind.RELATIVE, 60, 1.2)
NO_THRESHOLD = Terms(LabelKind.RELATIVE, 60, np.nan)


def matured(table, cuts, terms, maturing=None):
    """What comes out when rows come in pieces."""
    maturing = maturing or Maturing(table.spec, table.products[0])
    found, edges = [], [0, *sorted(cuts), len(table)]
    for begin, end in itertools.pairwise(edges):
        rows = slice(begin, end)
        closed = table.bar_end_ns[rows] + 7
        found += maturing.push(table.bar_end_ns[rows], closed, table.values[rows], terms[rows])
    return found, maturing


def same(one, other):
    return repr(one) == repr(other)  # NaN is not equal to itself


@given(st.lists(st.integers(0, len(TABLE)), max_size=6))
def test_values_are_those_of_the_table_bit_by_bit_however_rows_are_cut(cuts):
    found, _ = matured(TABLE, cuts, [TERMS] * len(TABLE))
    ends = [one.bar_end_ns for one in found]
    last = TABLE.bar_end_ns[-1]
    assert ends == TABLE.bar_end_ns[TABLE.bar_end_ns + 60 * NS_PER_S <= last].tolist()
    expected = label_values(TABLE, LabelSpec())[: len(found)]
    assert np.array([one.value for one in found]).tobytes() == expected.tobytes()


@given(st.integers(1, len(TABLE) - 1), st.integers(0, 5))
def test_a_start_at_the_earliest_row_that_waits_gives_the_same_rest(cut, step):
    terms = [Terms(LabelKind.RELATIVE, 60 if row % 7 else 30 * step + 30, 1.2) for row in range(len(TABLE))]
    head, maturing = matured(TABLE.take(np.arange(cut)), [], terms[:cut])
    again = Maturing(TABLE.spec, TABLE.products[0])
    start = int(np.searchsorted(TABLE.bar_end_ns, maturing.since_ns))
    silent, _ = matured(TABLE.take(np.arange(start, cut)), [], terms[start:cut], again)
    assert {one.bar_end_ns for one in silent} <= {one.bar_end_ns for one in head}
    rest = TABLE.take(np.arange(cut, len(TABLE)))
    assert same(matured(rest, [], terms[cut:], again)[0], matured(rest, [], terms[cut:], maturing)[0])


def test_an_outcome_is_known_when_the_last_bar_of_its_horizon_was_closed_and_not_before():
    found, _ = matured(TABLE, [], [TERMS] * len(TABLE))
    known = [one for one in found if one.outcome is not Outcome.UNKNOWN]
    assert len(known) > 500
    assert all(one.known_ns == one.bar_end_ns + 60 * NS_PER_S + 7 for one in known)
    assert {one.outcome for one in known} == {Outcome.SPIKE, Outcome.CALM}
    assert all((one.outcome is Outcome.SPIKE) == (one.value >= 1.2) for one in known)


@pytest.mark.parametrize(
    ("second", "terms", "reason"),
    [
        pytest.param(1199, TERMS, "6 of the 60 bars of the horizon have no row", id="rows are missing"),
        pytest.param(1000, TERMS, None, id="all is known"),
        pytest.param(880, TERMS, "12 of the 60 bars of the horizon have no known return", id="a gap"),
        pytest.param(30, TERMS, "typical_vol is nan, must be known and positive: nothing to compare with", id="young"),
        pytest.param(
            1000, TERMS._replace(threshold=np.nan), "product BTC-USD: the bundle has no threshold", id="product"
        ),
    ],
)
def test_an_unknown_outcome_says_why(second, terms, reason):
    found, _ = matured(TABLE, [], [terms] * len(TABLE))
    (one,) = [one for one in found if one.bar_end_ns == START_NS + second * NS_PER_S]
    if reason is None:
        assert one.reason is None
    else:
        assert one.outcome is Outcome.UNKNOWN
        assert one.reason.startswith(reason)


def test_a_row_whose_horizon_ends_in_a_hole_is_told_by_the_first_row_after_it():
    hole = (TABLE.bar_end_ns + 60 * NS_PER_S > START_NS + 1200 * NS_PER_S) & (
        TABLE.bar_end_ns + 60 * NS_PER_S < START_NS + 1207 * NS_PER_S
    )
    ends = set(TABLE.bar_end_ns[hole].tolist())
    found, _ = matured(TABLE, [], [TERMS] * len(TABLE))
    assert {one.known_ns for one in found if one.bar_end_ns in ends} == {START_NS + 1207 * NS_PER_S + 7}
