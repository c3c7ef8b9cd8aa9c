"""Rows near missing bars: windows that touch a hole have none, and recursions begin anew or bridge it."""

import numpy as np
import pytest

from tests.signals.indicators.market import COMPUTED, HOUR_MS, MONDAY_MS, replaced, walk, without
from tickvol.signals.indicators.bars import Bars
from tickvol.signals.indicators.compute import compute
from tickvol.signals.indicators.registry import INDICATORS

WINDOWS = [code for code in COMPUTED if INDICATORS[code].scope == "window"]
RECURSIONS = [code for code in COMPUTED if INDICATORS[code].scope == "recursion"]
SESSIONS = [code for code in COMPUTED if INDICATORS[code].scope == "session"]


def known(bars, code, max_bridge=0):
    return np.isfinite(compute(bars, [code], max_bridge_bars=max_bridge)[code].on(bars.close_time_ms))


@pytest.mark.parametrize("max_bridge", [0, 3])
@pytest.mark.parametrize("code", WINDOWS)
def test_a_window_that_holds_a_hole_has_no_row_bridged_or_not(code, max_bridge):
    warmup = INDICATORS[code].warmup_bars
    rows = known(without(walk(200), 100), code, max_bridge)
    assert np.flatnonzero(~rows).tolist() == [*range(warmup - 1), *range(100, 99 + warmup)]


@pytest.mark.parametrize("code", RECURSIONS)
def test_a_recursion_behind_a_hole_has_the_bits_of_one_that_begins_there(code):
    bars = without(walk(1700), 800)
    cut, whole = compute(bars[800:], [code])[code], compute(bars, [code])[code]
    behind = whole.close_time_ms > bars.close_time_ms[799]
    assert len(cut) == 900 - INDICATORS[code].warmup_bars
    for name in ("close_time_ms", "value", "history_bars"):
        assert getattr(cut, name).tobytes() == getattr(whole, name)[behind].tobytes()


@pytest.mark.parametrize("code", RECURSIONS)
@pytest.mark.parametrize(("missing", "bridged"), [(1, True), (3, True), (4, False)])
def test_a_recursion_bridges_a_hole_of_at_most_the_given_bars(code, missing, bridged):
    bars = without(walk(1000), *range(900, 900 + missing))
    column = compute(bars, [code], max_bridge_bars=3)[code]
    first_behind = int(bars.close_time_ms[900])
    assert (first_behind in column.close_time_ms) is (bridged or INDICATORS[code].warmup_bars == 1)
    if bridged:
        at = np.searchsorted(column.close_time_ms, first_behind)
        memory = INDICATORS[code].memory_bars or 901
        assert column.history_bars[at] == min(901, memory)


def test_averages_across_a_bridge_are_those_of_the_closes_held():
    bars = without(walk(1000), 900)
    closed_up = replaced(bars, close_time_ms=MONDAY_MS + HOUR_MS * np.arange(1, 1000))
    for code in ("ema12", "ema200", "macd", "macd_signal", "macd_hist"):
        bridged, plain = compute(bars, [code], max_bridge_bars=1)[code], compute(closed_up, [code])[code]
        assert bridged.value.tobytes() == plain.value.tobytes()


@pytest.mark.parametrize("code", ["rsi14", "atr14", "plus_di14", "minus_di14", "adx14", "obv"])
def test_the_move_across_a_bridge_is_unknown(code):
    """Prices behind the hole are ten times as high: no move and no true range sees the jump."""
    bars = walk(1000)
    scale = np.where(np.arange(1000) < 901, 1.0, 10.0)
    prices = {name: getattr(bars, name) * scale for name in ("open", "high", "low", "close")}
    jump = compute(without(replaced(bars, **prices), 900), [code], max_bridge_bars=1)[code]
    last, first = int(bars.close_time_ms[899]), int(bars.close_time_ms[901])
    at = np.searchsorted(jump.close_time_ms, first)
    assert jump.close_time_ms[at - 1] == last
    assert jump.value[at] == pytest.approx(jump.value[at - 1], rel=1e-9)


def test_a_bridge_does_not_count_as_known_moves():
    """With every second bar missing no move is known, so there is no row however many bars are held."""
    bars = without(walk(1000), *range(0, 1000, 2))
    for code in ("rsi14", "atr14", "atr_frac", "plus_di14", "minus_di14", "adx14"):
        assert len(compute(bars, [code], max_bridge_bars=3)[code]) == 0
    assert len(compute(bars, ["ema12"], max_bridge_bars=3)["ema12"]) == 500 - 39


@pytest.mark.parametrize("code", SESSIONS)
def test_a_session_with_a_hole_has_no_row_until_midnight(code):
    rows = known(without(walk(96), 30), code)
    assert np.flatnonzero(~rows).tolist() == [*range(30, 47)]


@pytest.mark.parametrize("code", SESSIONS)
def test_a_session_whose_begin_is_not_held_has_no_row(code):
    assert np.flatnonzero(~known(walk(96)[5:], code)).tolist() == [*range(19)]


def test_a_session_begins_with_the_bar_that_opens_at_midnight():
    bars = walk(72)
    column = compute(bars, ["vwap_session"])["vwap_session"]
    typical = (bars.high + bars.low + bars.close) / 3.0
    for i in (0, 24, 48):
        assert bars.volume[i] > 0
        assert column.value[i] == pytest.approx(typical[i], rel=1e-15)
    last = slice(24, 48)
    expected = np.sum(typical[last] * bars.volume[last]) / np.sum(bars.volume[last])
    assert column.value[47] == pytest.approx(expected, rel=1e-14)


def test_a_session_of_days_is_the_bar_itself():
    bars = walk(5, length_ms=86_400_000)
    column = compute(bars, ["vwap_session"])["vwap_session"]
    assert column.value == pytest.approx((bars.high + bars.low + bars.close) / 3.0, rel=1e-15)
    assert column.history_bars.tolist() == [1] * 5


def test_an_unknown_bar_left_out_gives_no_row_instead_of_an_oversold_one():
    """TA-Lib's RSI is 0 for ever after one NaN; a bar that cannot be known is left out, and is a hole."""
    bars = walk(400)
    assert not known(without(bars, 200), "rsi14")[200:279].any()
    assert known(without(bars, 200), "rsi14")[279:].all()


def test_no_bars_give_no_rows():
    empty = walk(0)
    assert isinstance(empty, Bars)
    assert [len(compute(empty, COMPUTED)[code]) for code in COMPUTED] == [0] * len(COMPUTED)
