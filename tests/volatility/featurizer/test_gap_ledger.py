"""Gap records to interruptions: joined, once each, with the rows that they touched."""

import numpy as np
import pytest

from tickvol.core.records import Gap
from tickvol.volatility.featurizer.gap_ledger import BarsOf, GapLedger, Interruption, touched, unknown_ns
from tickvol.volatility.schema.feature_spec import FeatureSpec

SECOND = 10**9
BTC, ETH = "BTC-USD", "ETH-USD"
SPEC = FeatureSpec(windows_s=(10, 30), reference_window_s=10)


def ledger_of(*gaps):
    ledger = GapLedger()
    for gap in gaps:
        ledger.add(gap)
    return ledger


def jump(product, start_s, end_s, first=5, last=7):
    return Gap(product, round(start_s * SECOND), round(end_s * SECOND), "jump", first, last)


def down(product, start_s, end_s, reason="reconnect"):
    return Gap(product, round(start_s * SECOND), round(end_s * SECOND), reason)


def test_products_of_the_same_jump_are_one_line_with_its_lost_numbers():
    (entry,) = ledger_of(jump(ETH, 1, 2), jump(BTC, 1, 2)).interruptions()
    assert list(entry.until_ns) == [BTC, ETH]
    assert (entry.missing, entry.from_ns, entry.end_ns) == (3, SECOND, 2 * SECOND)


def test_a_reconnection_ends_for_each_product_at_its_own_first_tick():
    (entry,) = ledger_of(down(BTC, 1, 3), down(ETH, 1, 9)).interruptions()
    assert entry.until_ns == {BTC: 3 * SECOND, ETH: 9 * SECOND}
    assert (entry.end_ns, entry.missing) == (9 * SECOND, None)


def test_a_gap_that_was_sent_again_counts_once():
    assert len(ledger_of(jump(BTC, 1, 2), jump(BTC, 1, 2), jump(BTC, 1, 2)).interruptions()) == 1


@pytest.mark.parametrize(
    "other",
    [down(BTC, 1, 2), down(BTC, 1, 2, "silence"), jump(BTC, 1, 2, 5, 8), jump(BTC, 1.5, 2)],
    ids=["no numbers", "another reason", "other numbers", "another start"],
)
def test_gaps_that_differ_are_two(other):
    assert len(ledger_of(jump(BTC, 1, 2), other).interruptions()) == 2


def test_they_come_in_order_of_time_and_the_short_are_left_out_on_request():
    ledger = ledger_of(down(BTC, 50, 60), down(BTC, 1, 3), down(BTC, 20, 20.5))
    assert [entry.from_ns // SECOND for entry in ledger.interruptions()] == [1, 20, 50]
    assert [entry.from_ns // SECOND for entry in ledger.interruptions(min_s=2)] == [1, 50]


def test_time_in_overlapping_gaps_is_unknown_once():
    gaps = ledger_of(down(BTC, 0, 10), jump(BTC, 2, 4), down(BTC, 9, 12, "silence"), down(BTC, 20, 21)).interruptions()
    assert unknown_ns(gaps, BTC) == 13 * SECOND
    assert unknown_ns(gaps, ETH) == 0


def test_the_span_of_a_product_grows_in_both_directions():
    ledger = GapLedger()
    for start, end in [(5, 6), (2, 3), (8, 8)]:
        ledger.saw(BTC, start, end)
    assert ledger.spans() == {BTC: (2, 8)}


def bars(first, last, missing=()):
    numbers = np.arange(first, last + 1)
    return BarsOf(numbers, np.isin(numbers, missing))


@pytest.mark.parametrize(
    ("start_s", "end_s", "rows"),
    [
        (100.0, 100.0, 30),  # one bar: itself and the 29 rows whose window still holds it
        (100.5, 101.5, 31),  # touches two bars
        (100.0, 101.0, 31),  # both bounds belong to a gap
        (99.999999999, 100.0, 31),
        (0.0, 0.0, 0),  # its windows end before the dataset begins
        (490.0, 600.0, 10),  # the dataset ends
        (0.0, 30.0, 10),  # bars 50 to 59 still see bar 30
    ],
)
def test_rows_are_touched_as_long_as_their_longest_window_holds_a_touched_bar(start_s, end_s, rows):
    gap = Interruption(round(start_s * SECOND), "jump", None, None, {BTC: round(end_s * SECOND)})
    assert touched(gap, {BTC: bars(50, 499)}, SPEC) == (rows, 0)


def test_touched_rows_are_those_that_windows_computed_plainly_overlap():
    gap = Interruption(103 * SECOND + 7, "jump", None, None, {BTC: 108 * SECOND + 1})
    longest = SPEC.bars(SPEC.longest_window_s)
    in_gap = set(range(103, 109))
    plainly = sum(bool(in_gap & set(range(bar - longest + 1, bar + 1))) for bar in range(50, 500))
    assert touched(gap, {BTC: bars(50, 499)}, SPEC)[0] == plainly


def test_rows_of_all_its_products_count_and_missing_bars_among_them():
    gap = Interruption(100 * SECOND, "reconnect", None, None, {BTC: 100 * SECOND, ETH: 102 * SECOND, "X-Y": 0})
    found = touched(gap, {BTC: bars(0, 499, [100, 400]), ETH: bars(0, 499, [100, 101, 102])}, SPEC)
    assert found == (30 + 32, 1 + 3)
