"""The compiled parsers against plain references: `float()` bit for bit, and dates by `datetime`."""

import re
import struct
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickvol.eventlog.text_kernels import BAD, SLOW, parse_decimals, parse_timestamps


def decimals(texts):
    buffer = np.frombuffer("\n".join(texts).encode() or b"\n", np.uint8)
    out, state = np.full(len(texts), -7.0), np.full(len(texts), 9, np.uint8)
    parse_decimals(buffer, out, state)
    return out, state


def timestamps(texts):
    out = np.full(len(texts), -7, np.int64)
    parse_timestamps(np.frombuffer("\n".join(texts).encode(), np.uint8), out)
    return out.tolist()


def bits(number):
    return struct.pack("<d", number)


digits = st.text("0123456789", min_size=1, max_size=40)
plain_decimals = st.builds(
    lambda sign, whole, fraction: f"{sign}{whole}" + (f".{fraction}" if fraction else ""),
    st.sampled_from(["", "-"]),
    digits,
    st.one_of(st.just(""), digits),
)


@given(st.lists(plain_decimals, min_size=1, max_size=20))
@settings(max_examples=500)
def test_decimals_equal_float_bit_for_bit_or_are_left_to_it(texts):
    numbers, state = decimals(texts)
    for text, number, how in zip(texts, numbers, state, strict=True):
        assert how in (0, SLOW), text
        if how == 0:
            assert bits(number) == bits(float(text)), text


@given(st.integers(0, 2**53 - 1), st.integers(0, 15))
def test_prices_as_exchanges_quote_them_never_take_the_slow_way(mantissa, places):
    if mantissa > (2**53 - 9) // 10:
        mantissa //= 10
    text = f"{mantissa // 10**places}.{mantissa % 10**places:0{places}d}" if places else str(mantissa)
    numbers, state = decimals([text])
    assert state[0] == 0
    assert bits(numbers[0]) == bits(float(text))


@given(st.text("0123456789.-+eE_ naif,x\t", min_size=1, max_size=12))
@settings(max_examples=500)
def test_what_is_no_plain_decimal_is_bad(text):
    is_decimal = re.fullmatch(r"-?[0-9]*\.?[0-9]+", text) is not None
    numbers, state = decimals([text])
    assert (state[0] != BAD) == is_decimal, text
    if not is_decimal:
        assert np.isnan(numbers[0])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1e308", "exponents are no prices"),
        ("NaN", "no number"),
        ("Infinity", "no number"),
        ("+1", "the exchange sends no plus"),
        ("1.2.3", "two points"),
        ("1.", "nothing behind the point"),
        (".", "no digit"),
        ("-", "no digit"),
        ("--1", "two signs"),
        (" 1", "a blank"),
        ("1,5", "a comma"),
        ("١", "a digit of another script, which float() would take"),
        ("0x10", "hexadecimal"),
        ("1_000", "an underscore, which float() would take"),
    ],
)
def test_these_texts_are_bad(text, why):
    assert decimals([text])[1][0] == BAD, why


def test_an_empty_text_is_an_unknown_number_and_not_a_bad_one():
    numbers, state = decimals(["1.5", "", "2"])
    assert np.array_equal(numbers, [1.5, np.nan, 2.0], equal_nan=True)
    assert state.tolist() == [0, 0, 0]


def test_a_mantissa_beyond_two_to_the_53_is_left_to_the_caller():
    assert decimals(["9007199254740993"])[1][0] == SLOW
    assert decimals(["0." + "0" * 22 + "1"])[1][0] == SLOW


def expected_ns(text):
    """Nanoseconds by the standard library, from a text that the caller built."""
    head, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.strptime(head, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp())
    return seconds * 10**9 + int(fraction.ljust(9, "0") or 0)


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2261, 12, 31, 23, 59, 59)),
    st.text("0123456789", min_size=0, max_size=9),
)
@settings(max_examples=500)
def test_timestamps_equal_the_standard_library_with_0_to_9_fractional_digits(moment, fraction):
    text = f"{moment:%Y-%m-%dT%H:%M:%S}" + (f".{fraction}" if fraction else "") + "Z"
    assert timestamps([text]) == [expected_ns(text)]


@pytest.mark.parametrize("year", [1972, 2000, 2024, 2026, 2100, 2200, 2260])
def test_the_29th_of_february_exists_in_leap_years_only(year):
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    found = timestamps([f"{year}-02-29T12:00:00Z", f"{year}-02-28T23:59:59.999999999Z", f"{year}-03-01T00:00:00Z"])
    assert (found[0] != -1) == leap
    assert found[2] - found[1] == 1 + leap * 86_400 * 10**9


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("Z", "no date"),
        ("2026-04-05T22:35:13", "no zone"),
        ("2026-04-05T22:35:13+00:00", "only Z is sent"),
        ("2026-04-05T22:35:13z", "only Z is sent"),
        ("2026-04-05 22:35:13Z", "no T"),
        ("2026-04-05T22:35:13.Z", "a point without digits"),
        ("2026-04-05T22:35:13.1234567890Z", "ten fractional digits"),
        ("2026-04-05T22:35:13.12345678901234567890Z", "twenty fractional digits"),
        ("2026-04-05T22:35:13.12 4Z", "a blank among the digits"),
        ("2026-04-05T22:35:13,5Z", "a comma"),
        ("2026-04-05T22:35:60Z", "a leap second"),
        ("2026-04-05T24:00:00Z", "hour 24"),
        ("2026-04-05T22:60:00Z", "minute 60"),
        ("2026-13-05T22:35:13Z", "month 13"),
        ("2026-00-05T22:35:13Z", "month 0"),
        ("2026-04-31T22:35:13Z", "the 31st of April"),
        ("2026-04-00T22:35:13Z", "day 0"),
        ("1969-12-31T23:59:59.999999999Z", "before the epoch"),
        ("-026-04-05T22:35:13Z", "a sign"),
        ("2262-04-11T23:47:16.854775807Z", "beyond what int64 ns surely hold"),
        ("9999-12-31T23:59:59Z", "beyond int64 ns"),
        ("١٩٧٠-01-01T00:00:00Z", "digits of another script"),
        ("2026-04-05T22:35:13Z ", "a blank behind"),
        ("1775427313", "seconds"),
    ],
)
def test_these_texts_are_no_timestamps(text, why):
    assert timestamps([text]) == [-1], why


def test_one_bad_text_leaves_its_neighbours_alone():
    assert timestamps(["1970-01-01T00:00:01Z", "x", "", "1970-01-01T00:00:00.000000002Z"]) == [10**9, -1, -1, 2]
    numbers, state = decimals(["1", "x", "-2.50"])
    assert np.array_equal(numbers, [1.0, np.nan, -2.5], equal_nan=True)
    assert state.tolist() == [0, BAD, 0]
