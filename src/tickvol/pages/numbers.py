"""Numbers and times as pages write them: true minus signs, thousands separators, UTC."""

from datetime import UTC, datetime, timedelta

MINUS = "\N{MINUS SIGN}"
NONE = "\N{EN DASH}"
_THIN = "\N{NARROW NO-BREAK SPACE}"
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def signed(value: float, decimals: int = 2) -> str:
    """A number with its sign.

    >>> signed(0.5), signed(-0.5), signed(-0.001)
    ('+0.50', '−0.50', '0.00')
    """
    text = f"{value:+,.{decimals}f}"
    return text[1:] if not text.strip("+-0.,") else text.replace("-", MINUS)


def percent(fraction: float | None, decimals: int = 2, *, sign: bool = True) -> str:
    """A fraction in percent; a dash for null.

    >>> percent(-0.0412), percent(0.452, 1, sign=False), percent(None)
    ('−4.12%', '45.2%', '–')
    """
    if fraction is None:
        return NONE
    return f"{percent_value(fraction, decimals, sign=sign)}%"


def percent_value(fraction: float, decimals: int = 2, *, sign: bool = True) -> str:
    """A fraction in percent, without the percent sign."""
    return signed(100 * fraction, decimals) if sign else f"{100 * fraction:,.{decimals}f}".replace("-", MINUS)


def price(value: float | None) -> str:
    """A price with as many decimals as its size needs; a dash for null.

    >>> price(64250.1234), price(1.5), price(0.0712345)
    ('64,250.12', '1.50', '0.07123')
    """
    if value is None:
        return NONE
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.5f}"


def count(value: int | None) -> str:
    """A count with thousands separators; a dash for null.

    >>> count(12345)
    '12,345'
    """
    return NONE if value is None else f"{value:,}"


def counted(number: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "day"), counted(1200, "day")
    ('1 day', '1,200 days')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def decimal(value: float | None, decimals: int = 2) -> str:
    """A number without a unit; a dash for null."""
    return NONE if value is None else f"{value:,.{decimals}f}".replace("-", MINUS)


def p_value(value: float | None) -> str:
    """A p-value to three decimals; a dash for null.

    >>> p_value(0.01449), p_value(0.0002)
    ('0.014', '< 0.001')
    """
    if value is None:
        return NONE
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def duration_parts(seconds: float) -> tuple[str, str]:
    """A duration as number and unit.

    >>> duration_parts(0.4231), duration_parts(75.0), duration_parts(7260.0)
    (('0.42', 's'), ('1:15', 'min'), ('2:01', 'h'))
    """
    if seconds < _MINUTE:
        return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.1f}", "s"
    if seconds < _HOUR:
        return f"{int(seconds) // _MINUTE}:{int(seconds) % _MINUTE:02d}", "min"
    return f"{int(seconds) // _HOUR}:{int(seconds) % _HOUR // _MINUTE:02d}", "h"


def duration(seconds: float) -> str:
    """A duration with its unit."""
    return _THIN.join(duration_parts(seconds))


def age_text(seconds: float) -> str:
    """An age in its two largest units.

    >>> age_text(30), age_text(300), age_text(50_400), age_text(273_600)
    ('less than 1 min', '5 min', '14 h', '3 d 4 h')
    """
    if seconds < _MINUTE:
        return "less than 1 min"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min"
    if seconds < _DAY:
        return f"{int(seconds // _HOUR)} h"
    hours = int(seconds % _DAY // _HOUR)
    return f"{int(seconds // _DAY)} d" + (f" {hours} h" if hours else "")


def utc_text(time_us: int, *, seconds: bool = True) -> str:
    """A point in time, us since the epoch.

    >>> utc_text(1_775_347_203_000_000)
    '2026-04-05 00:00:03'
    """
    moment = datetime.fromtimestamp(time_us / 1e6, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}" if seconds else f"{moment:%Y-%m-%d %H:%M}"


def day_end_us(day: str) -> int:
    """End of a UTC date, us since the epoch.

    >>> day_end_us("1970-01-01")
    86400000000
    """
    return int((datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)).timestamp() * 1e6)
