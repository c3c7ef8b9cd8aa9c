"""Charts of daily closes: the price, and its drawdowns with their recovery."""

from collections.abc import Sequence

import polars as pl
from dash.development.base_component import Component

from tickvol.pages.charts import BLUE, RED, axis, chart, figure
from tickvol.pages.numbers import count, counted, percent, price
from tickvol.pages.states import State
from tickvol.pages.tables import Head, table
from tickvol.risk.pages.market_data import MarketRisk
from tickvol.risk.pages.readings import Clock

_DEEPEST, _SHOWN_ROWS = 5, 30
_DAY_HOVER = "%{x|%Y-%m-%d}"


def price_charts(product: str, data: MarketRisk, clock: Clock) -> list[Component]:
    """Close and drawdown of a product; a notice where nothing is stored."""
    if data.daily.missing:
        return [chart("price", title="Daily close", summary="", state=data.daily.missing, drawn=None, alternative=None)]
    state = clock.state_of_day(data.daily.rows["day"][-1])
    return [_price(product, data, state), _drawdown(data, state)]


def _price(product: str, data: MarketRisk, state: State) -> Component:
    rows = data.daily.rows
    quote = product.partition("-")[2]
    closes = rows["close"].to_list()
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": rows["day"].to_list(),
        "y": closes,
        "line": {"color": BLUE, "width": 1.6},
        "hovertemplate": f"{_DAY_HOVER}<br>%{{y:,.2f}} {quote}<extra></extra>",
    }
    known = rows.drop_nulls("close")
    if known.is_empty():
        summary = "No close is known."
    else:
        low, high = known.sort("close").row(0, named=True), known.sort("close").row(-1, named=True)
        summary = (
            f"{rows['day'][0]} to {rows['day'][-1]}: lowest {price(low['close'])} on {low['day']}, "
            f"highest {price(high['close'])} on {high['day']}, in {quote}."
        )
    recent = rows.tail(_SHOWN_ROWS).reverse()
    cells = [(row["day"], price(row["close"]), percent(row["simple_return"])) for row in recent.iter_rows(named=True)]
    heads = (Head("Day (UTC)"), Head(f"Close, {quote}", True), Head("Return", True))
    return chart(
        "price",
        title="Daily close",
        summary=summary,
        state=state,
        drawn=figure([line], x=axis(showgrid=False), y=axis(tickformat=",~r"), unit=quote),
        alternative=table(f"Closes of the last {len(cells)} days", heads, cells),
    )


def _drawdown(data: MarketRisk, state: State) -> Component:
    rows = data.daily.rows
    area = {
        "type": "scatter",
        "mode": "lines",
        "x": rows["day"].to_list(),
        "y": [None if value is None else 100 * value for value in rows["drawdown"].to_list()],
        "fill": "tozeroy",
        "fillcolor": "rgba(200,69,47,0.18)",
        "line": {"color": RED, "width": 1.2},
        "name": "drawdown",
        "hovertemplate": f"{_DAY_HOVER}<br>%{{y:.2f}}%<extra></extra>",
        "showlegend": False,
    }
    episodes = data.episodes.rows if not data.episodes.missing else None
    if episodes is None:
        summary = "Fall of the close below its highest value so far. Episodes are not known."
        traces, alternative = [area], table("Episodes", (Head("Peak (UTC)"),), ())
    else:
        deepest = episodes.sort("depth").head(_DEEPEST)
        first = deepest.row(0, named=True)
        end = f"recovered on {first['recovery_day']}" if first["recovery_day"] else "not recovered yet"
        summary = (
            f"The deepest of {counted(len(episodes), 'fall')} below a peak is {percent(first['depth'], 1)}, from "
            f"{first['peak_day']} to {first['trough_day']}, {end}."
        )
        traces, alternative = [area, *_turning_points(deepest)], episode_table(deepest)
    drawn = figure(
        traces,
        x=axis(showgrid=False),
        y=axis(ticksuffix="%"),
        showlegend=len(traces) > 1,
    )
    return chart(
        "drawdown", title="Drawdown and recovery", summary=summary, state=state, drawn=drawn, alternative=alternative
    )


def _turning_points(episodes: pl.DataFrame) -> Sequence[dict[str, object]]:
    recovered = episodes.drop_nulls("recovery_day")
    look = {"type": "scatter", "mode": "markers"}
    return (
        look
        | {
            "x": episodes["trough_day"].to_list(),
            "y": [100 * depth for depth in episodes["depth"].to_list()],
            "marker": {"symbol": "triangle-down", "size": 10, "color": RED},
            "name": "trough",
            "hovertemplate": f"trough {_DAY_HOVER}<br>%{{y:.2f}}%<extra></extra>",
        },
        look
        | {
            "x": recovered["recovery_day"].to_list(),
            "y": [0] * len(recovered),
            "marker": {"symbol": "circle-open", "size": 9, "color": BLUE, "line": {"width": 2}},
            "name": "recovery",
            "hovertemplate": f"recovery {_DAY_HOVER}<extra></extra>",
        },
    )


def episode_table(episodes: pl.DataFrame) -> Component:
    """Falls below a peak with their recovery."""
    heads = (
        Head("Peak (UTC)"),
        Head("Trough"),
        Head("Recovery"),
        Head("Depth", True),
        Head("Days down", True),
        Head("Days up", True),
    )
    cells = [
        (
            row["peak_day"],
            row["trough_day"],
            row["recovery_day"] or "not yet",
            percent(row["depth"]),
            count(row["days_down"]),
            count(row["days_up"]),
        )
        for row in episodes.iter_rows(named=True)
    ]
    return table("Deepest drawdowns", heads, cells)
