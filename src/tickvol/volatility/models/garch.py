"""GARCH(1,1) on the engine's exponential weights: a forecast of the horizon's variance over the reference.

    s_t = omega + alpha * sum of beta^i r_{t-i}^2        (Bollerslev, 1986, written out)

The engine keeps the exponentially weighted mean of squared returns for its half-lives, so beta is chosen among those,
and omega and alpha are fitted to the variance of the horizon by Gaussian quasi-likelihood: the mean variance of the
bars in (t, t + h] is linear in s_{t+1} (it decays to the long-run variance), so the same two parameters cover it.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.models.fitting import Sample
from tickvol.volatility.models.input_groups import REFERENCE
from tickvol.volatility.models.inputs import Input
from tickvol.volatility.schema.feature_spec import FeatureSpec

_TINY = 1e-300


class GarchParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ln(forecast) - ln(reference)` with forecast^2 = constant + weight * ewma^2, log-return per reference window.

    Attributes
    ----------
    inputs : the exponentially weighted volatility, and the reference.
    fill : replaces an unknown volatility, its median over the train rows.
    constant : floor of the variance. weight : coefficient of the exponentially weighted variance.
    """

    inputs: tuple[Input, ...]
    fill: float
    constant: float
    weight: float


class GarchDetector:
    """Half the logarithm of forecast variance over the reference's."""

    family = "garch"
    wanted = None
    missing = "an unknown volatility counts as its median over the train rows"

    def __init__(self, params: GarchParams) -> None:
        self._params = params
        self.inputs = params.inputs

    def margin(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) log-ratios of (n, 2)."""
        return np.asarray(0.5 * np.log(self._variance(x)) - np.log(np.maximum(x[:, 1], _TINY)))

    def contributions(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2): forecast and reference, in logarithms."""
        return np.column_stack([0.5 * np.log(self._variance(x)), -np.log(np.maximum(x[:, 1], _TINY))])

    def _variance(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        vol = np.where(np.isnan(x[:, 0]), self._params.fill, x[:, 0])
        return np.maximum(self._params.constant + self._params.weight * vol**2, _TINY)

    def params(self) -> dict[str, Any]:
        """`GarchParams` as plain values."""
        plain: dict[str, Any] = msgspec.to_builtins(self._params)
        return plain

    def files(self) -> dict[str, bytes]:
        """No files."""
        return {}


def fit_garch(train: Sample, spec: FeatureSpec) -> GarchDetector:
    """Fit half-life, constant and weight by the highest quasi-likelihood of the train rows' future variance.

    Minimises the mean of ln(v) + future^2 / v over the rows in which all is known (QLIKE, Patton 2011).
    """
    fitted = []
    for half_life_s in spec.half_lives_s:
        inputs = (Input(column=f"ewma_vol_{half_life_s}"), Input(column=REFERENCE))
        vol = train.inputs(inputs, spec)[:, 0]
        known = np.isfinite(vol)
        loss, constant, weight = _quasi_likelihood(vol[known] ** 2, train.future[known] ** 2)
        fill = float(np.median(vol[known])) if known.any() else 0.0
        fitted.append((loss, GarchParams(inputs=inputs, fill=fill, constant=constant, weight=weight)))
    return GarchDetector(min(fitted, key=lambda pair: pair[0])[1])


def _quasi_likelihood(weighted: NDArray[np.float64], future: NDArray[np.float64]) -> tuple[float, float, float]:
    """Loss, constant and weight (both at least 0), in units of the mean future variance, so that the scale is 1."""
    from scipy.optimize import minimize

    unit = float(future.mean()) if len(future) and future.mean() > 0 else 1.0
    x, y = weighted / unit, future / unit
    if len(y) == 0:
        return np.inf, unit, 0.0

    def loss(numbers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        v = numbers[0] + numbers[1] * x
        slope = 1.0 / v - y / v**2
        return float(np.mean(np.log(v) + y / v)), np.array([np.mean(slope), np.mean(slope * x)])

    found = minimize(loss, np.array([0.5, 0.5]), jac=True, method="L-BFGS-B", bounds=[(1e-6, None), (0.0, None)])
    return float(found.fun), float(found.x[0]) * unit, float(found.x[1])
