"""Closed trades as transactions: bit-packed items, the outcome apart from them, split in time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import InputError

Bits = NDArray[np.uint64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Transactions:
    """Trades in the order of time, each with its items and its outcome.

    Parameters
    ----------
    items : names, unique, sorted
    has : (items, n) bool, which trade has which item
    won : (n,) bool, net return above 0; the outcome is no item
    apart : sets of names of which a pattern holds at most one, such as the two ends of a regime

    Raises
    ------
    InputError
        If shapes differ, or names repeat, are not sorted or are not items.
    """

    items: tuple[str, ...]
    has: Mask
    won: Mask
    apart: tuple[frozenset[str], ...] = ()

    def __post_init__(self) -> None:
        if list(self.items) != sorted(set(self.items)):
            raise InputError("items: must be unique and sorted, so that equal trades give equal patterns")
        if self.has.shape != (len(self.items), len(self.won)):
            raise InputError(f"has: {self.has.shape}: must be {(len(self.items), len(self.won))}, items by trades")
        unknown = sorted(frozenset().union(*self.apart) - set(self.items))
        if unknown:
            raise InputError(f"apart: {', '.join(unknown)}: must be items")

    def __len__(self) -> int:
        return len(self.won)

    def part(self, members: Mask) -> "Transactions":
        """The trades that `members` (n,) marks."""
        return Transactions(self.items, self.has[:, members], self.won[members], self.apart)

    def apart_matrix(self) -> Mask:
        """Symmetric (items, items): pairs that never go together."""
        matrix = np.zeros((len(self.items), len(self.items)), dtype=np.bool_)
        for names in self.apart:
            members = np.array([item in names for item in self.items])
            matrix |= np.outer(members, members)
        return matrix


@dataclass(frozen=True)
class Split:
    """Train and test by time; `left_out` trades were open at `split_ms`."""

    train: Mask
    test: Mask
    split_ms: int
    left_out: int


def split_in_time(
    predicting_at_ms: NDArray[np.int64],
    confirmed_at_ms: NDArray[np.int64],
    *,
    share: float = 0.6,
    split_ms: int | None = None,
) -> Split:
    """Train on what was confirmed by `split_ms`, test on what was decided from then on.

    Without `split_ms` it is the decision time below which `share` of the decisions lie.
    """
    if split_ms is None:
        if not len(predicting_at_ms):
            raise InputError("predicting_at_ms: no trades: nothing to split")
        split_ms = int(np.sort(predicting_at_ms)[min(int(share * len(predicting_at_ms)), len(predicting_at_ms) - 1)])
    train, test = confirmed_at_ms <= split_ms, predicting_at_ms >= split_ms
    return Split(train, test & ~train, split_ms, int((~train & ~test).sum()))


def packed(rows: Mask) -> Bits:
    """Rows (m, n) bool as (m, ceil(n / 64)) uint64, one bit a trade; bits behind the last trade are 0."""
    n = rows.shape[1]
    padded = np.zeros((rows.shape[0], -(-n // 64) * 64), dtype=np.bool_)
    padded[:, :n] = rows
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)


def item_table(names: Sequence[str], has: Mask) -> tuple[tuple[str, ...], Mask]:
    """Names in sorted order with their rows, as `Transactions` wants them."""
    order = sorted(range(len(names)), key=lambda i: names[i])
    return tuple(names[i] for i in order), has[order]
