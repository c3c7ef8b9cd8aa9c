"""Charts of daily returns: their distribution, and the robust z-score by day, with anomalies marked."""

import numpy as np
import polars as pl
from dash.development.base_component import Component

from tickvol.pages.charts import AMBER, BLUE, GREY, RED, axis, chart, figure
from tickvol.pages.numbers import NONE, counted, decimal, percent
from tickvol.pages.states import State, unknown
from tickvol.pages.tables import Head, table
from tickvol.risk.pages.market_data import MarketRisk
from tickvol.risk.pages.readings import Clock

_BINS = 61
_QUANTILES = (0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1)
_DAY_HOVER = "%{x|%Y-%m-%d}"


def return_charts(data: MarketRisk, clock: Clock, z_threshold: float) -> list[Component]:
    """Distribution and z-scores of a product."""
    if data.daily.missing:
        return []
    state = clock.state_of_day(data.daily.rows["day"][-1])
    return [_distribution(data, state), _z_scores(data, state, z_threshold)]


def _distribution(data: MarketRisk, state: State) -> Component:
    title = "Distribution of daily log returns"
    known = data.daily.rows.drop_nulls("log_return")
    if len(known) < 2:
        reason = unknown("Fewer than two returns are known.")
        return chart("returns", title=title, summary="", state=reason, drawn=None, alternative=None)
    returns = 100 * known["log_return"].to_numpy()
    counts, edges = np.histogram(returns, bins=_BINS)
    bars = {
        "type": "bar",
        "x": ((edges[:-1] + edges[1:]) / 2).tolist(),
        "y": counts.tolist(),
        "width": float(edges[1] - edges[0]) * 0.92,
        "marker": {"color": BLUE, "opacity": 0.75},
        "name": "days",
        "hovertemplate": "%{x:.2f}%<br>%{y} days<extra></extra>",
    }
    marked = marked_anomalies(data)
    shapes, notes = _var_line(data)
    summary = (
        f"{counted(len(known), 'day')}: mean {percent(float(returns.mean()) / 100)}, standard deviation "
        f"{percent(float(returns.std(ddof=1)) / 100, sign=False)}; a diamond marks each anomaly ({len(marked)})."
    )
    quantiles = [(f"{100 * q:g}%", percent(float(np.quantile(returns, q)) / 100)) for q in _QUANTILES]
    drawn = figure(
        [bars, _marks(marked)],
        x=axis(ticksuffix="%", showgrid=False),
        y=axis(),
        unit="days",
        showlegend=True,
        bargap=0,
        shapes=shapes,
        notes=notes,
    )
    return chart(
        "returns",
        title=title,
        summary=summary,
        state=state,
        drawn=drawn,
        alternative=table("Quantiles of log returns", (Head("Quantile"), Head("Log return", True)), quantiles),
    )


def marked_anomalies(data: MarketRisk) -> pl.DataFrame:
    """Days labelled as anomalies, oldest first."""
    if data.anomalies.missing:
        return pl.DataFrame(schema={"day": pl.String, "log_return": pl.Float64, "z_trailing": pl.Float64})
    return data.anomalies.rows.filter(pl.col("is_anomaly").fill_null(False))


def _marks(marked: pl.DataFrame) -> dict[str, object]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [100 * value for value in marked["log_return"].to_list()],
        "y": [0] * len(marked),
        "cliponaxis": False,
        "marker": {"symbol": "diamond", "size": 9, "color": RED, "line": {"width": 1, "color": "#ffffff"}},
        "customdata": list(zip(marked["day"].to_list(), marked["z_trailing"].to_list(), strict=True)),
        "name": "anomaly",
        "hovertemplate": "%{customdata[0]}<br>%{x:.2f}%, z %{customdata[1]:.1f}<extra></extra>",
    }


def _var_line(data: MarketRisk) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    value = data.daily.rows["var_95_fhs"][-1]
    if value is None:
        return [], []
    x = 100 * value
    line = {
        "type": "line",
        "x0": x,
        "x1": x,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": {"color": AMBER, "width": 1.5, "dash": "dash"},
    }
    note = {
        "x": x,
        "y": 1,
        "yref": "paper",
        "text": f"VaR 95% {percent(value)}",
        "showarrow": False,
        "xanchor": "right",
        "yanchor": "top",
        "xshift": -4,
        "font": {"size": 12},
    }
    return [line], [note]


def _z_scores(data: MarketRisk, state: State, threshold: float) -> Component:
    title = "Robust z-score of log returns"
    if data.anomalies.missing:
        return chart("z", title=title, summary="", state=data.anomalies.missing, drawn=None, alternative=None)
    known = data.anomalies.rows.drop_nulls("z_trailing")
    if known.is_empty():
        reason = unknown("No day has enough known returns before it.")
        return chart("z", title=title, summary="", state=reason, drawn=None, alternative=None)
    marked = known.filter(pl.col("is_anomaly").fill_null(False))
    calm = known.filter(~pl.col("is_anomaly").fill_null(False))
    lines = [
        {
            "type": "line",
            "x0": 0,
            "x1": 1,
            "xref": "paper",
            "y0": level,
            "y1": level,
            "line": {"color": AMBER, "width": 1.2, "dash": "dash"},
        }
        for level in (-threshold, threshold)
    ]
    summary = (
        f"Against median and MAD of the 365 days before. {len(marked)} of {counted(len(known), 'day')} lie beyond "
        f"±{threshold:g}."
    )
    reach = 1.1 * max(threshold, *(abs(value) for value in known["z_trailing"].to_list()))
    drawn = figure(
        [_points(calm, "day", GREY, "circle", 4), _points(marked, "anomaly", RED, "diamond", 9)],
        x=axis(showgrid=False),
        y=axis(range=[-reach, reach]),
        unit="z",
        showlegend=True,
        shapes=lines,
    )
    return chart("z", title=title, summary=summary, state=state, drawn=drawn, alternative=anomaly_table(marked))


def _points(rows: pl.DataFrame, name: str, colour: str, symbol: str, size: int) -> dict[str, object]:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rows["day"].to_list(),
        "y": rows["z_trailing"].to_list(),
        "marker": {"symbol": symbol, "size": size, "color": colour},
        "name": name,
        "hovertemplate": f"{_DAY_HOVER}<br>z %{{y:.2f}}<extra>{name}</extra>",
    }


def anomaly_table(marked: pl.DataFrame) -> Component:
    """Anomalies, newest first."""
    heads = (Head("Day (UTC)"), Head("Log return", True), Head("z", True), Head("Direction"), Head("Severity"))
    cells = [
        (
            row["day"],
            percent(row["log_return"]),
            decimal(row["z_trailing"]),
            f"{'▲' if row['direction'] == 'up' else '▼'} {row['direction'] or NONE}",
            row["severity"] or NONE,
        )
        for row in marked.reverse().iter_rows(named=True)
    ]
    return table("Anomalies", heads, cells)
