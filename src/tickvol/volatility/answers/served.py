"""The served model, behind a minimal interface, and the rules of the endpoints."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.answers.frame_rows import FrameRules
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable


class Model(Protocol):
    """Interface of a bundle for answers; `tickvol.volatility.models.bundle.Bundle` implements it."""

    @property
    def version(self) -> str:
        """Hash of the bundle."""

    @property
    def schema_version(self) -> int:
        """Version of the feature schema it was trained on."""

    @property
    def spec(self) -> FeatureSpec:
        """Bars and windows of its features."""

    @property
    def needed(self) -> tuple[str, ...]:
        """Features that it reads."""

    @property
    def simulated(self) -> bool:
        """True if it was trained on a simulated market."""

    @property
    def watch_threshold(self) -> float:
        """Probability at or above which the signal is WATCH."""

    @property
    def alert_threshold(self) -> float:
        """Probability at or above which the signal is ALERT."""

    def unscorable_reasons(self, table: FeatureTable) -> list[str | None]:
        """(n,) None where a row can be scored, else what is missing."""

    def probability(self, table: FeatureTable) -> NDArray[np.float64]:
        """(n,) calibrated probability of a spike; NaN where not scorable."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of its inputs, derived from the features: ratios, logarithms."""

    def evidence(self, table: FeatureTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values of the inputs, NaN where unknown, and their contributions to the margin; both (n, inputs)."""

    def describe(self) -> dict[str, Any]:
        """Content of the answer of GET /model."""


@dataclass(frozen=True, slots=True)
class AnomalyRules:
    """Thresholds of an abnormal bar: absolute robust z of the return, and volatility z."""

    robust_z_threshold: float
    vol_zscore_threshold: float


@dataclass(frozen=True, slots=True)
class Served:
    """A model and the rules of the endpoints."""

    model: Model
    frames: FrameRules
    anomaly: AnomalyRules
    max_rows: int
    max_frames: int
