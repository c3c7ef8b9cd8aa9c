"""Cron expressions that every cron reads alike: five fields of numbers, ranges, lists and steps, without names."""

import re
from collections.abc import Mapping

FIELDS: Mapping[str, tuple[int, int]] = {
    "minute": (0, 59),
    "hour": (0, 23),
    "day": (1, 31),
    "month": (1, 12),
    "weekday": (0, 6),
}
"""Fields in their order, with their first and last number; Sunday is 0."""

_LONGEST_MONTHS = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}
_PART = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")


def parse_cron(text: str) -> tuple[frozenset[int], ...]:
    """Minutes, hours, days, months and weekdays at which a job is due.

    Raises
    ------
    ValueError
        With the invalid field and its rule.

    >>> [sorted(numbers) for numbers in parse_cron("*/30 3-5 1 1,7 *")][:4]
    [[0, 30], [3, 4, 5], [1], [1, 7]]
    """
    words = text.split()
    if len(words) != len(FIELDS):
        raise ValueError(f"{text!r}: must be five fields ({' '.join(FIELDS)})")
    found = tuple(_numbers(text, name, word) for name, word in zip(FIELDS, words, strict=True))
    _, _, days, months, _ = found
    if min(days) > max(_LONGEST_MONTHS[month] for month in months):
        raise ValueError(f"{text!r}: day must be one that a chosen month has")
    return found


def _numbers(text: str, name: str, word: str) -> frozenset[int]:
    first, last = FIELDS[name]
    rule = f"{text!r}: {name} must be *, numbers from {first} to {last}, ranges, lists or steps of ranges, not {word!r}"
    chosen: set[int] = set()
    for part in word.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(rule)
        low, high, step = (None if group is None else int(group) for group in match.groups())
        if (low is not None and high is None and step is not None) or (low is not None and low == high):
            raise ValueError(rule)  # 3/5 and 3-3 mean different things to different crons
        begin = first if low is None else low
        end = (last if low is None else low) if high is None else high
        if not first <= begin <= end <= last or step == 0:
            raise ValueError(rule)
        chosen.update(range(begin, end + 1, step or 1))
    return frozenset(chosen)
