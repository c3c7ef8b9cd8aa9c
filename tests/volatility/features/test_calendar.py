"""The compiled calendar against the zone database."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from tests.volatility.features.reference import week_share as slow_week_share
from tickvol.volatility.features.calendar_kernel import NS_PER_HOUR, new_york_offset_ns, week_share

S = 1_000_000_000
NEW_YORK = ZoneInfo("America/New_York")
FIRST, LAST = (int(datetime(year, 1, 2, tzinfo=UTC).timestamp()) for year in (2007, 2037))


def offset_ns(second: int) -> int:
    offset = datetime.fromtimestamp(second, NEW_YORK).utcoffset()
    assert offset is not None
    return int(offset.total_seconds()) * S


@given(st.integers(FIRST, LAST))
def test_new_york_keeps_the_offset_of_the_zone_database(second: int) -> None:
    assert new_york_offset_ns(second * S) == offset_ns(second)


def test_the_clock_changes_at_the_very_second_in_every_year() -> None:
    changes = 0
    for hour in range(FIRST // 3600, LAST // 3600):
        if offset_ns(hour * 3600) != offset_ns(hour * 3600 - 1):
            changes += 1
            assert new_york_offset_ns(hour * NS_PER_HOUR) != new_york_offset_ns(hour * NS_PER_HOUR - 1)
    assert changes == 60


@given(st.integers(FIRST * S, LAST * S))
def test_the_share_of_the_week_begins_on_monday(time_ns: int) -> None:
    assert 0.0 <= week_share(time_ns) < 1.0
    assert abs(week_share(time_ns) - slow_week_share(time_ns, UTC)) < 1e-12


def test_the_week_of_new_york_begins_when_it_is_monday_there() -> None:
    monday = int(datetime(2026, 4, 6, tzinfo=NEW_YORK).timestamp()) * S
    assert week_share(monday + new_york_offset_ns(monday)) == 0.0
