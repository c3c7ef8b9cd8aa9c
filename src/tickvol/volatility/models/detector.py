"""The detector interface: inputs, margin and contributions, the same for baselines and learned models."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.models.inputs import Input


class Detector(Protocol):
    """Ranks rows by the likelihood of a spike; a higher margin is more likely, in the detector's own unit."""

    @property
    def family(self) -> str:
        """Family of the class that reads the parameters back, e.g. `linear` or `boosted`."""

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Inputs of the detector."""

    @property
    def wanted(self) -> NDArray[np.intp] | None:
        """Indices of the inputs that affect the margin, None for all; the others need not be computed for it."""

    @property
    def missing(self) -> str:
        """Treatment of unknown inputs, in words."""

    def margin(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) float64, finite, of inputs (n, inputs) that may be NaN."""

    def contributions(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, inputs) float64, contribution of each input to the margin, excluding the detector's constant part."""

    def params(self) -> dict[str, Any]:
        """All parameters except the binary files, as plain JSON values."""

    def files(self) -> dict[str, bytes]:
        """Binary files by name."""
