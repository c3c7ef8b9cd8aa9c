"""Confirmation case by case: which barrier is first, at which price, and when a result is unknown."""

import numpy as np
import pytest

from tests.signals.confirming.reference import L, bars_of, decisions_of
from tickvol.core.errors import InputError
from tickvol.signals.confirming.confirm import confirm
from tickvol.signals.confirming.gaps import NoData
from tickvol.signals.confirming.outcomes import Costs, ExitReason, Status

FREE = Costs(fee_bps=0.0)
QUIET = (100, 101, 99, 100)

CASES = {
    "buy_tp_in_the_entry_bar": (1, [(100, 103, 99, 102)], "WIN", "TP", 102.0, 1, False),
    "buy_sl_in_the_entry_bar": (1, [(100, 101, 97, 99)], "LOSS", "SL", 98.0, 1, False),
    "buy_sl_then_tp": (1, [(100, 101, 97.5, 98), (98, 104, 98, 103)], "LOSS", "SL", 98.0, 1, False),
    "buy_tp_then_sl": (1, [QUIET, (100, 102, 99, 101), (101, 101, 90, 91)], "WIN", "TP", 102.0, 2, False),
    "buy_touch_is_enough": (1, [QUIET, (100, 102, 99, 101)], "WIN", "TP", 102.0, 2, False),
    "buy_both_in_one_bar": (1, [QUIET, (100, 103, 97, 100)], "LOSS", "SL", 98.0, 2, True),
    "buy_gap_below_the_stop": (1, [QUIET, (96, 105, 95, 104)], "LOSS", "SL_GAP", 96.0, 2, False),
    "buy_open_at_the_stop": (1, [QUIET, (98, 105, 98, 104)], "LOSS", "SL", 98.0, 2, False),
    "buy_gap_above_the_target": (1, [QUIET, (105, 106, 90, 91)], "WIN", "TP", 102.0, 2, False),
    "buy_timeout": (1, [QUIET, QUIET, (100, 101.5, 99, 101)], "TIMEOUT", "TIMEOUT", 101.0, 3, False),
    "buy_not_elapsed": (1, [QUIET, QUIET], "PENDING", "NONE", None, 0, False),
    "buy_decided_before_the_window_ends": (1, [(100, 103, 99, 102)], "WIN", "TP", 102.0, 1, False),
    "buy_hole_before_a_touch": (1, [QUIET, None, (100, 103, 99, 102)], "PENDING", "NONE", None, 0, False),
    "buy_hole_after_the_decision": (1, [(100, 103, 99, 102), None, QUIET], "WIN", "TP", 102.0, 1, False),
    "buy_no_entry_bar_yet": (1, [None, QUIET], "PENDING", "NONE", None, 0, False),
    "sell_tp": (-1, [QUIET, (100, 101, 97.5, 98)], "WIN", "TP", 98.0, 2, False),
    "sell_sl": (-1, [QUIET, (100, 102.5, 99, 101)], "LOSS", "SL", 102.0, 2, False),
    "sell_both_in_one_bar": (-1, [QUIET, (100, 103, 97, 100)], "LOSS", "SL", 102.0, 2, True),
    "sell_gap_above_the_stop": (-1, [QUIET, (104, 104, 95, 96)], "LOSS", "SL_GAP", 104.0, 2, False),
    "sell_gap_below_the_target": (-1, [QUIET, (95, 110, 94, 109)], "WIN", "TP", 98.0, 2, False),
    "sell_timeout": (-1, [QUIET, QUIET, (100, 101, 99, 99.5)], "TIMEOUT", "TIMEOUT", 99.5, 3, False),
}


def only(rows, side=1, tp=0.02, sl=0.02, lookahead=3, *, costs=FREE, at=0, **options):
    return confirm(decisions_of(at, side, tp, sl, lookahead), bars_of(rows), costs=costs, **options)


