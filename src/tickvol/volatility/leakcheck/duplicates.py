"""Check for duplicate rows: rows in two splits under different keys, and repeated keys."""

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.leakcheck.result import CheckResult
from tickvol.volatility.models.splits import PARTS
from tickvol.volatility.models.training import Prepared
from tickvol.volatility.schema.feature_row import CLOCK_NAMES
from tickvol.volatility.schema.feature_table import FeatureTable

NAME = "duplicate_rows"

_MOST_NEIGHBOURS = 64
"""Rows that each row is compared with after sorting; more look alike only where a market stands still."""


def check_duplicates(prepared: Prepared, tolerance: float) -> CheckResult:
    """Check that no feature vector is in two splits, and no key is in the table twice.

    Two rows are the same when each feature except the clock differs by at most `tolerance`, relative to the larger
    magnitude, and the same features are unknown. A row without any price move in its longest window is left out,
    because a market that stands still repeats itself; so is one without any known feature.
    """
    table = prepared.table
    part = np.full(len(table), -1, np.int8)
    for number, name in enumerate(PARTS):
        part[prepared.split.parts()[name]] = number
    repeated = _repeated_keys(table)
    shared = int(np.sum(np.sum(list(prepared.split.parts().values()), axis=0) > 1))
    used = np.flatnonzero((part >= 0) & _moves(table, prepared.sample.values))
    clock = [table.names.index(name) for name in CLOCK_NAMES]  # a copied row differs in these only
    pairs = _same_rows(np.delete(prepared.sample.values[used], clock, axis=1), part[used], tolerance)
    figures = {"rows": len(used), "keys_twice": repeated + shared, "pairs": len(pairs)}
    problems = [f"{repeated} keys (product, bar_end_ns) are in the table twice"] if repeated else []
    problems += [f"{shared} rows are in two splits"] if shared else []
    if len(pairs):
        one, two = used[pairs[0][0]], used[pairs[0][1]]
        problems.append(
            f"{len(pairs)} rows of different splits hold the same features, such as those of "
            f"{_key(table, one)} ({PARTS[part[one]]}) and {_key(table, two)} ({PARTS[part[two]]})"
        )
    clean = f"none of {len(used)} rows is in another split again"
    return CheckResult(name=NAME, passed=not problems, reason="; ".join(problems) or clean, figures=figures)


def _repeated_keys(table: FeatureTable) -> int:
    order = np.lexsort((table.bar_end_ns, table.product))
    product, time = table.product[order], table.bar_end_ns[order]
    return int(np.sum((np.diff(product) == 0) & (np.diff(time) == 0)))


def _moves(table: FeatureTable, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    longest = values[:, table.names.index(f"realized_vol_{table.spec.longest_window_s}")]
    known = np.isfinite(np.delete(values, [table.names.index(name) for name in CLOCK_NAMES], axis=1)).any(axis=1)
    moves: NDArray[np.bool_] = known & ~(longest == 0)
    return moves


def _same_rows(values: NDArray[np.float64], part: NDArray[np.int8], tolerance: float) -> list[tuple[int, int]]:
    """Pairs of identical rows in different splits; sorted by a weighted sum, identical rows are neighbours."""
    filled = np.nan_to_num(values) / _magnitudes(values)
    weights = np.random.default_rng(0).uniform(1.0, 2.0, values.shape[1])
    total, reach = filled @ weights, np.abs(filled) @ weights * (2 * tolerance + 1e-13)
    order = np.argsort(total, kind="stable")
    total, reach = total[order], reach[order]
    pairs: list[tuple[int, int]] = []
    for apart in range(1, min(_MOST_NEIGHBOURS, len(values) - 1) + 1):
        near = np.flatnonzero(total[apart:] - total[:-apart] <= reach[apart:] + reach[:-apart])
        if len(near) == 0:
            break
        one, two = order[near], order[near + apart]
        differ = part[one] != part[two]
        one, two = one[differ], two[differ]
        same = _same(values[one], values[two], tolerance)
        pairs += zip(one[same].tolist(), two[same].tolist(), strict=True)
    return pairs


def _magnitudes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k,) median of the known positive magnitudes; 1 without any."""
    magnitudes = np.abs(np.nan_to_num(values))
    return np.array([np.median(column[column > 0]) if (column > 0).any() else 1.0 for column in magnitudes.T])


def _same(one: NDArray[np.float64], two: NDArray[np.float64], tolerance: float) -> NDArray[np.bool_]:
    unknown = np.isnan(one) & np.isnan(two)
    with np.errstate(invalid="ignore"):
        near = np.abs(one - two) <= tolerance * np.maximum(np.abs(one), np.abs(two))
    return np.asarray((unknown | near).all(axis=1))


def _key(table: FeatureTable, row: int) -> str:
    return f"{table.products[table.product[row]]} {np.datetime64(int(table.bar_end_ns[row]), 'ns').astype('M8[s]')}"
