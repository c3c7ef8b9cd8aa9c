"""Which instants lie within quiet hours, also across midnight and a change of the clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickvol.alerts.quiet_hours import QuietHours

PARIS = ZoneInfo("Europe/Paris")


def ns(text):
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("hours", "zone", "at", "holds"),
    [
        pytest.param("22:00-07:00", UTC, "2026-04-05T21:59:59Z", False, id="a second before"),
        pytest.param("22:00-07:00", UTC, "2026-04-05T22:00:00Z", True, id="its start"),
        pytest.param("22:00-07:00", UTC, "2026-04-06T06:59:59Z", True, id="after midnight"),
        pytest.param("22:00-07:00", UTC, "2026-04-06T07:00:00Z", False, id="its end"),
        pytest.param("12:00-13:30", UTC, "2026-04-06T13:29:00Z", True, id="within a day"),
        pytest.param("12:00-13:30", UTC, "2026-04-06T00:00:00Z", False, id="the other half"),
        pytest.param("22:00-07:00", PARIS, "2026-03-28T06:30:00Z", False, id="winter: 7:30 there"),
        pytest.param("22:00-07:00", PARIS, "2026-03-29T20:30:00Z", True, id="summer: 22:30 there"),
    ],
)
def test_instants_lie_within_or_not(hours, zone, at, holds):
    assert QuietHours.parse(hours, zone).hold(ns(at)) is holds


@given(st.times(), st.times(), st.integers(0, 10**9))
def test_every_day_has_its_quiet_and_its_other_hours(start, end, at_s):
    start, end = start.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)
    if start == end:
        return
    hours = QuietHours(start, end, UTC)
    day = datetime.fromtimestamp(at_s, UTC).date()
    for moment, expected in ((start, True), (end, False)):
        at = datetime.combine(day, moment, UTC)
        assert hours.hold(int(at.timestamp()) * 10**9) is expected
        before = at - timedelta(seconds=1)
        assert hours.hold(int(before.timestamp()) * 10**9) is not expected


@pytest.mark.parametrize("text", ["22-7", "22:00", "25:00-07:00", "22:00-22:00", "now-then", "22:00-07:00-08:00"])
def test_what_is_no_stretch_of_the_day_is_refused(text):
    with pytest.raises(ValueError, match=r"must"):
        QuietHours.parse(text, UTC)
