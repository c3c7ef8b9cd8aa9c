"""An answer: data for JSON, and the same as lines of text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tickvol.core.times import iso

JsonValue = object
_NUMBER = re.compile(r"[+-]?\d[\d,.]*(e[+-]\d+)?%?( of [\d,]+)?")


@dataclass(frozen=True, slots=True)
class View:
    """Data that msgspec encodes as JSON, and lines that say the same.

    Attributes
    ----------
    is_known : False: the question has no answer, and the view says why.
    """

    data: JsonValue
    lines: tuple[str, ...]
    is_known: bool = True


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of aligned columns; numbers, signs and unknowns to the right.

    >>> table_lines(["asset", "loss"], [["BTC-USD", "-4.2%"], ["SOL-USD", "-12.0%"]])
    ['asset      loss', 'BTC-USD   -4.2%', 'SOL-USD  -12.0%']
    """
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]
    to_right = [
        any(row[place] != "-" for row in rows) and all(_is_number(row[place]) for row in rows)
        for place in range(len(header))
    ]
    lines = []
    for row in (header, *rows):
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, to_right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _is_number(cell: str) -> bool:
    return cell == "-" or _NUMBER.fullmatch(cell) is not None


def percent(value: float | None, digits: int = 2) -> str:
    """A fraction as percent; - where unknown.

    >>> percent(-0.03684), percent(None)
    ('-3.68%', '-')
    """
    return "-" if value is None else f"{100 * value:.{digits}f}%"


def price(value: float | None) -> str:
    """A price with its significant digits; - where unknown.

    >>> price(108240.1), price(0.19418), price(None)
    ('108,240.10', '0.19418', '-')
    """
    if value is None:
        return "-"
    return f"{value:,.2f}" if abs(value) >= 100 else f"{value:.5g}"


def number(value: float | None, digits: int = 2) -> str:
    """A number; - where unknown."""
    return "-" if value is None else f"{value:.{digits}f}"


def time_text(time_us: int) -> str:
    """A time in us since the epoch as UTC to the second, for people; JSON has ISO 8601.

    >>> time_text(1_775_347_200_000_000)
    '2026-04-05 00:00:00'
    """
    return iso(time_us * 1000).replace("T", " ").removesuffix("Z")


def counted(number: int, thing: str) -> str:
    """A number of things.

    >>> counted(1, "run"), counted(2000, "day")
    ('1 run', '2,000 days')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def indented(lines: Sequence[str]) -> list[str]:
    """Lines below a title."""
    return [f"  {line}" for line in lines]
