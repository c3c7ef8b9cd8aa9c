"""Points in time as text and as nanoseconds since the epoch, UTC."""

from datetime import UTC, datetime

import numpy as np

from tickvol.core.errors import UsageError

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
NS_PER_HOUR = 3600 * NS_PER_S
DAY_S = 86_400

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = 1000


def iso(time_ns: int) -> str:
    """UTC to the second.

    >>> iso(1_775_347_200_000_000_000)
    '2026-04-05T00:00:00Z'
    """
    return f"{np.datetime64(time_ns, 'ns').astype('datetime64[s]')}Z"


def exact_iso(time_ns: int) -> str:
    """UTC to the millisecond, the resolution of bar ends; no fraction if it is zero.

    >>> exact_iso(1_775_347_200_000_000_000), exact_iso(1_775_347_200_250_000_000)
    ('2026-04-05T00:00:00Z', '2026-04-05T00:00:00.250Z')
    """
    return iso_millis(time_ns).replace(".000Z", "Z")


def iso_millis(time_ns: int) -> str:
    """UTC to the millisecond, in a fixed number of characters.

    >>> iso_millis(1_775_347_200_000_000_000)
    '2026-04-05T00:00:00.000Z'
    """
    return f"{np.datetime64(time_ns, 'ns').astype('datetime64[ms]')}Z"


def now_iso() -> str:
    """The current time, UTC to the second, as ledgers store it."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def parse_time_ns(field: str, text: str) -> int:
    """A point in time from ISO 8601 (without a zone: UTC) or from digits, ns since the epoch.

    Parameters
    ----------
    field : name at the start of the error message.

    Raises
    ------
    UsageError
        If it is neither, or outside the range of int64 ns.

    >>> parse_time_ns("from", "2026-04-05T00:00:00Z") == parse_time_ns("from", "1775347200000000000")
    True
    """
    try:
        if text.lstrip("-").isdecimal():
            time_ns = int(text)
        else:
            moment = datetime.fromisoformat(text)
            since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
            time_ns = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * _US
    except (ValueError, OverflowError):
        raise UsageError(f"{field}: {text!r}: must be ISO 8601 (2026-04-05T12:00:00Z) or ns since the epoch") from None
    if not -(2**63) <= time_ns < 2**63:
        raise UsageError(f"{field}: {text!r}: must lie in the years 1678 to 2261")
    return time_ns


def parse_span_ns(from_text: str | None, to_text: str | None) -> tuple[int | None, int | None]:
    """Both ends of `from <= bar_end < to`; None is open.

    Raises
    ------
    UsageError
        As `parse_time_ns`; also if the interval is empty.
    """
    from_ns = None if from_text is None else parse_time_ns("from", from_text)
    to_ns = None if to_text is None else parse_time_ns("to", to_text)
    if from_ns is not None and to_ns is not None and from_ns >= to_ns:
        raise UsageError(f"from, to: {from_text!r}, {to_text!r}: from must lie before to")
    return from_ns, to_ns
