"""Samples that detectors are fitted on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.times import DAY_S, NS_PER_S
from tickvol.volatility.models.inputs import Input, InputMatrix
from tickvol.volatility.schema.feature_spec import FeatureSpec

LONG_DAYS = 28
"""With fewer days of bars each hour of the week occurs less than four times: neither clock nor level can be learned."""

_NS_PER_DAY = DAY_S * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Rows with known labels; all arrays have n rows.

    Attributes
    ----------
    values : (n, k) float64, features in the order of the schema.
    reference : (n,) float64, value that the label compares with, log-return per reference window.
    future : (n,) float64, volatility of the horizon, log-return per reference window.
    positive : (n,) bool, True for a spike.
    bar_end_ns : (n,) int64.
    bar_ns : length of a bar.
    overlap : bars of the horizon: neighbouring rows within this distance share part of their label.
    """

    values: NDArray[np.float64]
    reference: NDArray[np.float64]
    future: NDArray[np.float64]
    positive: NDArray[np.bool_]
    bar_end_ns: NDArray[np.int64]
    bar_ns: int
    overlap: int

    def __len__(self) -> int:
        return len(self.positive)

    def take(self, rows: NDArray[np.bool_]) -> "Sample":
        """Rows selected by a mask."""
        return Sample(
            values=self.values[rows],
            reference=self.reference[rows],
            future=self.future[rows],
            positive=self.positive[rows],
            bar_end_ns=self.bar_end_ns[rows],
            bar_ns=self.bar_ns,
            overlap=self.overlap,
        )

    @property
    def is_long(self) -> bool:
        """True if the rows' bars add up to `LONG_DAYS`; a few hours on days that are months apart do not."""
        return len(np.unique(self.bar_end_ns)) * self.bar_ns >= LONG_DAYS * _NS_PER_DAY

    def inputs(self, inputs: tuple[Input, ...], spec: FeatureSpec) -> NDArray[np.float64]:
        """Input matrix, (n, inputs) float64."""
        return InputMatrix(inputs, spec)(self.values, self.reference)
