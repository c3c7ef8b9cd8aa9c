"""Compiled calendar: position within the week in UTC and in New York time.

Scheduled news and stock exchange hours follow New York's local time, so their effect on volatility shifts by an hour
against UTC twice a year.
"""

from tickvol.core.compiled import compiled

NS_PER_HOUR = 3_600_000_000_000
DAY_NS = 24 * NS_PER_HOUR
WEEK_NS = 7 * DAY_NS
MONDAY = 4  # 1970-01-05 was the first Monday since the epoch


@compiled
def week_share(time_ns):
    """Share of the week elapsed since Monday 00:00, in [0, 1); `time_ns` since the epoch on the intended clock."""
    return ((time_ns - MONDAY * DAY_NS) % WEEK_NS) / WEEK_NS


@compiled
def _year_of(day):
    """Gregorian year of a day since the epoch (Hinnant, civil_from_days)."""
    shifted = day + 719_468
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    return year + era * 400 + (1 if of_year >= 306 else 0)


@compiled
def _first_of(year, month_day):
    """Day since the epoch of a month's first; `month_day` counts from 1 March: 0 is March, 245 November."""
    era = year // 400
    of_era = year - era * 400
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + month_day - 719_468


@compiled
def _sunday_from(day):
    """The first Sunday at or after a day; 1970-01-01 was a Thursday."""
    return day + (3 - day) % 7


@compiled
def new_york_offset_ns(time_ns):
    """New York's local time minus UTC, ns.

    -4 h from the second Sunday of March 02:00 to the first of November 02:00 on the local clock, else -5 h. The rule of
    the Energy Policy Act of 2005, in force since 2007; earlier years had other dates.
    """
    year = _year_of(time_ns // DAY_NS)
    begins_ns = (_sunday_from(_first_of(year, 0)) + 7) * DAY_NS + 7 * NS_PER_HOUR
    ends_ns = _sunday_from(_first_of(year, 245)) * DAY_NS + 6 * NS_PER_HOUR
    return -4 * NS_PER_HOUR if begins_ns <= time_ns < ends_ns else -5 * NS_PER_HOUR
