"""What detectors are fitted on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.windows import FeatureSpec
from tickvol.models.inputs import Input, InputMatrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Rows with known labels; all arrays have n rows.

    Attributes
    ----------
    values : (n, k) float64, features in the order of the schema.
    reference : (n,) float64, what the label compares with, log-return per reference window.
    future : (n,) float64, volatility of the horizon, log-return per reference window.
    positive : (n,) bool, whether the row is a spike.
    """

    values: NDArray[np.float64]
    reference: NDArray[np.float64]
    future: NDArray[np.float64]
    positive: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.positive)

    def take(self, rows: NDArray[np.bool_]) -> "Sample":
        """The rows of a mask."""
        return Sample(
            values=self.values[rows],
            reference=self.reference[rows],
            future=self.future[rows],
            positive=self.positive[rows],
        )

    def inputs(self, inputs: tuple[Input, ...], spec: FeatureSpec) -> NDArray[np.float64]:
        """(n, inputs) float64."""
        return InputMatrix(inputs, spec)(self.values, self.reference)
