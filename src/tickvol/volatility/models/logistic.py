"""Logistic regression on robustly scaled inputs, linear or piecewise linear with knots."""

import numpy as np

from tickvol.volatility.models.fitting import Sample
from tickvol.volatility.models.inputs import learned_inputs
from tickvol.volatility.models.linear import Hinge, LinearDetector
from tickvol.volatility.models.standardise import Standardised
from tickvol.volatility.models.training_spec import TrainingSpec
from tickvol.volatility.schema.feature_spec import FeatureSpec

KNOTS = (-0.7, 0.7)
"""Knots of the splines, in standard deviations: about the quartiles of a normal input."""


def fit_logistic(train: Sample, spec: FeatureSpec, training: TrainingSpec) -> LinearDetector:
    """Maximum penalised likelihood (L2, `logistic_c`), on inputs minus median over interquartile range.

    An unknown input counts as its train median; where the train rows hold both known and unknown values, an indicator
    column is added. An input that is unknown in all train rows gets no weight.
    """
    return _fit(train, spec, training, ())


def fit_spline(train: Sample, spec: FeatureSpec, training: TrainingSpec) -> LinearDetector:
    """`fit_logistic` with a linear spline of each input, with knots `KNOTS`."""
    return _fit(train, spec, training, KNOTS)


def _fit(train: Sample, spec: FeatureSpec, training: TrainingSpec, knots: tuple[float, ...]) -> LinearDetector:
    from sklearn.linear_model import LogisticRegression

    inputs = learned_inputs(spec, leave_out=training.leave_out, long=train.is_long)
    scaled = Standardised.of(train.inputs(inputs, spec))
    seen, both = scaled.seen, scaled.sometimes_unknown
    bent = [np.maximum(scaled.z[:, seen] - knot, 0.0) for knot in knots]
    model = LogisticRegression(C=training.logistic_c, solver="newton-cholesky", tol=1e-8)
    model.fit(np.column_stack([scaled.z[:, seen], scaled.unknown[:, both], *bent]), train.positive)
    count, extra = int(seen.sum()), int(both.sum())
    straight, of_unknown, of_knots = np.split(model.coef_[0], [count, count + extra])
    weights, unknown_weights = np.zeros(len(inputs)), np.zeros(len(inputs))
    weights[seen], unknown_weights[both] = straight, of_unknown
    hinges = tuple(
        Hinge(input=int(place), knot=knot, weight=float(weight))
        for knot, of_knot in zip(knots, of_knots.reshape(len(knots), count), strict=True)
        for place, weight in zip(np.flatnonzero(seen), of_knot, strict=True)
    )
    return scaled.detector(inputs, weights, unknown_weights, float(model.intercept_[0]), hinges)
