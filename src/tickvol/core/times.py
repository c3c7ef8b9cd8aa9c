"""Instants as people write them: ISO 8601 in UTC, to and from integer nanoseconds since the epoch."""

from datetime import UTC, datetime

from tickvol.core.windows import NS_PER_S

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time_ns(text: str) -> int:
    """An ISO 8601 date or time in ns since the epoch; without an offset it is UTC.

    >>> parse_time_ns("1970-01-01T00:00:01.5Z"), parse_time_ns("1970-01-02")
    (1500000000, 86400000000000)

    Raises
    ------
    ValueError
        When the text is no such time or lies before the epoch.
    """
    moment = datetime.fromisoformat(text)
    past = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    if past.days < 0:
        raise ValueError(f"{text}: lies before 1970")
    return (past.days * 86_400 + past.seconds) * NS_PER_S + past.microseconds * 1000


def format_time(time_ns: int) -> str:
    """Nanoseconds since the epoch as ISO 8601 in UTC, to the second below.

    >>> format_time(1_500_000_000)
    '1970-01-01T00:00:01Z'
    """
    return f"{datetime.fromtimestamp(time_ns // NS_PER_S, UTC):%Y-%m-%dT%H:%M:%SZ}"
