"""Tiles: one figure with its unit, the time that it describes, its age and its state."""

from collections.abc import Sequence
from dataclasses import dataclass

from dash import html
from dash.development.base_component import Component

from tickvol.pages.aria import aria
from tickvol.pages.states import State, badge, explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A figure.

    Attributes
    ----------
    value : the figure as text, without its unit; shown only where the state has a value.
    of : what the figure describes, such as a day, with the time zone.
    age : time since then, as text.
    note : further lines below the figure.
    is_bad : whether the figure itself is bad news, such as a failed run.
    """

    label: str
    state: State
    value: str = ""
    unit: str = ""
    of: str = ""
    age: str = ""
    note: Sequence[Component | str] = ()
    is_bad: bool = False


def tile_row(label: str, tiles: Sequence[Tile]) -> Component:
    """A row of tiles, as a labelled list."""
    return html.Ul([_component(tile) for tile in tiles], className=f"tiles tiles-{len(tiles)}", **aria(label=label))


def _component(tile: Tile) -> Component:
    lines: list[Component] = [html.H3(tile.label, className="tile-label")]
    if tile.state.has_value:
        figure = [html.Span(tile.value, className="tile-number"), html.Span(f" {tile.unit}", className="tile-unit")]
        lines.append(html.P(figure if tile.unit else figure[:1], className="tile-value"))
    else:
        lines.append(html.P(badge(tile.state.kind), className="tile-value"))
        lines.append(html.P(explanation(tile.state), className="tile-note"))
    if tile.state.has_value and tile.note:
        lines.append(html.P(list(tile.note), className="tile-note"))
    if tile.of:
        lines.append(html.P(_when(tile), className="tile-when"))
    return html.Li(lines, className=f"tile tile-{'error' if tile.is_bad else tile.state.kind}")


def _when(tile: Tile) -> list[Component | str]:
    parts: list[Component | str] = [tile.of]
    if tile.age:
        parts += [" · ", html.Span(f"{tile.age} old", className="tile-age")]
    if tile.state.kind == "stale":
        parts += [" ", badge("stale")]
    return parts
