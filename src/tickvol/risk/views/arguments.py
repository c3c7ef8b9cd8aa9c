"""Products and days as a command line gives them."""

import re
from collections.abc import Sequence

from tickvol.core.errors import UsageError
from tickvol.core.records import PRODUCT_PATTERN
from tickvol.risk.figures.calendar import day_number, day_text
from tickvol.risk.pipeline.load import FIRST_DAY


def parse_products(option: str, texts: Sequence[str]) -> tuple[str, ...]:
    """Parse products, several of them in one text separated by commas; duplicates are dropped.

    Raises
    ------
    UsageError
        With one line for each that is not like BTC-USD.

    >>> parse_products("--product", ["BTC-USD,ETH-USD", "BTC-USD"])
    ('BTC-USD', 'ETH-USD')
    """
    names = tuple(dict.fromkeys(name for text in texts for name in text.split(",")))
    if wrong := [name for name in names if not re.fullmatch(PRODUCT_PATTERN, name)]:
        raise UsageError([f"{option}: {name!r}: must be like BTC-USD" for name in wrong])
    return names


def parse_day(option: str, text: str) -> int:
    """Parse a date such as 2025-03-03; days since the epoch.

    Raises
    ------
    UsageError
        If it is no such date.
    """
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            raise ValueError(text)
        return day_number(text)
    except ValueError:
        raise UsageError(f"{option}: {text!r}: must be a date such as 2025-03-03") from None


def parse_first_day(option: str, text: str, *, today: int) -> int:
    """Parse the first day of a backfill, which is neither older than any candle nor in the future.

    Raises
    ------
    UsageError
        If it is no date, or outside these bounds.
    """
    day = parse_day(option, text)
    if not day_number(FIRST_DAY) <= day <= today:
        raise UsageError(f"{option}: {text}: must be from {FIRST_DAY} to today, {day_text(today)} (UTC)")
    return day
