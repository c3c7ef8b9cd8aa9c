"""What a detector is given of one side of a comparison, with the blocks of time that its rows lie in."""

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
    x : (n, inputs) float64, what the detector is given; unknown is NaN.
    contributions : (n, inputs) float64, what each input adds to the margin.
    bar_end_ns : (n,) int64.
    block : (n,) intp, number of the row's block of time, from 0, ascending with time, none of them empty.
    """

    x: NDArray[np.float64]
    contributions: NDArray[np.float64]
    bar_end_ns: NDArray[np.int64]
    block: NDArray[np.intp]

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return int(self.block.max()) + 1 if len(self.block) else 0


def input_rows(table: FeatureTable, bundle: Bundle, *, max_rows: int, block_s: int) -> InputRows:
    """The scorable rows of a side, thinned evenly to `max_rows`, as the bundle sees them.

    Blocks are those of the clock, of all products at once: rows a second apart share their windows, products move
    together, and an hour is where the memory of a market's mood has mostly faded.
    """
    chosen = thinned(table.take(bundle.scorable(table)), max_rows)
    x, contributions = bundle.evidence(chosen)
    _, block = np.unique((chosen.bar_end_ns - 1) // (block_s * NS_PER_S), return_inverse=True)
    return InputRows(x, contributions, chosen.bar_end_ns, block.astype(np.intp))


def importance(rows: InputRows) -> NDArray[np.float64]:
    """(inputs,) share of each input in what moves the margin; the shares add to 1, or are all 0.

    The mean absolute deviation of the input's contribution over the rows: of a linear detector its weight times the
    spread of the standardised input, of trees that of its SHAP values. An input that always adds the same decides
    nothing, however much it adds.
    """
    spread = np.abs(rows.contributions - rows.contributions.mean(axis=0)).mean(axis=0)
    total = float(spread.sum())
    shares: NDArray[np.float64] = spread / total if total > 0.0 else np.zeros_like(spread)
    return shares
