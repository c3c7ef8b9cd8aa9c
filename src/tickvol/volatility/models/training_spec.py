"""Training parameters of detectors."""

from typing import Literal

import msgspec

ModelType = Literal["logistic", "spline", "xgboost", "forecast", "boosted_forecast", "average", "all"]
CalibrationKind = Literal["platt", "isotonic", "beta"]
CalibrationChoice = Literal["platt", "isotonic", "beta", "best"]


class TrainingSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Training parameters; the section `models` of the configuration explains each of them."""

    seed: int = 7
    train_share: float = 0.6
    validation_share: float = 0.2
    min_positives: int = 20
    calibration: CalibrationChoice = "platt"
    watch_share: float = 0.5
    leave_out: tuple[str, ...] = ()
    logistic_c: float = 0.001
    forecast_ridge: float = 10.0
    season_ridge: float = 1.0
    forecast_max_depth: int = 6
    forecast_min_child_weight: float = 500.0
    xgboost_max_depth: int = 3
    xgboost_min_child_weight: float = 10.0
    xgboost_row_share: float = 0.7
    xgboost_column_share: float = 0.7
    xgboost_learning_rate: float = 0.05
    xgboost_max_rounds: int = 400
    xgboost_early_stopping_rounds: int = 30
