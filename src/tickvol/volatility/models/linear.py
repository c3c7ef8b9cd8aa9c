"""Linear detectors: baselines, logistic regression and the volatility forecast are weighted sums of inputs.

In addition to its weight an input may have *hinges*, which bend the line at a knot, and *seasons*, lookup tables over
the clock.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.models.inputs import Input


class Hinge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`weight * max(z - knot, 0)` of one input."""

    input: int
    knot: float
    weight: float


class Season(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seasonal table: an input that is a share of the week selects the cell `floor(frac(x * cycles) * cells)`.

    Attributes
    ----------
    input : index of the input; where it is unknown the season adds nothing.
    cycles : number of passes through the table per week: 1 or 7.
    values : one per cell.
    """

    input: int
    cycles: int
    values: tuple[float, ...]

    def term(self, x: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) contribution for (n, inputs); `values` are its own as an array."""
        share = x[:, self.input]
        known = np.isfinite(share)
        cell = season_cell(np.where(known, share, 0.0), self.cycles, len(values))
        return np.where(known, values[cell], 0.0)


def season_cell(week_share: NDArray[np.float64], cycles: int, cells: int) -> NDArray[np.intp]:
    """(n,) cell of each share of the week.

    >>> season_cell(np.array([0.0, 0.5, 0.999]), 1, 4).tolist()
    [0, 2, 3]
    """
    return (np.mod(week_share * cycles, 1.0) * cells).astype(np.intp)


class LinearParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a linear detector; the lists up to `unknown_weights` are as long as `inputs`.

    Attributes
    ----------
    fill : replaces an unknown input, its median over the train rows.
    centre, scale : z = (x - centre) / scale.
    clip : limit of |z|; None for no limit.
    weights : per z. unknown_weights : added where the input is unknown.
    intercept : constant part.
    hinges, seasons : additional terms.
    """

    inputs: tuple[Input, ...]
    fill: tuple[float, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    clip: float | None
    weights: tuple[float, ...]
    unknown_weights: tuple[float, ...]
    intercept: float
    hinges: tuple[Hinge, ...] = ()
    seasons: tuple[Season, ...] = ()


class LinearDetector:
    """margin = intercept + weights @ clip((x - centre) / scale) + unknown_weights where unknown + additional terms."""

    family = "linear"
    wanted = None
    missing = "an unknown input counts as its median over the train rows plus the input's weight for being unknown"

    def __init__(self, params: LinearParams) -> None:
        self._params = params
        self.inputs = params.inputs
        self._fill = np.array(params.fill)
        self._centre = np.array(params.centre)
        self._scale = np.array(params.scale)
        self._weights = np.array(params.weights)
        self._unknown_weights = np.array(params.unknown_weights)
        self._hinged = np.array([hinge.input for hinge in params.hinges], np.intp)
        self._knots = np.array([hinge.knot for hinge in params.hinges])
        self._hinge_weights = np.array([hinge.weight for hinge in params.hinges])
        self._seasons = [(season, np.array(season.values)) for season in params.seasons]

    def margin(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) weighted sums of (n, inputs)."""
        z, unknown = self._standardised(x)
        margin: NDArray[np.float64] = z @ self._weights + unknown @ self._unknown_weights + self._params.intercept
        if len(self._hinged):
            margin += np.maximum(z[:, self._hinged] - self._knots, 0.0) @ self._hinge_weights
        for season, values in self._seasons:
            margin += season.term(x, values)
        return margin

    def contributions(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, inputs), the terms of the sum without the intercept."""
        z, unknown = self._standardised(x)
        terms: NDArray[np.float64] = z * self._weights + unknown * self._unknown_weights
        for place, knot, weight in zip(self._hinged, self._knots, self._hinge_weights, strict=True):
            terms[:, place] += weight * np.maximum(z[:, place] - knot, 0.0)
        for season, values in self._seasons:
            terms[:, season.input] += season.term(x, values)
        return terms

    def _standardised(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        unknown = np.isnan(x)
        z = (np.where(unknown, self._fill, x) - self._centre) / self._scale
        if self._params.clip is not None:
            np.clip(z, -self._params.clip, self._params.clip, out=z)
        return z, unknown

    def params(self) -> dict[str, Any]:
        """`LinearParams` as plain values."""
        plain: dict[str, Any] = msgspec.to_builtins(self._params)
        return plain

    def files(self) -> dict[str, bytes]:
        """No files."""
        return {}


def train_medians(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(inputs,) medians of the known values of (n, inputs); 0 for an input that is never known."""
    known = np.isfinite(x)
    return np.array([np.median(column[seen]) if seen.any() else 0.0 for column, seen in zip(x.T, known.T, strict=True)])


def plain_sum(
    inputs: tuple[Input, ...],
    weights: NDArray[np.float64],
    intercept: float,
    train_x: NDArray[np.float64],
    seasons: tuple[Season, ...] = (),
) -> LinearDetector:
    """Detector without scaling, as used by the baselines."""
    count = len(inputs)
    return LinearDetector(
        LinearParams(
            inputs=inputs,
            fill=tuple(train_medians(train_x).tolist()),
            centre=(0.0,) * count,
            scale=(1.0,) * count,
            clip=None,
            weights=tuple(weights.tolist()),
            unknown_weights=(0.0,) * count,
            intercept=intercept,
            seasons=seasons,
        )
    )
