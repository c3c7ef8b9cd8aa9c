"""Tables of pages: wide ones scroll inside their own box, which the keyboard reaches."""

from collections.abc import Sequence
from dataclasses import dataclass

from dash import html
from dash.development.base_component import Component

from tickvol.pages.aria import aria

Cell = Component | str


@dataclass(frozen=True, slots=True)
class Head:
    """A column's heading; numbers are aligned to the right, long texts wrap."""

    label: str
    is_number: bool = False
    wraps: bool = False


def table(caption: str, heads: Sequence[Head], rows: Sequence[Sequence[Cell]]) -> Component:
    """A table whose first column names the row.

    Parameters
    ----------
    caption : name of the table for screen readers; the heading above it shows the same to others.
    rows : one cell per heading.
    """
    header = html.Tr([html.Th(head.label, scope="col", className=_align(head)) for head in heads])
    body = [
        html.Tr([_cell(head, cell, number) for number, (head, cell) in enumerate(zip(heads, row, strict=True))])
        for row in rows
    ]
    content = html.Table([html.Caption(caption, className="unseen"), html.Thead(header), html.Tbody(body)])
    return html.Div(content, className="scroll-box", role="region", tabIndex="0", **aria(label=caption))


def _align(head: Head) -> str:
    return "number" if head.is_number else "wraps" if head.wraps else "words"


def _cell(head: Head, cell: Cell, number: int) -> Component:
    if number == 0:
        return html.Th(cell, scope="row", className=_align(head))
    return html.Td(cell, className=_align(head))