@pytest.mark.parametrize(("side", "rows", "status", "reason", "price", "held", "ambiguous"), CASES.values(), ids=CASES)
def test_a_path_has_one_outcome(side, rows, status, reason, price, held, ambiguous):
    result = only(rows, side)
    assert (Status(result.status[0]).name, ExitReason(result.exit_reason[0]).name) == (status, reason)
    assert result.ambiguous[0] == ambiguous
    assert result.bars_held[0] == held
    if price is None:
        assert np.isnan(result.exit_price[0])
        assert result.confirmed_at_ms[0] == 0
    else:
        assert result.exit_price[0] == pytest.approx(price, abs=1e-12)
        assert result.confirmed_at_ms[0] == held * L
        assert result.pnl_gross_frac[0] == pytest.approx(side * (price - 100) / 100, abs=1e-15)


def test_fees_are_paid_on_both_sides_of_the_traded_value():
    result = only([(100, 103, 99, 102)], costs=Costs(fee_bps=10.0))
    assert result.pnl_gross_frac[0] == pytest.approx(0.02, abs=1e-15)
    assert result.pnl_net_frac[0] == pytest.approx(0.02 - 0.001 * (1 + 1.02), abs=1e-15)


def test_a_target_that_does_not_pay_its_costs_is_a_loss_that_left_at_the_target():
    result = only([(100, 103, 99, 102)], tp=0.001, costs=Costs(fee_bps=10.0))
    assert (result.status[0], result.exit_reason[0]) == (Status.LOSS, ExitReason.TP)


def test_slippage_worsens_entries_and_stops_and_not_targets():
    costs = Costs(fee_bps=0.0, slippage_bps=10.0)
    entry = 100 * 1.001
    won, lost, gapped = (
        only(rows, costs=costs) for rows in ([(100, 104, 99, 102)], [(100, 101, 95, 96)], [QUIET, (90,) * 4])
    )
    assert won.exit_price[0] == pytest.approx(entry * 1.02, rel=1e-15)
    assert lost.exit_price[0] == pytest.approx(entry * 0.98 * 0.999, rel=1e-15)
    assert gapped.exit_price[0] == pytest.approx(90 * 0.999, rel=1e-15)
    sold = only([QUIET, (110,) * 4], -1, costs=costs)
    assert sold.entry_price[0] == pytest.approx(99.9, rel=1e-15)
    assert sold.exit_price[0] == pytest.approx(110 * 1.001, rel=1e-15)


def test_entry_is_the_open_after_the_decision_and_not_the_close_before_it():
    result = only([QUIET, (102, 102.5, 101.5, 102)], at=L, lookahead=1)
    assert result.entry_price[0] == 102.0
    assert result.status[0] == Status.TIMEOUT


def test_a_delayed_entry_keeps_the_end_of_the_window():
    result = only([QUIET, (101, 101, 101, 101), (101, 101, 101, 101)], entry_delay_bars=1)
    assert result.entry_price[0] == 101.0
    assert (result.bars_held[0], result.confirmed_at_ms[0]) == (2, 3 * L)


@pytest.mark.parametrize(
    ("rows", "reason", "confirmed"),
    [([None, QUIET], ExitReason.NO_ENTRY, L), ([QUIET, None, QUIET], ExitReason.DATA_GAP, 2 * L)],
)
def test_a_bar_that_never_comes_makes_the_result_unknown(rows, reason, confirmed):
    dead = NoData(np.array([confirmed]), np.array([confirmed + 1]))
    result = only(rows, no_data=dead)
    assert (result.status[0], result.exit_reason[0]) == (Status.UNKNOWN, reason)
    assert result.confirmed_at_ms[0] == confirmed
    assert np.isnan(result.pnl_net_frac[0])


