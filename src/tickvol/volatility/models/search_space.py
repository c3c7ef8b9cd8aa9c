"""Search space: the training parameters that a hyperparameter search varies, and their ranges."""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from tickvol.volatility.models.training_spec import TrainingSpec


class Span(NamedTuple):
    """Range from `low` to `high`, both included; integers, or on a logarithmic scale."""

    low: float
    high: float
    whole: bool = False


class Suggests(Protocol):
    """The part of a search's trial that samples parameters."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        """Sample a float on a logarithmic scale."""

    def suggest_int(self, name: str, low: int, high: int) -> int:
        """Sample an integer."""


_TREES = {
    "xgboost_learning_rate": Span(0.01, 0.2),
    "xgboost_row_share": Span(0.3, 1.0),
    "xgboost_column_share": Span(0.2, 1.0),
}
SPACES: Mapping[str, Mapping[str, Span]] = {
    "logistic": {"logistic_c": Span(1e-5, 1.0)},
    "spline": {"logistic_c": Span(1e-5, 1.0)},
    "forecast": {"forecast_ridge": Span(0.1, 1000.0), "season_ridge": Span(0.05, 50.0)},
    "xgboost": {
        **_TREES,
        "xgboost_max_depth": Span(2, 8, whole=True),
        "xgboost_min_child_weight": Span(1.0, 500.0),
    },
    "boosted_forecast": {
        **_TREES,
        "forecast_max_depth": Span(2, 8, whole=True),
        "forecast_min_child_weight": Span(10.0, 2000.0),
    },
}
"""By candidate; the names are fields of `TrainingSpec`."""


def suggest(trial: Suggests, space: Mapping[str, Span]) -> dict[str, float | int]:
    """Sample the parameters of one trial."""
    return {
        name: trial.suggest_int(name, int(span.low), int(span.high))
        if span.whole
        else trial.suggest_float(name, span.low, span.high, log=True)
        for name, span in space.items()
    }


def base_hash(training: TrainingSpec, candidate: str) -> str:
    """SHA-256 of everything the search leaves unchanged: a search resumes only where it is the same."""
    fixed: dict[str, Any] = msgspec.to_builtins(training)
    for name in SPACES[candidate]:
        del fixed[name]
    return hashlib.sha256(msgspec.json.encode(fixed, order="sorted")).hexdigest()
