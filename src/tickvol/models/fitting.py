"""What detectors are fitted on, and the numbers that say how."""

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.windows import FeatureSpec
from tickvol.models.inputs import Input, InputMatrix

ModelType = Literal["logistic", "xgboost", "all"]
CalibrationKind = Literal["platt", "isotonic"]


class TrainingSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How detectors are trained; the section `models` of the configuration says what each number means."""

    seed: int = 7
    train_share: float = 0.6
    validation_share: float = 0.2
    min_positives: int = 20
    calibration: CalibrationKind = "platt"
    watch_share: float = 0.5
    logistic_c: float = 0.1
    xgboost_max_depth: int = 3
    xgboost_learning_rate: float = 0.05
    xgboost_max_rounds: int = 400
    xgboost_early_stopping_rounds: int = 30


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
