"""Shift of each input of the served detector: its size, and its significance against blocks of time in random order.

Rows overlap and market moods last, so any two stretches of time differ by far more than as many independent rows would.
The significance of a distance is therefore taken from the blocks themselves: whole blocks are permuted between the
sides, and the distance counts as a move only if few of these permutations reach it. As several inputs are tested and
one of them always has the largest distance, each permutation is ranked by its own rarest distance (minP, Westfall and
Young 1993).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.drift.input_rows import InputRows, importance

_CHUNK = 50
"""Permutations processed at once; bounds the memory, does not change any result."""


@dataclass(frozen=True, slots=True)
class MoveRules:
    """Criteria for a moved input and for one that matters.

    Attributes
    ----------
    distance : in standard deviations of the reference.
    significance : share of the permutations that may reach the distance.
    min_importance : share of the margin's movement at or above which an input matters.
    min_rows, min_blocks : minimum known on each side; with fewer an input is not judged.
    """

    distance: float
    significance: float
    min_importance: float
    min_rows: int
    min_blocks: int
    permutations: int
    seed: int


class InputMove(msgspec.Struct, frozen=True, kw_only=True):
    """Result for one input; `moved` is null if it was not judged, with the `reason`.

    Attributes
    ----------
    importance : share of the margin's movement over the reference; `matters` if it is large enough.
    distance : Wasserstein distance of the sides in standard deviations of the reference.
    p_value : share of the block permutations (including the observed order) that are as extreme: for an input that
        matters, in any input that matters; for the others, in this one.
    margin_shift : change of the mean contribution, in the margin's unit.
    """

    input: str
    importance: float
    matters: bool
    distance: float | None
    p_value: float | None
    moved: bool | None
    reason: str | None
    margin_shift: float
    reference_unknown: float
    current_unknown: float


def input_moves(reference: InputRows, current: InputRows, names: Sequence[str], rules: MoveRules) -> list[InputMove]:
    """Result for each input of the detector, the most important first; neither side may be empty."""
    shares = importance(reference)
    shifts = current.contributions.mean(axis=0) - reference.contributions.mean(axis=0)
    known = np.isfinite(reference.x), np.isfinite(current.x)
    enough = np.minimum(*(rows.sum(axis=0) for rows in known)) >= rules.min_rows
    matters = shares >= rules.min_importance
    reached = _reached(reference, current, known, enough, rules)
    p_values = _p_values(reached, matters & enough)
    few = None
    if min(reference.blocks, current.blocks) < rules.min_blocks:
        few = f"{reference.blocks} blocks against {current.blocks}, at least {rules.min_blocks} needed"
    moves = []
    for place in np.argsort(-shares, kind="stable"):
        reason = few if enough[place] else f"known in fewer than {rules.min_rows} rows of a side"
        distance = None
        if enough[place]:
            distance = _in_spreads(reached[0, place], reference.x[known[0][:, place], place])
        p_value = None if reason else float(p_values[place])
        far = distance is not None and distance > rules.distance
        moves.append(
            InputMove(
                input=names[place],
                importance=float(shares[place]),
                matters=bool(matters[place]),
                distance=distance,
                p_value=p_value,
                moved=None if p_value is None else far and p_value <= rules.significance,
                reason=reason,
                margin_shift=float(shifts[place]),
                reference_unknown=1.0 - float(known[0][:, place].mean()),
                current_unknown=1.0 - float(known[1][:, place].mean()),
            )
        )
    return moves


def _reached(
    reference: InputRows,
    current: InputRows,
    known: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    enough: NDArray[np.bool_],
    rules: MoveRules,
) -> NDArray[np.float64]:
    """(permutations, inputs) distances, the observed order first; 0 for inputs with too few known values."""
    block = np.concatenate([reference.block, reference.blocks + current.block])
    true = np.arange(reference.blocks + current.blocks) >= reference.blocks
    random = np.random.default_rng(rules.seed)
    deals = np.array([true, *(random.permutation(true) for _ in range(rules.permutations))])
    x, seen = np.concatenate([reference.x, current.x]), np.concatenate(known)
    reached = np.zeros((len(deals), x.shape[1]))
    for place in np.flatnonzero(enough):
        rows = seen[:, place]
        reached[:, place] = permuted_wasserstein(x[rows, place], block[rows], deals)
    return reached


def _p_values(reached: NDArray[np.float64], together: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(inputs,) share of the permutations as extreme as the first; for inputs in `together`, in any of them."""
    rank = np.empty_like(reached)
    for place, distances in enumerate(reached.T):
        as_far = distances * (1.0 - 1e-9)  # a different order of summation is not a larger distance
        rank[:, place] = 1.0 - np.searchsorted(np.sort(distances), as_far, "left") / len(distances)
    p_values = rank[0].copy()
    if together.any():
        rarest = rank[:, together].min(axis=1)
        p_values[together] = [float(np.mean(rarest <= p_value)) for p_value in rank[0, together]]
    return np.asarray(p_values, np.float64)


def _in_spreads(distance: float, before: NDArray[np.float64]) -> float:
    """Distance in standard deviations of the reference; a constant reference has a tiny one, so any move is large."""
    spread = float(before.std()) or float(np.finfo(np.float64).tiny)
    return float(min(distance / spread, np.finfo(np.float64).max))


def permuted_wasserstein(
    values: NDArray[np.float64], block: NDArray[np.intp], deals: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Wasserstein distance between two sides for many assignments of blocks to sides.

    Parameters
    ----------
    values : (n,) float64, finite. block : (n,) block of each.
    deals : (d, blocks) bool, True for a block on the second side.

    Returns
    -------
    (d,) float64
        The integral of |F - G|; 0 for an assignment that leaves a side without any value.

    >>> permuted_wasserstein(np.array([0.0, 1.0]), np.array([0, 1]), np.array([[False, True]])).tolist()
    [1.0]
    """
    order = np.argsort(values, kind="stable")
    gaps, sorted_block = np.diff(values[order]), block[order]
    found = np.zeros(len(deals))
    for first in range(0, len(deals), _CHUNK):
        second = deals[first : first + _CHUNK][:, sorted_block]
        sizes = second.sum(axis=1)
        upper = np.cumsum(second, axis=1, dtype=np.float64)
        lower = np.arange(1.0, len(values) + 1.0) - upper
        upper /= np.maximum(sizes, 1)[:, None]
        lower /= np.maximum(len(values) - sizes, 1)[:, None]
        both = (sizes > 0) & (sizes < len(values))
        found[first : first + _CHUNK] = np.where(both, (np.abs(upper - lower)[:, :-1] * gaps).sum(axis=1), 0.0)
    return found
