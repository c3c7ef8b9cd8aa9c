"""Page of market risk: the figures of one product, chosen in the address, and all products by their risk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from dash import dcc, html
from dash.development.base_component import Component

from tickvol.pages.aria import aria
from tickvol.pages.states import State, notice
from tickvol.pages.tiles import tile_row
from tickvol.risk.pages.market_data import MarketRisk
from tickvol.risk.pages.market_tables import anomaly_panel, correlation_panel, method_panel, ranking_panel
from tickvol.risk.pages.market_tiles import market_tiles, no_such_product
from tickvol.risk.pages.price_charts import price_charts
from tickvol.risk.pages.readings import Clock, Readings
from tickvol.risk.pages.return_charts import return_charts

PATH = "risk"

_ORIGINS = {
    "advanced_trade": "Coinbase Advanced Trade",
    "exchange": "Coinbase Exchange",
    "file": "loaded from files",
    "simulated": "simulated market; these figures say nothing about real markets",
}


@dataclass(frozen=True, slots=True)
class MarketPage:
    """The page of market risk.

    Attributes
    ----------
    products : configured ones; the first is shown where the address names none.
    """

    readings: Readings
    products: Sequence[str]
    z_threshold: float
    clock: Clock

    def state(self) -> State:
        """State of the newest figures of all products."""
        return MarketRisk.read(self.readings).state(self.products, self.clock)

    def layout(self, query: Mapping[str, str]) -> Component:
        """The content for the product of the query."""
        market = MarketRisk.read(self.readings)
        products = market.products(self.products)
        product = query.get("product", products[0])
        choice = _choice(products, product)
        if product not in products:
            return html.Div([choice, notice(no_such_product(product, products))])
        data = market.of(product)
        charts = [*price_charts(product, data, self.clock), *return_charts(data, self.clock, self.z_threshold)]
        return html.Div(
            [
                choice,
                html.P(_origin(data), className="about"),
                html.H2(f"{product}: key figures", className="unseen"),
                tile_row(f"Key figures of {product}", market_tiles(product, data, self.clock)),
                html.Div(charts, className="charts"),
                method_panel(data, self.clock),
                ranking_panel(market, products),
                html.Div(
                    [anomaly_panel(data, self.z_threshold), correlation_panel(market, self.clock)], className="charts"
                ),
            ]
        )


def _origin(data: MarketRisk) -> str:
    """Where the candles of the figures come from."""
    if data.daily.missing:
        return ""
    source = data.daily.rows["source"][-1]
    return f"Candles: {_ORIGINS.get(source, source)}."


def _choice(products: Sequence[str], chosen: str) -> Component:
    links = []
    for product in products:
        shown = [html.Span(" (shown below)", className="unseen")] if product == chosen else []
        address = f"/{PATH}?{urlencode({'product': product})}"
        name = "choice chosen" if product == chosen else "choice"
        links.append(html.Li(dcc.Link([product, *shown], href=address, className=name)))
    return html.Nav(html.Ul(links), className="choices", **aria(label="Product"))
