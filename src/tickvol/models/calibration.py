"""From a margin to a probability, fitted on validation rows only."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.models.training_spec import CalibrationKind

MIN_SLOPE = 1e-3
"""Per standard deviation of the margin: what ranks backwards on validation becomes nearly constant, not inverted."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of either kind.

    Attributes
    ----------
    slope, intercept : of `platt`, log-odds = slope * margin + intercept.
    margins, probabilities : of `isotonic`, ascending knots; linear in between, constant beyond.
    """

    kind: CalibrationKind
    slope: float = 0.0
    intercept: float = 0.0
    margins: tuple[float, ...] = ()
    probabilities: tuple[float, ...] = ()


class Calibrator:
    """Applies a `Calibration`, in numpy alone."""

    def __init__(self, calibration: Calibration) -> None:
        self._isotonic = calibration.kind == "isotonic"
        self._slope, self._intercept = calibration.slope, calibration.intercept
        self._margins = np.array(calibration.margins)
        self._probabilities = np.array(calibration.probabilities)

    def __call__(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) probabilities in [0, 1] that never fall with the margin."""
        if self._isotonic:
            return np.asarray(np.interp(margin, self._margins, self._probabilities), np.float64)
        return _sigmoid(self._slope * margin + self._intercept)


def fit_calibration(kind: CalibrationKind, margin: NDArray[np.float64], positive: NDArray[np.bool_]) -> Calibration:
    """Platt's sigmoid or an isotonic step function; margin (n,) finite, positive (n,) of both classes."""
    return _fit_isotonic(margin, positive) if kind == "isotonic" else _fit_platt(margin, positive)


def _sigmoid(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    probability: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * log_odds))
    return probability


def _fit_platt(margin: NDArray[np.float64], positive: NDArray[np.bool_]) -> Calibration:
    """Platt (1999): maximum likelihood with targets held off 0 and 1 by one pseudo-count a class."""
    from scipy.optimize import minimize

    spikes, calm = int(positive.sum()), int((~positive).sum())
    target = np.where(positive, (spikes + 1) / (spikes + 2), 1 / (calm + 2))
    centre, spread = float(margin.mean()), float(margin.std()) or 1.0
    z = (margin - centre) / spread

    def loss(coefficients: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        log_odds = coefficients[0] * z + coefficients[1]
        error = _sigmoid(log_odds) - target
        value = np.mean(np.logaddexp(0.0, log_odds) - target * log_odds)
        return float(value), np.array([np.mean(error * z), np.mean(error)])

    start = np.array([1.0, np.log(spikes / calm)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(MIN_SLOPE, None), (None, None)], tol=1e-12)
    slope = float(found.x[0]) / spread
    return Calibration(kind="platt", slope=slope, intercept=float(found.x[1]) - slope * centre)


def _fit_isotonic(margin: NDArray[np.float64], positive: NDArray[np.bool_]) -> Calibration:
    """Pool adjacent violators (Zadrozny and Elkan, 2002)."""
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(margin, positive.astype(np.float64))
    return Calibration(
        kind="isotonic",
        margins=tuple(model.X_thresholds_.tolist()),
        probabilities=tuple(model.y_thresholds_.tolist()),
    )
