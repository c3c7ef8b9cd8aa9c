"""Charts of pages: Plotly figures as plain JSON, with a summary and a table for readers who do not see them."""

from collections.abc import Mapping, Sequence

from dash import dcc, html
from dash.development.base_component import Component

from tickvol.pages.aria import aria
from tickvol.pages.panels import panel
from tickvol.pages.states import State

Json = Mapping[str, object]

BLUE, RED, AMBER, GREY = "#3b76c9", "#c8452f", "#b07a10", "#7a8594"
"""Middle tones, at least 3:1 against the light and the dark background."""

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_CONFIG: dcc.Graph.Config = {"displayModeBar": False, "displaylogo": False, "responsive": True, "showTips": False}
_HEIGHT_PX = 292


def axis(**more: object) -> dict[str, object]:
    """An axis with a thin grid."""
    ticks = {"ticks": "outside", "ticklen": 5, "tickcolor": "rgba(0,0,0,0)", "tickfont": {"size": 12}}
    return {"zeroline": False, "gridcolor": GREY, "gridwidth": 1, "fixedrange": True} | ticks | more


def figure(
    traces: Sequence[Json], *, x: Json, y: Json, unit: str = "", notes: Sequence[Json] = (), **layout: object
) -> Json:
    """A figure on a transparent background; the style sheet colours its text and grid.

    Parameters
    ----------
    unit : of the vertical axis, written above it.
    notes : annotations.
    """
    base: dict[str, object] = {
        "height": _HEIGHT_PX,
        # Fixed: margins that grow with labels and legend may not settle on a narrow screen.
        "margin": {"l": 58, "r": 10, "t": 34, "b": 42, "autoexpand": False},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": _FONT, "size": 12, "color": GREY},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "#1c2530", "bordercolor": "#1c2530", "font": {"color": "#ffffff", "family": _FONT}},
        "showlegend": False,
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"}
        | {"itemclick": False, "itemdoubleclick": False},
        "dragmode": False,
        "xaxis": x,
        "yaxis": y,
        "annotations": [_unit(unit), *notes] if unit else list(notes),
    }
    return {"data": list(traces), "layout": base | layout}


def _unit(unit: str) -> Json:
    place = {"x": 0, "xref": "paper", "xanchor": "right", "xshift": -6, "y": 1, "yref": "paper", "yanchor": "bottom"}
    return place | {"yshift": 8, "text": unit, "showarrow": False, "font": {"size": 12}}


def chart(
    name: str, *, title: str, summary: str, state: State, drawn: Json | None, alternative: Component | None
) -> Component:
    """A chart under its heading.

    Parameters
    ----------
    name : unique on the page.
    summary : what the chart shows, in a sentence with its main figures; also the text that replaces the picture.
    drawn, alternative : a Plotly figure, and a table of the same figures; None where the state has no value.
    """
    if drawn is None or alternative is None:
        return panel(title, summary, state=state)
    graph = dcc.Graph(id=f"chart-{name}", figure=dict(drawn), config=_CONFIG, className="chart")
    picture = html.Div(graph, role="img", **aria(label=f"{title}. {summary}"))
    table = html.Details([html.Summary("Figures as a table"), alternative])
    return panel(title, summary, [picture, table], state)