def finer(rows, length_ms=L // 4):
    return bars_of([(100, 100, 100, 100)] * 4 + rows, length_ms=length_ms)


BOTH = [QUIET, (100, 103, 97, 100)]
FINE_CASES = {
    "target_first": ([(100, 103, 99, 102), (102, 102, 97, 98), (98, 99, 98, 99), (99, 100, 99, 100)], "TP", 5, False),
    "stop_first": ([(100, 101, 97, 98), (98, 103, 98, 102), (102, 102, 100, 100), (100, 100, 99, 100)], "SL", 5, False),
    "second_decides": (
        [(100, 101, 99, 100), (100, 103, 99, 102), (102, 102, 97, 98), (98, 100, 98, 100)],
        "TP",
        6,
        False,
    ),
    "opens_below_stop": (
        [(100, 101, 99, 100), (97, 103, 97, 102), (102, 102, 100, 100), (100, 100, 99, 100)],
        "SL",
        6,
        False,
    ),
    "opens_above_target": (
        [(100, 101, 99, 100), (103, 103, 97, 98), (98, 99, 98, 99), (99, 100, 99, 100)],
        "TP",
        6,
        False,
    ),
    "still_both": ([(100, 101, 99, 100), (100, 103, 97, 98), (98, 99, 98, 99), (99, 100, 99, 100)], "SL", 6, True),
}


@pytest.mark.parametrize(("rows", "reason", "quarter", "ambiguous"), FINE_CASES.values(), ids=FINE_CASES)
def test_the_finest_interval_decides_a_bar_that_touched_both(rows, reason, quarter, ambiguous):
    result = only(BOTH, finer=[finer(rows)])
    assert ExitReason(result.exit_reason[0]).name == reason
    assert result.exit_price[0] == pytest.approx(102 if reason == "TP" else 98, abs=1e-12)
    assert (result.ambiguous[0], result.resolution_ms[0]) == (ambiguous, L // 4)
    assert result.confirmed_at_ms[0] == quarter * (L // 4)


@pytest.mark.parametrize("missing", range(4))
def test_a_finer_interval_with_a_hole_decides_nothing(missing):
    rows = list(FINE_CASES["target_first"][0])
    rows[missing] = None
    result = only(BOTH, finer=[finer(rows)])
    assert (result.exit_reason[0], bool(result.ambiguous[0]), result.resolution_ms[0]) == (ExitReason.SL, True, L)
    assert result.pnl_net_optimistic_frac[0] == pytest.approx(0.02, abs=1e-15)


def test_finer_bars_that_contradict_the_bar_leave_the_doubt():
    result = only(BOTH, finer=[finer([QUIET] * 4)])
    assert (bool(result.ambiguous[0]), result.resolution_ms[0]) == (True, L)


def test_the_finest_of_several_intervals_is_asked_and_a_holed_one_is_passed_over():
    quarters = finer(FINE_CASES["target_first"][0])
    halves = bars_of([QUIET, QUIET, (100, 101, 97, 98), (98, 103, 98, 100)], length_ms=L // 2)
    assert only(BOTH, finer=[halves, quarters]).exit_reason[0] == ExitReason.TP
    holed = finer([None, *FINE_CASES["target_first"][0][1:]])
    assert only(BOTH, finer=[holed, halves]).exit_reason[0] == ExitReason.SL


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"at": 1}, "predicting_at_ms: 1"),
        ({"side": 0}, "side"),
        ({"tp": 2.0}, "tp_frac"),
        ({"sl": 0.0}, "sl_frac"),
        ({"lookahead": 0}, "lookahead_bars"),
        ({"entry_delay_bars": 3}, "entry_delay_bars: 3"),
        ({"finer": [bars_of([QUIET], length_ms=L)]}, "finer: 3600000"),
        ({"finer": [bars_of([QUIET], length_ms=2_000_000)]}, "finer: 2000000"),
    ],
)
def test_a_decision_that_breaks_a_rule_is_refused_by_name(changed, named):
    with pytest.raises(InputError, match=named):
        only([QUIET], **changed)


def test_no_decisions_have_no_results():
    assert len(only([QUIET], at=[]).status) == 0


def test_costs_outside_of_their_range_are_refused():
    with pytest.raises(InputError, match="fee_bps: -1"):
        Costs(fee_bps=-1)
