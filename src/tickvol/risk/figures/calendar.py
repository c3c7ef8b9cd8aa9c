"""UTC days as ISO text and as numbers, and values laid out on a calendar without holes."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

_EPOCH = date(1970, 1, 1)


def day_number(day: str) -> int:
    """Days from 1970-01-01 to an ISO date.

    Raises
    ------
    ValueError
        The text is not an ISO date.

    >>> day_number("1970-01-02"), day_text(20089)
    (1, '2025-01-01')
    """
    return (date.fromisoformat(day) - _EPOCH).days


def day_text(number: int) -> str:
    """ISO date of a day number."""
    return (_EPOCH + timedelta(days=int(number))).isoformat()


def days_from(first: int, count: int) -> list[str]:
    """ISO dates of consecutive days.

    >>> days_from(day_number("2025-12-31"), 2)
    ['2025-12-31', '2026-01-01']
    """
    return [day_text(first + place) for place in range(count)]


def aligned(
    values: Mapping[str, tuple[int, NDArray[np.float64]]],
) -> tuple[int, dict[str, NDArray[np.float64]]]:
    """Arrays with their own first days laid out on one calendar that covers them all.

    Parameters
    ----------
    values : by name: number of the first day, and (n,) float64

    Returns
    -------
    first : number of the first day of the common calendar; 0 where there is no value
    arrays : by name: (m,) float64, NaN outside a series' own days
    """
    spans = [(first, first + len(array)) for first, array in values.values() if len(array)]
    if not spans:
        return 0, {name: np.empty(0) for name in values}
    start, end = min(first for first, _ in spans), max(last for _, last in spans)
    arrays = {}
    for name, (first, array) in values.items():
        arrays[name] = np.full(end - start, np.nan)
        if len(array):
            arrays[name][first - start : first - start + len(array)] = array
    return start, arrays
