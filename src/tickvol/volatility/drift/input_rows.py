"""Inputs of a detector for one side of a comparison, with the time blocks of the rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.times import NS_PER_S
from tickvol.volatility.drift.sides import thinned
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.feature_table import FeatureTable


@dataclass(frozen=True, slots=True)
class InputRows:
    """Scorable rows of one side; all arrays have n rows.

    Attributes
    ----------
    x : (n, inputs) float64, inputs of the detector; NaN where unknown.
    contributions : (n, inputs) float64, contribution of each input to the margin.
    bar_end_ns : (n,) int64.
    block : (n,) intp, number of the row's time block, from 0, ascending with time, no number unused.
    """

    x: NDArray[np.float64]
    contributions: NDArray[np.float64]
    bar_end_ns: NDArray[np.int64]
    block: NDArray[np.intp]

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return int(self.block.max()) + 1 if len(self.block) else 0


def input_rows(table: FeatureTable, bundle: Bundle, *, max_rows: int, block_s: int) -> InputRows:
    """The scorable rows of a side, thinned evenly to `max_rows`, as the bundle's inputs.

    Blocks follow the clock and cover all products at once: rows a second apart share their windows, products move
    together, and within about an hour the memory of a market's mood has mostly faded.
    """
    chosen = thinned(table.take(bundle.scorable(table)), max_rows)
    x, contributions = bundle.evidence(chosen)
    _, block = np.unique((chosen.bar_end_ns - 1) // (block_s * NS_PER_S), return_inverse=True)
    return InputRows(x, contributions, chosen.bar_end_ns, block.astype(np.intp))


def importance(rows: InputRows) -> NDArray[np.float64]:
    """(inputs,) share of each input in the margin's movement; the shares add up to 1, or are all 0.

    The share is the mean absolute deviation of the input's contribution over the rows: for a linear detector its
    weight times the spread of the standardised input, for trees the spread of its SHAP values. An input with a
    constant contribution decides nothing, however large it is.
    """
    spread = np.abs(rows.contributions - rows.contributions.mean(axis=0)).mean(axis=0)
    total = float(spread.sum())
    shares: NDArray[np.float64] = spread / total if total > 0.0 else np.zeros_like(spread)
    return shares
