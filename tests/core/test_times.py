"""Points in time as text: both ways, without a zone UTC, and never a crash."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickvol.core.errors import UsageError
from tickvol.core.times import iso_millis, parse_span_ns, parse_time_ns


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("2026-04-05T00:00:00Z", 1_775_347_200_000_000_000),
        ("2026-04-05", 1_775_347_200_000_000_000),
        ("2026-04-05T00:00:00", 1_775_347_200_000_000_000),
        ("2026-04-05T02:00:00+02:00", 1_775_347_200_000_000_000),
        ("2026-04-05T00:00:00.000001Z", 1_775_347_200_000_001_000),
        ("1775347200000000000", 1_775_347_200_000_000_000),
    ],
)
def test_times_are_iso_or_nanoseconds_and_utc_without_a_zone(text, time_ns):
    assert parse_time_ns("from", text) == time_ns


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "1e18", "--1", "0001-01-01", "9" * 30, "²", "nan"])
def test_what_is_no_time_is_wrong_use(text):
    with pytest.raises(UsageError, match=r"to: .*must"):
        parse_time_ns("to", text)


@given(st.text(max_size=30))
def test_no_text_crashes_the_parser(text):
    with contextlib.suppress(UsageError):
        assert -(2**63) <= parse_time_ns("from", text) < 2**63


def test_from_must_lie_before_to():
    assert parse_span_ns("10", None) == (10, None)
    with pytest.raises(UsageError, match="from must lie before to"):
        parse_span_ns("2026-04-05", "2026-04-05")


@given(st.integers(-(10**18), 8 * 10**18))
def test_text_to_the_millisecond_reads_back_to_the_millisecond(time_ns: int) -> None:
    assert 0 <= time_ns - parse_time_ns("from", iso_millis(time_ns)) < 1_000_000
