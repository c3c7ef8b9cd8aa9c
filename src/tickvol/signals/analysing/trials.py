"""Ledger of trials: every evaluation of a strategy on data, each entry holding the hash of the one before."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError, LedgerBroken

GENESIS = "0" * 64


@dataclass(frozen=True)
class Trial:
    """One evaluation of one strategy version on one stretch of data.

    `family` is the strategy's code without version, `data_hash` identifies the bars, `daily_pnl` the daily series from
    the day of `from_ms` on. Figures are None where there were no trades or no variation. Failed evaluations count too.
    """

    strategy_hash: str
    family: str
    data_hash: str
    from_ms: int
    to_ms: int
    trades: int
    expectancy_frac: float | None
    sharpe_daily: float | None
    days: int
    skew: float | None
    kurtosis: float | None
    daily_pnl: tuple[float, ...]
    recorded_at_ms: int


@dataclass(frozen=True)
class TrialEntry:
    """A trial in the ledger: its number from 1, the hash of the entry before and its own."""

    trial_no: int
    trial: Trial
    previous_hash: str
    entry_hash: str


def entry_after(ledger: Sequence[TrialEntry], trial: Trial) -> TrialEntry | None:
    """The entry that appends `trial`, or None where the same strategy was tried on the same data before.

    Raises
    ------
    InputError
        If a figure is not finite or the series has another number of days.
    """
    if len(trial.daily_pnl) != trial.days:
        raise InputError(f"daily_pnl: {len(trial.daily_pnl)} values: must be one for each of {trial.days} days")
    figures = (trial.expectancy_frac, trial.sharpe_daily, trial.skew, trial.kurtosis, *trial.daily_pnl)
    if not all(np.isfinite(figure) for figure in figures if figure is not None):
        raise InputError("figures of a trial: must be finite: use None where there is no value")
    if any(_identity(entry.trial) == _identity(trial) for entry in ledger):
        return None
    previous = ledger[-1].entry_hash if ledger else GENESIS
    entry = TrialEntry(len(ledger) + 1, trial, previous, "")
    return replace(entry, entry_hash=_digest(entry))


def verify(ledger: Iterable[TrialEntry]) -> int:
    """Number of entries, all of which continue the chain.

    Raises
    ------
    LedgerBroken
        At the first entry that was changed, removed, inserted or moved.
    """
    previous, number = GENESIS, 0
    for entry in ledger:
        number += 1
        if (entry.trial_no, entry.previous_hash) != (number, previous) or entry.entry_hash != _digest(entry):
            raise LedgerBroken(
                f"trial {entry.trial_no}: does not continue the chain at {number}: restore the ledger from a backup"
            )
        previous = entry.entry_hash
    return number


def sharpes(ledger: Iterable[TrialEntry], family: str | None = None) -> NDArray[np.float64]:
    """Daily Sharpe ratios of all trials, or of one family; 0 where a trial has none, for it counts as a trial."""
    chosen = (entry.trial for entry in ledger if family in (None, entry.trial.family))
    return np.array([trial.sharpe_daily or 0.0 for trial in chosen], dtype=np.float64)


def aligned(ledger: Iterable[TrialEntry]) -> NDArray[np.float64]:
    """Daily series (trials, days) on the days that all trials share; no days where there are none."""
    day_ms = 86_400_000
    trials = [entry.trial for entry in ledger]
    if not trials:
        return np.empty((0, 0))
    first = [trial.from_ms // day_ms for trial in trials]
    start, end = max(first), min(begin + trial.days for begin, trial in zip(first, trials, strict=True))
    return np.array(
        [trial.daily_pnl[start - begin : max(start, end) - begin] for begin, trial in zip(first, trials, strict=True)],
        dtype=np.float64,
    ).reshape(len(trials), -1)


def _identity(trial: Trial) -> tuple[str, str]:
    return trial.strategy_hash, trial.data_hash


def _digest(entry: TrialEntry) -> str:
    content = {"trial_no": entry.trial_no, "previous_hash": entry.previous_hash, "trial": asdict(entry.trial)}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
