"""Every detector that can be trained, by name, with one way to fit and one way to fit again on more rows."""

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
"""The ensemble; it is made of `MEMBERS`, once these are calibrated."""

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
"""In the order in which they are trained; the ensemble after its members."""


class Rows(NamedTuple):
    """What a detector may be fitted on: train rows, and validation rows that decide when boosting ends."""

    train: Sample
    validation: Sample | None


def detector_names(model_type: ModelType) -> tuple[str, ...]:
    """`with_baselines` of one model, or of all."""
    return with_baselines(MODELS if model_type == "all" else (model_type,))


def model_type_of(name: str) -> str:
    """What `--model-type` must be for a detector to be trained; of a baseline any will do.

    >>> model_type_of("average"), model_type_of("har")
    ('average', 'logistic')
    """
    return name if name in MODELS else MODELS[0]


def with_baselines(models: Collection[str]) -> tuple[str, ...]:
    """Baselines first, then the models named, in the order of training; the ensemble brings its members."""
    wanted = {*models, *(MEMBERS if AVERAGE in models else ())}
    return (*BASELINES, *(name for name in MODELS if name in wanted))


def fit_detector(name: str, rows: Rows, spec: FeatureSpec, training: TrainingSpec) -> Detector:
    """Fit any detector but the ensemble."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):  # the last bits of the weights depend on the number of threads
        if name in _BOOSTED:
            return _BOOSTED[name](rows.train, rows.validation, spec, training)
        if name in _LINEAR:
            return _LINEAR[name](rows.train, spec, training)
        return BASELINES[name](rows.train, spec)


def refit_detector(like: Detector, name: str, train: Sample, spec: FeatureSpec, training: TrainingSpec) -> Detector:
    """Fit on more rows what was decided on fewer: as many trees as `like` has, which validation has chosen."""
    if isinstance(like, BoostedDetector):
        return _BOOSTED[name](train, None, spec, training, rounds=like.rounds)
    return fit_detector(name, Rows(train, None), spec, training)
