"""Standardised inputs of learned linear models: minus the median, over the interquartile range, clipped."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.models.inputs import Input
from tickvol.volatility.models.linear import Hinge, LinearDetector, LinearParams, Season, train_medians

CLIP = 6.0
"""Clip limit of scaled inputs: one price jump must not outweigh all that the model has learned."""

_NORMAL_IQR = 1.349


@dataclass(frozen=True, slots=True)
class Standardised:
    """Standardised inputs of the train rows.

    Attributes
    ----------
    z : (n, inputs) float64, scaled; 0 (the median) where unknown.
    unknown : (n, inputs) bool.
    fill, scale : (inputs,) float64, medians and spreads of the train rows.
    """

    z: NDArray[np.float64]
    unknown: NDArray[np.bool_]
    fill: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def of(cls, x: NDArray[np.float64]) -> "Standardised":
        """Standardise (n, inputs) float64, NaN where unknown."""
        unknown = np.isnan(x)
        fill, scale = train_medians(x), _spread(x)
        return cls(np.clip((np.where(unknown, fill, x) - fill) / scale, -CLIP, CLIP), unknown, fill, scale)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(inputs,) bool, True where any train row knows the input; others get no weight."""
        return np.asarray(~self.unknown.all(axis=0))

    @property
    def sometimes_unknown(self) -> NDArray[np.bool_]:
        """(inputs,) bool, True where the input is known in some train rows and unknown in others."""
        return np.asarray(self.unknown.any(axis=0) & self.seen)

    def detector(
        self,
        inputs: tuple[Input, ...],
        weights: NDArray[np.float64],
        unknown_weights: NDArray[np.float64],
        intercept: float,
        hinges: tuple[Hinge, ...] = (),
        seasons: tuple[Season, ...] = (),
    ) -> LinearDetector:
        """Detector with these weights, all (inputs,)."""
        return LinearDetector(
            LinearParams(
                inputs=inputs,
                fill=tuple(self.fill.tolist()),
                centre=tuple(self.fill.tolist()),
                scale=tuple(self.scale.tolist()),
                clip=CLIP,
                weights=tuple(weights.tolist()),
                unknown_weights=tuple(unknown_weights.tolist()),
                intercept=intercept,
                hinges=hinges,
                seasons=seasons,
            )
        )


def _spread(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(inputs,) interquartile range as a standard deviation; where it is 0 the standard deviation itself, else 1."""
    spread = np.ones(x.shape[1])
    for place, column in enumerate(x.T):
        known = column[np.isfinite(column)]
        if len(known):
            low, high = np.quantile(known, [0.25, 0.75])
            spread[place] = float(high - low) / _NORMAL_IQR or float(known.std()) or 1.0
    return spread
