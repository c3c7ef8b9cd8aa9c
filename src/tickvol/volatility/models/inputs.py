"""Inputs of detectors: scale-free transforms of features, declared as data so that a bundle can hold them.

Learned models see ratios, shares and logarithms of ratios, never a price level: a few recorded days differ tenfold in
volatility, and a model that can identify the day memorises the days. Only where the train rows span weeks do they also
see the clock and the level of the reference.
Volatilities are divided by the *reference* of the row: the value that the label compares the future with, per reference
window. For the relative label it is the feature `typical_vol`, for the absolute one the threshold of the row's product.
"""

import enum
import math
from collections.abc import Collection, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import SchemaMismatch
from tickvol.volatility.models.input_groups import GROUPS, REFERENCE
from tickvol.volatility.models.input_kernel import DAY, LOG, MAGNITUDE, NOTHING, VALUE, fill_inputs
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec

LOG_FLOOR = 1e-3
"""Smallest ratio before a logarithm: a window without price changes is calm, which is known, not unknown."""


class Form(enum.StrEnum):
    """`value` is x, `magnitude` |x|, `log` ln(max(|x|, floor)), where x is scale * column / over.

    `day` turns a share of the week into a share of the day.
    """

    VALUE = "value"
    MAGNITUDE = "magnitude"
    LOG = "log"
    DAY = "day"


_FORMS = {Form.VALUE: VALUE, Form.MAGNITUDE: MAGNITUDE, Form.LOG: LOG, Form.DAY: DAY}


class Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One input of a detector.

    Attributes
    ----------
    column : feature, or `reference`.
    form : transform.
    over : denominator, a feature or `reference`; None for 1. The input is unknown where it is 0 or less.
    scale : factor, e.g. the square root of the ratio of two windows.
    floor : smallest value before a logarithm.
    """

    column: str
    form: Form = Form.VALUE
    over: str | None = None
    scale: float = 1.0
    floor: float = 0.0

    @property
    def name(self) -> str:
        """Name in tables and evidence."""
        ratio = self.column if self.over is None else f"{self.column}/{self.over}"
        return ratio if self.form is Form.VALUE else f"{self.form}({ratio})"


class InputMatrix:
    """Computes a list of inputs for many rows at once.

    Parameters
    ----------
    inputs : inputs to compute.
    spec : bars and windows whose features the rows hold, in the order of `feature_names`.

    Raises
    ------
    SchemaMismatch
        When an input names a feature that the spec does not define.
    """

    def __init__(self, inputs: Sequence[Input], spec: FeatureSpec) -> None:
        self.inputs = tuple(inputs)
        places = {name: place for place, name in enumerate(feature_names(spec))}
        places[REFERENCE] = len(places)
        named = {name for item in self.inputs for name in (item.column, item.over) if name is not None}
        if not named <= places.keys():
            unknown = ", ".join(sorted(named - places.keys()))
            raise SchemaMismatch(f"features {unknown}: not made by windows_s {spec.windows_s}; train on these windows")
        self.columns = tuple(name for name in places if name in named and name != REFERENCE)
        self._column = np.array([places[item.column] for item in self.inputs], np.intp)
        overs = [NOTHING if item.over is None else places[item.over] for item in self.inputs]
        self._over = np.array(overs, np.intp)
        self._scale = np.array([item.scale for item in self.inputs], np.float64)
        self._form = np.array([_FORMS[item.form] for item in self.inputs], np.int8)
        self._floor = np.array([item.floor for item in self.inputs], np.float64)
        self._all = np.arange(len(self.inputs))

    def __call__(
        self,
        values: NDArray[np.float64],
        reference: NDArray[np.float64],
        wanted: NDArray[np.intp] | None = None,
    ) -> NDArray[np.float64]:
        """The inputs, (n, inputs) float64; unknown is NaN.

        Parameters
        ----------
        values : (n, k) float64, features in the order of the schema.
        reference : (n,) float64, log-return per reference window.
        wanted : indices of the inputs to compute, the others are 0; None for all.
        """
        shape = (len(values), len(self.inputs))
        x = np.empty(shape) if wanted is None else np.zeros(shape)
        chosen = self._all if wanted is None else wanted
        fill_inputs(values, reference, chosen, self._column, self._over, self._scale, self._form, self._floor, x)
        return x


def learned_inputs(spec: FeatureSpec, *, long: bool, leave_out: Collection[str] = ()) -> tuple[Input, ...]:
    """Inputs of learned models; `docs/label_spec.md` lists them and what is left out.

    Parameters
    ----------
    long : True if the train rows span weeks, so that the clock and the level of the reference can be learned.
    leave_out : names of `GROUPS`.
    """
    gone = tuple(beginning for name in leave_out for beginning in GROUPS[name])
    return tuple(item for item in _all_inputs(spec, long=long) if not item.column.startswith(gone))


def _all_inputs(spec: FeatureSpec, *, long: bool) -> tuple[Input, ...]:
    longest = spec.longest_window_s
    inputs: list[Input] = []
    for window_s in spec.windows_s:
        inputs += [
            _log_vol("realized_vol", window_s, spec),
            _log_vol("parkinson_vol", window_s, spec),
            _log_vol("range", window_s, spec),
            Input(
                column=f"log_return_{window_s}",
                over=REFERENCE,
                form=Form.MAGNITUDE,
                scale=_to_reference(window_s, spec),
            ),
            Input(column=f"jump_share_{window_s}"),
            Input(column=f"quote_imbalance_{window_s}", form=Form.MAGNITUDE),
            Input(column=f"order_flow_imbalance_{window_s}", form=Form.MAGNITUDE),
        ]
        if window_s != longest:
            inputs += [
                Input(column=f"{stem}_{window_s}", over=f"{stem}_{longest}", form=Form.LOG, floor=LOG_FLOOR)
                for stem in ("tick_rate", "spread_bps", "quote_imbalance_change")
            ]
    for half_life_s in spec.half_lives_s:
        inputs += [
            Input(column=f"ewma_vol_{half_life_s}", over=REFERENCE, form=Form.LOG, floor=LOG_FLOOR),
            Input(column=f"tick_intensity_{half_life_s}", over=f"tick_rate_{longest}", form=Form.LOG, floor=LOG_FLOOR),
        ]
    inputs += [
        Input(column="robust_z", form=Form.MAGNITUDE),
        Input(column="vol_zscore"),
        Input(column="value_at_risk_95", over=REFERENCE, form=Form.MAGNITUDE),
        Input(column="max_drawdown", over=REFERENCE, form=Form.LOG, floor=LOG_FLOOR),
    ]
    return (*inputs, *(LONG_INPUTS if long else ()))


LEVEL = Input(column=REFERENCE, form=Form.LOG, floor=1e-300)
LONG_INPUTS = (
    LEVEL,
    Input(column="week_share_new_york"),
    Input(column="week_share_new_york", form=Form.DAY),
    Input(column="week_share", form=Form.DAY),
)
"""Level of the reference, and the clock in New York and in UTC."""


def har_windows(spec: FeatureSpec) -> tuple[int, ...]:
    """Windows of HAR: the reference and the two longest.

    >>> har_windows(FeatureSpec())
    (60, 300, 900)
    """
    return tuple(sorted({spec.reference_window_s, *spec.windows_s[-2:]}))


def har_inputs(spec: FeatureSpec, *, long: bool) -> tuple[Input, ...]:
    """Inputs of HAR among `learned_inputs`: volatilities of `har_windows`; also the level, if `long`."""
    return (
        *(_log_vol("realized_vol", window_s, spec) for window_s in har_windows(spec)),
        *((LEVEL,) if long else ()),
    )


def _log_vol(stem: str, window_s: int, spec: FeatureSpec) -> Input:
    scale = _to_reference(window_s, spec)
    return Input(column=f"{stem}_{window_s}", over=REFERENCE, form=Form.LOG, scale=scale, floor=LOG_FLOOR)


def _to_reference(window_s: int, spec: FeatureSpec) -> float:
    """Factor that scales a volatility of the window to one of the reference window."""
    return math.sqrt(spec.reference_window_s / window_s)
