"""The compiled loop that turns feature rows into a detector's inputs; `inputs.py` explains them."""

import math
from typing import Any

import numpy as np

from tickvol.core.compiled import compiled

NOTHING = -1
VALUE, MAGNITUDE, LOG, DAY = range(4)


def _fill_inputs(
    values: Any, reference: Any, wanted: Any, column: Any, over: Any, scale: Any, form: Any, floor: Any, x: Any
) -> None:
    """Fill the wanted columns of x (n, inputs); a column numbered like the row's length is the reference."""
    width = values.shape[1]
    for i in range(len(values)):
        for j in wanted:
            value = reference[i] if column[j] == width else values[i, column[j]]
            value *= scale[j]
            if over[j] != NOTHING:
                divisor = reference[i] if over[j] == width else values[i, over[j]]
                value = value / divisor if divisor > 0.0 else np.nan
            if form[j] == MAGNITUDE or form[j] == LOG:
                value = abs(value)
            if form[j] == DAY:
                value = (7.0 * value) % 1.0
            if form[j] == LOG:
                value = math.log(floor[j] if value < floor[j] else value)
            x[i, j] = value


fill_inputs = compiled(_fill_inputs)
