"""The numbers that say how detectors are trained."""

from typing import Literal

import msgspec

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
    logistic_c: float = 0.001
    xgboost_max_depth: int = 3
    xgboost_learning_rate: float = 0.05
    xgboost_max_rounds: int = 400
    xgboost_early_stopping_rounds: int = 30
