"""A rule's strength as months go by."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.signals.mining.significance import hypergeometric_tails
from tickvol.signals.mining.transactions import Mask


@dataclass(frozen=True)
class MonthlyTest:
    """A rule tested on all trades up to the end of `month`, months since 1970; rates are None without trades."""

    month: int
    n_antecedent: int
    n_both: int
    confidence: float | None
    lift: float | None
    p_value: float


def monthly_tests(confirmed_at_ms: NDArray[np.int64], members: Mask, hits: Mask) -> list[MonthlyTest]:
    """Expanding test per calendar month (UTC) that holds trades.

    `members` (n,) marks the trades that have the antecedent, `hits` (n,) those with the rule's outcome.
    """
    months = confirmed_at_ms.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
    tests = []
    for month in np.unique(months):
        seen = months <= month
        n, both = int((members & seen).sum()), int((members & hits & seen).sum())
        base = float(hits[seen].mean())
        confidence = both / n if n else None
        p = hypergeometric_tails(np.array([both]), int(seen.sum()), int((hits & seen).sum()), np.array([n]))
        lift = confidence / base if confidence is not None and base else None
        tests.append(MonthlyTest(int(month), n, both, confidence, lift, float(p[0])))
    return tests


def half_life_months(tests: list[MonthlyTest]) -> int | None:
    """Months from the largest lift above 1 until half of its excess is left; None if it never falls so far."""
    lifts = np.array([test.lift if test.lift is not None else np.nan for test in tests])
    if not np.any(lifts > 1):
        return None
    best = int(np.nanargmax(lifts))
    fallen = np.flatnonzero(lifts[best:] - 1 <= (lifts[best] - 1) / 2)
    return tests[best + int(fallen[0])].month - tests[best].month if len(fallen) else None
