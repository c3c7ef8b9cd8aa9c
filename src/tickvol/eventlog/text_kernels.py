"""Compiled parsers of the exchange's text: timestamps to integer ns, decimals to the nearest float64.

Texts are joined by line feeds in one buffer, so that a batch is one call.
"""

import numpy as np
from numpy.typing import NDArray

from tickvol.core.compiled import compiled

BAD = 1
SLOW = 2

_ZERO, _NINE = 48, 57
_POWERS = 10.0 ** np.arange(23)
_MAX_EXACT_MANTISSA = 2**53


@compiled
def _number(text: NDArray[np.uint8], begin: int, end: int) -> int:  # pragma: no cover
    value = 0
    for i in range(begin, end):
        if text[i] < _ZERO or text[i] > _NINE:
            return -1
        value = value * 10 + (text[i] - _ZERO)
    return value


@compiled
def _timestamp(text: NDArray[np.uint8], begin: int, end: int) -> int:  # pragma: no cover
    if end - begin < 20 or text[end - 1] != 90:  # 'Z'
        return -1
    if text[begin + 4] != 45 or text[begin + 7] != 45 or text[begin + 10] != 84:
        return -1
    if text[begin + 13] != 58 or text[begin + 16] != 58:
        return -1
    year, month, day = (
        _number(text, begin, begin + 4),
        _number(text, begin + 5, begin + 7),
        _number(text, begin + 8, begin + 10),
    )
    hour, minute = _number(text, begin + 11, begin + 13), _number(text, begin + 14, begin + 16)
    second = _number(text, begin + 17, begin + 19)
    if year < 1970 or year > 2261 or month < 1 or month > 12 or day < 1:
        return -1
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return -1
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    month_days = 31
    if month == 2:
        month_days = 29 if leap else 28
    elif month == 4 or month == 6 or month == 9 or month == 11:
        month_days = 30
    if day > month_days:
        return -1
    nanoseconds = 0
    if end - begin > 20:
        digits = end - 1 - (begin + 20)
        if text[begin + 19] != 46 or digits < 1 or digits > 9:
            return -1
        nanoseconds = _number(text, begin + 20, end - 1)
        if nanoseconds < 0:
            return -1
        for _ in range(9 - digits):
            nanoseconds *= 10
    # Days since the epoch of a proleptic Gregorian date (H. Hinnant, "chrono-compatible low-level date algorithms").
    shifted = year - 1 if month <= 2 else year
    era = shifted // 400
    year_of_era = shifted - era * 400
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    days = era * 146097 + day_of_era - 719468
    minutes = (days * 24 + hour) * 60 + minute
    time_ns: int = minutes * 60_000_000_000 + second * 1_000_000_000 + nanoseconds
    return time_ns


@compiled
def parse_timestamps(text: NDArray[np.uint8], out: NDArray[np.int64]) -> None:  # pragma: no cover
    """RFC 3339 in UTC (`2026-04-05T22:35:13.92532762Z`, 0 to 9 decimals) to ns; -1 for others and before 1970."""
    begin, item = 0, 0
    for i in range(len(text) + 1):
        if i == len(text) or text[i] == 10:
            out[item] = _timestamp(text, begin, i)
            item += 1
            begin = i + 1


@compiled
def parse_decimals(
    text: NDArray[np.uint8], out: NDArray[np.float64], state: NDArray[np.uint8]
) -> None:  # pragma: no cover
    """Plain decimals (`67468.26`, no sign but `-`, no exponent) to the nearest float64.

    A mantissa up to 2**53 over a power of ten up to 22 is exact by one division (Clinger 1990); longer ones get state
    SLOW and are left to the caller. An empty text gives NaN, any other text that is no decimal NaN and state BAD.
    """
    begin, item = 0, 0
    for i in range(len(text) + 1):
        if i < len(text) and text[i] != 10:
            continue
        out[item], state[item] = np.nan, 0
        if i > begin:
            j = begin + 1 if text[begin] == 45 else begin
            mantissa, decimals, digits, seen_point, exact = 0, 0, 0, False, True
            while j < i:
                byte = text[j]
                if byte == 46 and not seen_point:
                    seen_point = True
                elif _ZERO <= byte <= _NINE:
                    digits += 1
                    if mantissa > (_MAX_EXACT_MANTISSA - 9) // 10:
                        exact = False
                    else:
                        mantissa = mantissa * 10 + (byte - _ZERO)
                    if seen_point:
                        decimals += 1
                else:
                    digits = 0
                    break
                j += 1
            if digits == 0 or text[i - 1] == 46:
                state[item] = BAD
            elif not exact or decimals > 22:
                state[item] = SLOW
            else:
                value = mantissa / _POWERS[decimals]
                out[item] = -value if text[begin] == 45 else value
        item += 1
        begin = i + 1
