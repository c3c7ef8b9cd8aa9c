"""Calibration of margins to probabilities, on validation rows only: Platt, isotonic, beta, or the best of the three."""

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.models.training_spec import CalibrationChoice, CalibrationKind

MIN_SLOPE = 1e-3
"""Per standard deviation of the margin: a detector that ranks backwards on validation becomes nearly constant, not
inverted."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a calibration of any kind.

    Attributes
    ----------
    slope, intercept : log-odds = slope * margin + intercept (Platt); fitted for every kind, as these rank without ties.
    beta : for `beta`, (a, b, c) of log-odds = a ln p - b ln(1 - p) + c, p being Platt's probability.
    margins, probabilities : for `isotonic`, ascending knots; linear in between, constant beyond.
    """

    kind: CalibrationKind
    slope: float = 0.0
    intercept: float = 0.0
    beta: tuple[float, float, float] = (1.0, 1.0, 0.0)
    margins: tuple[float, ...] = ()
    probabilities: tuple[float, ...] = ()


class Calibrator:
    """Applies a `Calibration`, with numpy alone."""

    def __init__(self, calibration: Calibration) -> None:
        self._kind = calibration.kind
        self._beta = calibration.beta
        self._slope, self._intercept = calibration.slope, calibration.intercept
        self._margins = np.array(calibration.margins)
        self._probabilities = np.array(calibration.probabilities)

    def __call__(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) probabilities in [0, 1], non-decreasing in the margin."""
        if self._kind == "isotonic":
            return np.asarray(np.interp(margin, self._margins, self._probabilities), np.float64)
        log_odds = self.log_odds(margin)
        if self._kind == "platt":
            return _sigmoid(log_odds)
        a, b, c = self._beta
        return _sigmoid(a * -np.logaddexp(0.0, -log_odds) + b * np.logaddexp(0.0, log_odds) + c)

    def log_odds(self, margin: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) Platt's log-odds: comparable between detectors and between fits, and without ties."""
        return np.asarray(self._slope * margin + self._intercept, np.float64)


def fit_calibration(
    choice: CalibrationChoice,
    margin: NDArray[np.float64],
    positive: NDArray[np.bool_],
    bar_end_ns: NDArray[np.int64] | None = None,
) -> Calibration:
    """Fit the chosen calibration; `best` has the lowest log score when each half of the time predicts the other.

    Parameters
    ----------
    margin : (n,) finite. positive : (n,) of both classes.
    bar_end_ns : (n,), separates the halves; None where the rows ascend in time.
    """
    kind: CalibrationKind = _best_kind(margin, positive, bar_end_ns) if choice == "best" else choice
    return _FITS[kind](margin, positive)


def _best_kind(
    margin: NDArray[np.float64], positive: NDArray[np.bool_], bar_end_ns: NDArray[np.int64] | None
) -> CalibrationKind:
    times = np.arange(len(margin)) if bar_end_ns is None else bar_end_ns
    late = times > np.median(times)
    halves = [half for half in (late, ~late) if positive[half].any() and not positive[half].all()]
    if len(halves) < 2:
        return "platt"
    losses: dict[CalibrationKind, float] = {}
    for kind, fit in _FITS.items():
        cross_fitted = [Calibrator(fit(margin[half], positive[half]))(margin[~half]) for half in halves]
        losses[kind] = sum(_log_loss(positive[~half], said) for half, said in zip(halves, cross_fitted, strict=True))
    return min(losses, key=lambda kind: losses[kind])


def _log_loss(positive: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    held = np.clip(probability, 1e-6, 1 - 1e-6)
    return float(-np.sum(np.log(np.where(positive, held, 1 - held))))


def _sigmoid(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    probability: NDArray[np.float64] = 0.5 * (1.0 + np.tanh(0.5 * log_odds))
    return probability


def _fit_platt(margin: NDArray[np.float64], positive: NDArray[np.bool_]) -> Calibration:
    """Platt (1999): maximum likelihood with targets held off 0 and 1 by one pseudo-count per class."""
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

    platt = _fit_platt(margin, positive)
    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(margin, positive.astype(np.float64))
    return Calibration(
        kind="isotonic",
        slope=platt.slope,
        intercept=platt.intercept,
        margins=tuple(model.X_thresholds_.tolist()),
        probabilities=tuple(model.y_thresholds_.tolist()),
    )


def _fit_beta(margin: NDArray[np.float64], positive: NDArray[np.bool_]) -> Calibration:
    """Kull, Silva Filho and Flach (2017): Platt's probability bent differently at both ends; non-decreasing."""
    from scipy.optimize import minimize

    platt = _fit_platt(margin, positive)
    log_odds = platt.slope * margin + platt.intercept
    low, high = -np.logaddexp(0.0, -log_odds), np.logaddexp(0.0, log_odds)

    def loss(numbers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        said = numbers[0] * low + numbers[1] * high + numbers[2]
        error = _sigmoid(said) - positive
        value = np.mean(np.logaddexp(0.0, said) - positive * said)
        return float(value), np.array([np.mean(error * low), np.mean(error * high), np.mean(error)])

    found = minimize(
        loss, np.array([1.0, 1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * 2 + [(None, None)]
    )
    a, b, c = (float(number) for number in found.x)
    return Calibration(kind="beta", slope=platt.slope, intercept=platt.intercept, beta=(a, b, c))


_FITS: dict[CalibrationKind, Callable[[NDArray[np.float64], NDArray[np.bool_]], Calibration]] = {
    "platt": _fit_platt,
    "isotonic": _fit_isotonic,
    "beta": _fit_beta,
}
