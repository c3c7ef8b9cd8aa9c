"""Linear detectors: every baseline and the logistic regression are a weighted sum of inputs."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.models.inputs import Input


class LinearParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters, all lists as long as `inputs`.

    Attributes
    ----------
    fill : what stands for an unknown input, its median over the train rows.
    centre, scale : z = (x - centre) / scale.
    clip : |z| is held at this; None for no limit.
    weights : per z. unknown_weights : added where the input is unknown.
    intercept : constant part.
    """

    inputs: tuple[Input, ...]
    fill: tuple[float, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    clip: float | None
    weights: tuple[float, ...]
    unknown_weights: tuple[float, ...]
    intercept: float


class LinearDetector:
    """margin = intercept + sum of weights * clip((x - centre) / scale) + unknown_weights where x is unknown."""

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

    def margin(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) weighted sums of (n, inputs)."""
        z, unknown = self._standardised(x)
        margin: NDArray[np.float64] = z @ self._weights + unknown @ self._unknown_weights + self._params.intercept
        return margin

    def contributions(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, inputs), the terms of the sum without the intercept."""
        z, unknown = self._standardised(x)
        terms: NDArray[np.float64] = z * self._weights + unknown * self._unknown_weights
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
        """None."""
        return {}


def train_medians(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(inputs,) medians of the known values of (n, inputs); 0 for an input that is never known."""
    known = np.isfinite(x)
    return np.array([np.median(column[seen]) if seen.any() else 0.0 for column, seen in zip(x.T, known.T, strict=True)])


def plain_sum(
    inputs: tuple[Input, ...], weights: NDArray[np.float64], intercept: float, train_x: NDArray[np.float64]
) -> LinearDetector:
    """A detector without scaling, as the baselines are."""
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
        )
    )
