"""Live values are those of the batch, bit for bit, and depend on the last `memory_bars` bars only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.signals.indicators.market import COMPUTED, FINITE, HOUR_MS, MONDAY_MS, replaced, walk, without
from tickvol.core.errors import InputError
from tickvol.signals.indicators.bars import Bar
from tickvol.signals.indicators.compute import compute
from tickvol.signals.indicators.live import LiveIndicators
from tickvol.signals.indicators.registry import INDICATORS

LONG = walk(6200, seed=3)
HOLED = without(LONG, 700, 701, 1500, 1501, 1502, 1503, *range(3000, 3030), 5900)


def rows_of(columns):
    """All rows as (code, time, bits of the value, history)."""
    return {
        (code, time, value.hex(), held)
        for code in columns.codes
        for time, value, held in zip(
            columns[code].close_time_ms.tolist(),
            columns[code].value.tolist(),
            columns[code].history_bars.tolist(),
            strict=True,
        )
    }


def pushed(live, bars):
    """Rows of the live indicators for each bar."""
    return {
        (code, int(bars.close_time_ms[i]), value.hex(), held)
        for i in range(len(bars))
        for code, (value, held) in live.push(bars.bar(i)).items()
    }


@pytest.mark.parametrize("max_bridge", [0, 3])
@pytest.mark.parametrize("length_ms", [HOUR_MS, 420_000, 4 * HOUR_MS])
def test_live_is_batch_bit_for_bit_across_holes_and_turns_of_the_buffer(length_ms, max_bridge):
    codes = [code for code in COMPUTED if code != "ema200"]
    bars = without(walk(1700, seed=3, length_ms=length_ms), 600, 601, 720, *range(900, 930), 1500)
    live = LiveIndicators(codes, length_ms, max_bridge_bars=max_bridge)
    assert len(bars) > 2 * live.memory_bars
    assert pushed(live, bars) == rows_of(compute(bars, codes, max_bridge_bars=max_bridge))


def test_live_is_batch_bit_for_bit_with_the_longest_memory():
    live = LiveIndicators(["ema200"], HOUR_MS)
    assert len(HOLED) > 2 * live.memory_bars
    assert pushed(live, HOLED) == rows_of(compute(HOLED, ["ema200"]))


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(0, 900),
    missing=st.sets(st.integers(0, 899), max_size=12),
    max_bridge=st.integers(0, 3),
    seed=st.integers(0, 5),
    chunk=st.integers(1, 400),
)
def test_batch_in_chunks_is_batch_at_once_on_any_prefix(n, missing, max_bridge, seed, chunk):
    bars = without(walk(n, seed=seed), *(i for i in missing if i < n))
    whole = rows_of(compute(bars, COMPUTED, max_bridge_bars=max_bridge))
    in_chunks = set()
    for begin in range(0, len(bars), chunk):
        held = bars[: begin + chunk]
        from_ms = int(bars.close_time_ms[begin])
        in_chunks |= rows_of(compute(held, COMPUTED, max_bridge_bars=max_bridge, from_ms=from_ms))
    assert in_chunks == whole


@settings(max_examples=30, deadline=None)
@given(start=st.integers(0, 5000), n=st.integers(1, 60), max_bridge=st.sampled_from([0, 3]))
def test_a_start_at_any_bar_with_the_memory_behind_it_gives_the_same_bits(start, n, max_bridge):
    for code in FINITE:
        memory = INDICATORS[code].memory_at(HOUR_MS)
        whole = compute(HOLED[: start + n], [code], max_bridge_bars=max_bridge)[code]
        part = compute(HOLED[max(0, start - memory + 1) : start + n], [code], max_bridge_bars=max_bridge)[code]
        from_ms = int(HOLED.close_time_ms[start])
        late, cut = whole.close_time_ms >= from_ms, part.close_time_ms >= from_ms
        assert whole.close_time_ms[late].tolist() == part.close_time_ms[cut].tolist(), code
        assert whole.value[late].tobytes() == part.value[cut].tobytes(), code
        assert whole.history_bars[late].tolist() == part.history_bars[cut].tolist(), code


@pytest.mark.parametrize("start", [5700, 5899, 5905, 6100])
def test_a_warmed_restart_continues_with_the_same_bits(start):
    expected = {row for row in rows_of(compute(HOLED, COMPUTED)) if row[1] > HOLED.close_time_ms[start - 1]}
    obv = compute(HOLED[:start], ["obv"])["obv"]
    live = LiveIndicators(COMPUTED, HOUR_MS)
    live.warm(HOLED[max(0, start - live.memory_bars) : start], obv=(obv.value[-1], obv.history_bars[-1]))
    assert pushed(live, HOLED[start:]) == expected


def test_history_below_the_memory_may_change_and_full_history_may_not():
    whole, late = compute(LONG, COMPUTED), compute(LONG[2000:], COMPUTED)
    for code in FINITE:
        memory = INDICATORS[code].memory_at(HOUR_MS)
        full = late[code].history_bars == memory
        assert full.sum() == len(LONG) - 2000 - memory + 1 or INDICATORS[code].scope == "session"
        assert np.array_equal(late[code].value[full], whole[code].on(late[code].close_time_ms[full])), code
    young = late["ema200"].history_bars < 2800
    changed = late["ema200"].value[young] != whole["ema200"].on(late["ema200"].close_time_ms[young])
    assert changed.any()


@settings(max_examples=12, deadline=None)
@given(at=st.integers(0, 899), seed=st.integers(0, 1000))
def test_a_change_of_later_bars_changes_no_earlier_row(at, seed):
    bars, other = walk(900), walk(900, seed=seed + 10)
    columns = ("open", "high", "low", "close", "volume")
    mixed = {name: np.concatenate((getattr(bars, name)[:at], getattr(other, name)[at:])) for name in columns}
    changed = replaced(bars, **mixed)
    until = MONDAY_MS + HOUR_MS * at
    before, after = rows_of(compute(bars, COMPUTED)), rows_of(compute(changed, COMPUTED))
    assert {row for row in before if row[1] <= until} == {row for row in after if row[1] <= until}


def test_obv_depends_on_its_anchor_and_obv_share_does_not():
    whole, late = compute(LONG, ["obv", "obv_share20"]), compute(LONG[100:], ["obv", "obv_share20"])
    times = LONG.close_time_ms[200:]
    shift = whole["obv"].on(times) - late["obv"].on(times)
    assert shift == pytest.approx(np.full(len(times), whole["obv"].value[100]))
    assert abs(shift[0]) > 1.0
    assert np.array_equal(whole["obv_share20"].on(times), late["obv_share20"].on(times))
    assert late["obv"].history_bars.tolist() == list(range(1, len(LONG) - 99))


def test_a_refused_bar_leaves_the_live_indicators_unchanged():
    bars, live = walk(120), LiveIndicators(["rsi14", "obv"], HOUR_MS)
    live.warm(bars[:100])
    newest = int(bars.close_time_ms[99])
    for time in (newest, newest - HOUR_MS, newest + 1):
        with pytest.raises(InputError, match=f"close_time_ms: {time}: must"):
            live.push(Bar(time, 1.0, 1.0, 1.0, 1.0, 1.0))
    expected = {row for row in rows_of(compute(bars, ["rsi14", "obv"])) if row[1] > newest}
    assert pushed(live, bars[100:]) == expected


def test_a_reset_forgets_all_bars():
    bars, live = walk(200), LiveIndicators(COMPUTED, HOUR_MS)
    live.warm(walk(150, seed=9))
    live.reset()
    assert pushed(live, bars) == rows_of(compute(bars, COMPUTED))


def test_bars_of_another_length_are_refused():
    with pytest.raises(InputError, match="length_ms: 3600000: must be 60000"):
        LiveIndicators(["close"], 60_000).warm(walk(3))
