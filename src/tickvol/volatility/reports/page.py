"""HTML pages that need no other file: blocks, and one Jinja2 template that escapes all text."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import jinja2


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 or 2."""

    kind: ClassVar[str] = "heading"
    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; a warning is shown in red."""

    kind: ClassVar[str] = "paragraph"
    text: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class VerdictBox:
    """Lines of a verdict, each with a part in bold at its end."""

    kind: ClassVar[str] = "verdict"
    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text; without a header the last column holds hashes."""

    kind: ClassVar[str] = "table"
    header: Sequence[str]
    body: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A PNG under its caption."""

    kind: ClassVar[str] = "figure"
    caption: str
    image: bytes

    @property
    def encoded(self) -> str:
        """Base64 of the image, for a data URI."""
        return base64.b64encode(self.image).decode()


Block = Heading | Paragraph | VerdictBox | Table | Figure


def render_page(title: str, blocks: Sequence[Block]) -> str:
    """The page of some blocks, in their order."""
    return _template().render(title=title, blocks=blocks)


@cache
def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("tickvol.volatility.reports", ".")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("page.html.j2")


def interval_text(interval: Mapping[str, Any], *, digits: int = 3) -> str:
    """Both ends of an interval, or `none`; the page gives the reason once."""
    if interval["low"] is None:
        return "none"
    return f"{interval['low']:+.{digits}f} to {interval['high']:+.{digits}f}"


def number_text(value: float | None, *, digits: int = 3, signed: bool = False) -> str:
    """A number, or a dash where it is undefined."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return str(value)
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
