"""An answer: data for JSON, and the same as lines of text."""

from collections.abc import Sequence
from dataclasses import dataclass

JsonValue = object


@dataclass(frozen=True, slots=True)
class View:
    """Data that msgspec encodes as JSON, and lines that say the same."""

    data: JsonValue
    lines: tuple[str, ...]


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of aligned columns; numbers, signs and unknowns to the right.

    >>> table_lines(["asset", "loss"], [["BTC-USD", "-4.2%"], ["SOL-USD", "-12.0%"]])
    ['asset      loss', 'BTC-USD   -4.2%', 'SOL-USD  -12.0%']
    """
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]
    to_right = [bool(rows) and all(_is_number(row[place]) for row in rows) for place in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, to_right, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _is_number(cell: str) -> bool:
    return cell == "-" or cell[:1].isdigit() or (cell[:1] in "+-" and cell[1:2].isdigit())


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
