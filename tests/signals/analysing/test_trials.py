"""Ledger of trials: nothing is counted twice, nothing can be taken out."""

from dataclasses import replace

import numpy as np
import pytest

from tickvol.core.errors import InputError, LedgerBroken
from tickvol.signals.analysing.trials import GENESIS, Trial, aligned, entry_after, sharpes, verify

DAY = 86_400_000


def trial(number=0, **changed):
    base = Trial(
        strategy_hash=f"s{number}",
        family="macd" if number % 2 else "rsi",
        data_hash="d",
        from_ms=0,
        to_ms=3 * DAY,
        trades=10,
        expectancy_frac=-0.002,
        sharpe_daily=0.1 * number,
        days=3,
        skew=0.0,
        kurtosis=3.0,
        daily_pnl=(0.1, -0.2, 0.1 * number),
        recorded_at_ms=5,
    )
    return replace(base, **changed)


def ledger(n=4):
    entries = []
    for number in range(n):
        entries.append(entry_after(entries, trial(number)))
    return entries


def test_entries_are_numbered_and_chained():
    entries = ledger()
    assert [entry.trial_no for entry in entries] == [1, 2, 3, 4]
    assert entries[0].previous_hash == GENESIS
    assert verify(entries) == 4
    assert verify([]) == 0


def test_the_same_strategy_on_the_same_data_is_the_same_trial():
    entries = ledger()
    assert entry_after(entries, trial(2, recorded_at_ms=99)) is None
    assert entry_after(entries, trial(2, data_hash="other")).trial_no == 5


TAMPERING = {
    "changed": lambda e: [e[0], replace(e[1], trial=replace(e[1].trial, sharpe_daily=9.0)), *e[2:]],
    "removed": lambda e: [e[0], *e[2:]],
    "swapped": lambda e: [e[1], e[0], *e[2:]],
    "beheaded": lambda e: e[1:],
    "series": lambda e: [replace(e[0], trial=replace(e[0].trial, daily_pnl=(0.1, -0.2, 1e-17))), *e[1:]],
    "rehashed": lambda e: [replace(e[0], entry_hash="f" * 64), *e[1:]],
}


@pytest.mark.parametrize("tamper", TAMPERING.values(), ids=TAMPERING)
def test_a_ledger_that_was_changed_is_refused(tamper):
    with pytest.raises(LedgerBroken, match="does not continue the chain"):
        verify(tamper(ledger()))


def test_hashes_do_not_depend_on_the_process():
    assert ledger(1)[0].entry_hash == ledger(1)[0].entry_hash
    assert ledger(1)[0].entry_hash.startswith("4f1509227f88a36d")


def test_all_trials_count_and_those_of_one_family():
    entries = ledger()
    entries.append(entry_after(entries, trial(9, sharpe_daily=None)))
    assert sharpes(entries).tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.0])
    assert len(sharpes(entries, "macd")) == 3


def test_series_are_aligned_on_the_days_that_all_share():
    entries = ledger(1)
    entries.append(entry_after(entries, trial(1, from_ms=DAY, daily_pnl=(1.0, 2.0, 3.0))))
    assert aligned(entries).tolist() == [[-0.2, 0.0], [1.0, 2.0]]
    entries.append(entry_after(entries, trial(2, from_ms=90 * DAY)))
    assert aligned(entries).shape == (3, 0)
    assert aligned([]).size == 0


@pytest.mark.parametrize("changed", [{"days": 4}, {"skew": float("nan")}, {"daily_pnl": (0.0, 0.0, float("inf"))}])
def test_a_trial_with_a_figure_that_is_none_is_refused(changed):
    with pytest.raises(InputError):
        entry_after([], trial(**changed))


def test_a_failed_trial_is_a_trial():
    empty = trial(trades=0, expectancy_frac=None, sharpe_daily=None, skew=None, kurtosis=None, days=0, daily_pnl=())
    assert verify([entry_after([], empty)]) == 1
    assert np.isfinite(sharpes([entry_after([], empty)])).all()
