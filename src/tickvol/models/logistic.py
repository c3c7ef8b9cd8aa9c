"""Logistic regression on robustly scaled inputs."""

import numpy as np
from numpy.typing import NDArray

from tickvol.core.windows import FeatureSpec
from tickvol.models.fitting import Sample
from tickvol.models.inputs import learned_inputs
from tickvol.models.linear import LinearDetector, LinearParams, train_medians
from tickvol.models.training_spec import TrainingSpec

CLIP = 6.0
"""Scaled inputs are held here: one jump of the market must not outweigh all that the model has learned."""

_NORMAL_IQR = 1.349


def fit_logistic(train: Sample, spec: FeatureSpec, training: TrainingSpec) -> LinearDetector:
    """Maximum penalised likelihood (L2, `logistic_c`), on inputs minus median over interquartile range.

    An unknown input counts as its train median, and where the train rows hold both known and unknown values a further
    column says which it is. An input that no train row knows gets no weight.
    """
    from sklearn.linear_model import LogisticRegression

    inputs = learned_inputs(spec)
    x = train.inputs(inputs, spec)
    unknown = np.isnan(x)
    fill = train_medians(x)
    scale = _spread(x)
    z = np.clip((np.where(unknown, fill, x) - fill) / scale, -CLIP, CLIP)
    seen, both = ~unknown.all(axis=0), unknown.any(axis=0) & ~unknown.all(axis=0)
    model = LogisticRegression(C=training.logistic_c, solver="newton-cholesky", tol=1e-8)
    model.fit(np.column_stack([z[:, seen], unknown[:, both]]), train.positive)
    weights, unknown_weights = np.zeros(len(inputs)), np.zeros(len(inputs))
    weights[seen], unknown_weights[both] = np.split(model.coef_[0], [int(seen.sum())])
    return LinearDetector(
        LinearParams(
            inputs=inputs,
            fill=tuple(fill.tolist()),
            centre=tuple(fill.tolist()),
            scale=tuple(scale.tolist()),
            clip=CLIP,
            weights=tuple(weights.tolist()),
            unknown_weights=tuple(unknown_weights.tolist()),
            intercept=float(model.intercept_[0]),
        )
    )


def _spread(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(inputs,) interquartile range as a standard deviation; where it is 0 the standard deviation itself, else 1."""
    spread = np.ones(x.shape[1])
    for place, column in enumerate(x.T):
        known = column[np.isfinite(column)]
        if len(known):
            low, high = np.quantile(known, [0.25, 0.75])
            spread[place] = float(high - low) / _NORMAL_IQR or float(known.std()) or 1.0
    return spread
