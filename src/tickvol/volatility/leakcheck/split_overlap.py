"""Check for time overlap between splits, by the actual interval of each row: its look-back and its label."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tickvol.core.times import NS_PER_S
from tickvol.volatility.leakcheck.result import CheckResult
from tickvol.volatility.models.splits import Split
from tickvol.volatility.schema.feature_table import FeatureTable

NAME = "split_overlap"


def check_split_overlap(table: FeatureTable, split: Split, horizon_s: int) -> CheckResult:
    """Check that no row of a split shares time with a row of another one, whatever their products: these move together.

    A row at t covers (t - lookback, t + horizon]: the look-back of its features and the horizon of its label. All
    intervals have the same length, so two rows overlap exactly when they are less than that length apart. Rows of an
    earlier split may lie on both sides of a later one as long as they keep that distance; test rows alone must come
    after all others, because parameters fitted on later days contain information about them.
    """
    length_ns = (table.spec.lookback_s + horizon_s) * NS_PER_S
    times = {name: np.unique(table.bar_end_ns[rows]) for name, rows in split.parts().items()}
    pairs = {(one, two): _apart(times[one], times[two]) for one, two in combinations(times, 2)}
    known = {pair: nearest for pair, nearest in pairs.items() if len(nearest)}
    figures = {
        f"{one}_{two}": {"nearest_s": float(nearest.min()) / NS_PER_S, "overlapping": int(np.sum(nearest < length_ns))}
        for (one, two), nearest in known.items()
    }
    if not known:
        return CheckResult(name=NAME, passed=None, reason="fewer than two splits hold rows", figures=figures)
    problems = [
        f"{figures[f'{one}_{two}']['overlapping']} times of {two} lie within {length_ns // NS_PER_S} s (look-back "
        f"{table.spec.lookback_s} s and horizon {horizon_s} s) of {one}, the nearest {nearest.min() / NS_PER_S:g} s off"
        for (one, two), nearest in known.items()
        if nearest.min() < length_ns
    ]
    fitted = np.concatenate([times["train"], times["validation"]])
    if not problems and len(fitted) and len(times["test"]) and times["test"].min() < fitted.max():
        problems = ["test rows lie before rows of train or validation: what is fitted later knows them"]
    nearest_s = min(float(nearest.min()) for nearest in known.values()) / NS_PER_S
    clean = f"rows of different splits are at least {nearest_s:g} s apart, {length_ns // NS_PER_S} s are needed"
    return CheckResult(name=NAME, passed=not problems, reason="; ".join(problems) or clean, figures=figures)


def _apart(one: NDArray[np.int64], two: NDArray[np.int64]) -> NDArray[np.int64]:
    """(len(two),) distance of each time to the nearest of the other ascending times; empty without either."""
    if len(one) == 0 or len(two) == 0:
        return np.zeros(0, np.int64)
    after = np.minimum(np.searchsorted(one, two), len(one) - 1)
    before = np.maximum(after - 1, 0)
    nearest: NDArray[np.int64] = np.minimum(np.abs(one[after] - two), np.abs(one[before] - two))
    return nearest
