"""Cron expressions: what we accept is what the scheduler accepts, and it means the same to both."""

from datetime import UTC, datetime

import pytest
from dagster._utils.schedules import is_valid_cron_string, schedule_execution_time_iterator
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from tickvol.settings.cron import FIELDS, parse_cron


@st.composite
def fields(draw: st.DrawFn, first: int, last: int) -> str:
    def part() -> str:
        low, high = sorted((draw(st.integers(first, last)), draw(st.integers(first, last))))
        step = draw(st.integers(1, last))
        return draw(st.sampled_from(["*", f"*/{step}", str(low), f"{low}-{high}", f"{low}-{high}/{step}"]))

    return ",".join(part() for _ in range(draw(st.integers(1, 3))))


expressions = st.tuples(*(fields(*bounds) for bounds in FIELDS.values())).map(" ".join)


@settings(max_examples=60)
@given(expressions)
def test_what_is_accepted_is_due_at_the_scheduler_at_just_those_times(text: str) -> None:
    try:
        minutes, hours, _, months, _ = parse_cron(text)
    except ValueError:
        reject()
    assert is_valid_cron_string(text)
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    times = schedule_execution_time_iterator(start, text, "UTC", ascending=True)
    due = next(times)
    assert (due.minute in minutes, due.hour in hours, due.month in months) == (True, True, True)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must be five fields"),
        ("* * * *", "must be five fields"),
        ("* * * * * *", "must be five fields"),
        ("@daily", "must be five fields"),
        ("60 * * * *", "minute must be"),
        ("* 24 * * *", "hour must be"),
        ("* * 0 * *", "day must be"),
        ("* * * 13 *", "month must be"),
        ("* * * * 7", "weekday must be"),
        ("3-3 * * * *", "minute must be"),
        ("5-3 * * * *", "minute must be"),
        ("*/0 * * * *", "minute must be"),
        ("5/10 * * * *", "minute must be"),
        ("1,,2 * * * *", "minute must be"),
        ("* * * JAN *", "month must be"),
        ("0 0 31 4,6 *", "a chosen month has"),
        ("0 0 30 2 *", "a chosen month has"),
    ],
)
def test_what_is_refused_is_told_by_its_field(text: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        parse_cron(text)
