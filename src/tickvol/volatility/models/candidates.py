"""All detectors that can be trained, by name: one way to fit them and one way to refit them on more rows."""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from tickvol.volatility.models.baselines import BASELINES
from tickvol.volatility.models.boosted import BoostedDetector, fit_boosted, fit_boosted_forecast
from tickvol.volatility.models.detector import Detector
from tickvol.volatility.models.fitting import Sample
from tickvol.volatility.models.forecast import fit_forecast
from tickvol.volatility.models.logistic import fit_logistic, fit_spline
from tickvol.volatility.models.training_spec import ModelType, TrainingSpec
from tickvol.volatility.schema.feature_spec import FeatureSpec

AVERAGE = "average"
"""The ensemble; built from `MEMBERS` once these are calibrated."""

MEMBERS = ("forecast", "boosted_forecast", "xgboost")

_LINEAR: Mapping[str, Callable[[Sample, FeatureSpec, TrainingSpec], Detector]] = {
    "logistic": fit_logistic,
    "spline": fit_spline,
    "forecast": fit_forecast,
}
_BOOSTED: Mapping[str, Callable[..., BoostedDetector]] = {
    "xgboost": fit_boosted,
    "boosted_forecast": fit_boosted_forecast,
}
MODELS = ("logistic", "spline", "xgboost", "forecast", "boosted_forecast", AVERAGE)
"""In training order; the ensemble after its members."""


class FitRows(NamedTuple):
    """Rows to fit a detector on: train rows, and validation rows for early stopping."""

    train: Sample
    validation: Sample | None


def detector_names(model_type: ModelType) -> tuple[str, ...]:
    """`with_baselines` for one model, or for all."""
    return with_baselines(MODELS if model_type == "all" else (model_type,))


def model_type_of(name: str) -> str:
    """Value of `--model-type` that trains a detector; a baseline is trained with any.

    >>> model_type_of("average"), model_type_of("har")
    ('average', 'logistic')
    """
    return name if name in MODELS else MODELS[0]


def with_baselines(models: Collection[str]) -> tuple[str, ...]:
    """Baselines first, then the given models in training order; the ensemble includes its members."""
    wanted = {*models, *(MEMBERS if AVERAGE in models else ())}
    return (*BASELINES, *(name for name in MODELS if name in wanted))


def fit_detector(name: str, rows: FitRows, spec: FeatureSpec, training: TrainingSpec) -> Detector:
    """Fit any detector except the ensemble."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):  # the last bits of the weights depend on the thread count
        if name in _BOOSTED:
            return _BOOSTED[name](rows.train, rows.validation, spec, training)
        if name in _LINEAR:
            return _LINEAR[name](rows.train, spec, training)
        return BASELINES[name](rows.train, spec)


def refit_detector(like: Detector, name: str, train: Sample, spec: FeatureSpec, training: TrainingSpec) -> Detector:
    """Refit on more rows what was chosen on fewer: `like`'s number of trees, chosen on validation, is kept."""
    if isinstance(like, BoostedDetector):
        return _BOOSTED[name](train, None, spec, training, rounds=like.rounds)
    return fit_detector(name, FitRows(train, None), spec, training)
