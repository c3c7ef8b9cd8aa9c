"""The declared indicators: what they state of themselves is true, and `docs/indicators.md` states the same."""

import hashlib
import math
from dataclasses import replace

import pytest

from tests.signals.indicators.market import COMPUTED, HOUR_MS, flat, walk
from tests.support import ROOT
from tickvol.signals.indicators.compute import compute
from tickvol.signals.indicators.fill_kernel import KINDS, SCOPES
from tickvol.signals.indicators.registry import INDICATORS, UNBOUNDED

PAGE = (ROOT / "docs" / "indicators.md").read_text(encoding="utf-8")
STORED = tuple(code for code, indicator in INDICATORS.items() if indicator.source == "stored")


def page_row(indicator):
    """The line of an indicator in the table of the page."""
    memory = "all" if indicator.memory_bars == UNBOUNDED else str(indicator.memory_bars)
    if indicator.scope == "session":
        memory = "bars of a day"
    lowest, highest = (f"{bound:g}" if math.isfinite(bound) else "" for bound in (indicator.lowest, indicator.highest))
    bounds = f"{lowest}..{highest}" if lowest or highest else "any"
    formula = indicator.formula.replace("|", r"\|")
    return f"| `{indicator.code}` | {formula} | {indicator.unit} | {bounds} | {indicator.warmup_bars} | {memory} |"


@pytest.mark.parametrize("code", STORED)
def test_the_page_states_each_indicator_as_it_is_declared(code):
    assert page_row(INDICATORS[code]) in PAGE.splitlines()


def test_the_page_names_no_other_indicator():
    named = [line.split("`")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert sorted(named) == sorted(STORED)


@pytest.mark.parametrize("code", COMPUTED)
def test_the_first_row_is_at_the_end_of_the_warm_up_and_history_stops_at_the_memory(code):
    indicator, bars = INDICATORS[code], walk(3000)
    column = compute(bars, [code])[code]
    memory = indicator.memory_at(HOUR_MS) or 3000
    assert column.close_time_ms[0] == bars.close_time_ms[indicator.warmup_bars - 1]
    at = (column.close_time_ms - bars.close_time_ms[0]) // HOUR_MS
    assert column.history_bars.tolist() == [min(i + 1, memory) for i in at.tolist()]


@pytest.mark.parametrize("code", COMPUTED)
def test_every_kernel_and_scope_exists_and_parameters_fit(code):
    indicator = INDICATORS[code]
    assert indicator.kind in KINDS
    assert indicator.scope in SCOPES
    assert len(indicator.params) <= 3
    assert len(code) <= 32
    assert len(indicator.params_json) <= 200
    assert indicator.scope != "window" or indicator.warmup_bars == indicator.memory_bars


def test_every_kernel_is_used():
    assert {INDICATORS[code].kind for code in COMPUTED} == set(KINDS)


def test_stored_series_are_those_that_are_no_column_of_a_bar():
    assert [code for code in INDICATORS if code not in STORED] == ["open", "high", "low", "close", "volume"]
    assert set(STORED) - set(COMPUTED) == {"sentiment_24h"}


@pytest.mark.parametrize(
    ("length_ms", "bars"),
    [(60_000, 1440), (HOUR_MS, 24), (4 * HOUR_MS, 6), (420_000, 206), (24 * HOUR_MS, 1), (72 * HOUR_MS, 1)],
)
def test_the_memory_of_a_session_is_the_bars_of_a_day(length_ms, bars):
    assert INDICATORS["vwap_session"].memory_at(length_ms) == bars


@pytest.mark.parametrize("change", [{"version": 2}, {"params": {"n": 15}}, {"formula": "x"}, {"warmup_bars": 81}])
def test_every_change_of_a_definition_changes_its_hash(change):
    indicator = INDICATORS["rsi14"]
    assert replace(indicator, **change).formula_hash != indicator.formula_hash
    assert replace(indicator).formula_hash == indicator.formula_hash


def test_a_changed_definition_needs_a_new_version():
    """The hashes of version 1 of all indicators: where this fails, count up the version of the indicator changed."""
    hashes = "".join(indicator.formula_hash for indicator in INDICATORS.values())
    assert all(indicator.version == 1 for indicator in INDICATORS.values())
    assert hashlib.sha256(hashes.encode()).hexdigest()[:16] == "ace5a412d65d7083"


def test_values_by_time_are_unknown_where_there_is_no_row():
    bars = flat(30)
    values = compute(bars, ["vwap20"])["vwap20"].on(bars.close_time_ms)
    assert [math.isnan(value) for value in values] == [True] * 19 + [False] * 11
    assert math.isnan(compute(bars, ["rsi14"])["rsi14"].on(bars.close_time_ms)[-1])
