"""Panels: a heading, a summary and a chart or a table; the heading says where the figures are stale."""

from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from tickvol.pages.states import State, badge, notice

CURRENT = State("current")

Words = str | Sequence[Component | str]


def panel(
    title: str, summary: Words, content: Component | Sequence[Component] = (), state: State = CURRENT
) -> Component:
    """A part of a page.

    Parameters
    ----------
    content : left out where the state has no value: a notice takes its place.
    """
    if not state.has_value:
        return html.Section([html.H2(title), notice(state)], className="panel")
    heading: list[Component | str] = [title, " ", badge("stale")] if state.kind == "stale" else [title]
    words: list[Component | str] = [summary] if isinstance(summary, str) else list(summary)
    parts = list(content) if isinstance(content, Sequence) else [content]
    return html.Section([html.H2(heading), html.P(words, className="summary"), *parts], className="panel")
