"""Tiles of the page of market risk."""

from collections.abc import Sequence

import polars as pl
from dash.development.base_component import Component

from tickvol.pages.numbers import decimal, percent, percent_value, price
from tickvol.pages.states import State, signed_word, unknown
from tickvol.pages.tiles import Tile
from tickvol.risk.pages.market_data import DEFAULT_METHOD, MarketRisk, Newest, mean_of, newest
from tickvol.risk.pages.readings import Clock

_LIGHT_SIGNS = {"green": "●", "yellow": "▲", "red": "■", "unknown": "?"}
VERDICTS = {
    "ok": "as expected",
    "too_few": "too few: the VaR is too careful",
    "too_many": "too many: the VaR is too low",
    "clustered": "in clusters: the VaR reacts too late",
    "not_enough_days": "not enough days to judge",
}


def light(name: str) -> Component:
    """A traffic light as sign, word and colour."""
    return signed_word(f"light-{name}", _LIGHT_SIGNS.get(name, "?"), name)


def market_tiles(product: str, data: MarketRisk, clock: Clock) -> list[Tile]:
    """Latest close, volatility, drawdown, VaR, ES and worst loss of a product."""
    return [
        _close(product, data, clock),
        _volatility(data, clock),
        _drawdown(data, clock),
        _value_at_risk(data, clock),
        _shortfall(data, clock),
        _worst_loss(data, clock),
    ]


def _tile(
    label: str, figure: Newest, clock: Clock, *, value: str, unit: str, note: Sequence[Component | str] = ()
) -> Tile:
    return Tile(
        label=label,
        state=figure.state,
        value=value,
        unit=unit,
        of=f"{figure.day} (UTC)" if figure.day else "",
        age=clock.age_of_day(figure.day) if figure.day else "",
        note=note,
    )


def _percent_tile(label: str, figure: Newest, clock: Clock, note: Sequence[Component | str] = ()) -> Tile:
    value = "" if figure.value is None else percent_value(figure.value)
    return _tile(label, figure, clock, value=value, unit="%", note=note)


def _close(product: str, data: MarketRisk, clock: Clock) -> Tile:
    figure = newest(data.daily, "close", clock)
    note: list[Component | str] = []
    if figure.state.has_value:
        change = newest(data.daily, "simple_return", clock).value
        note = [f"{percent(change)} on the day"]
    return _tile("Latest close", figure, clock, value=price(figure.value), unit=product.partition("-")[2], note=note)


def _volatility(data: MarketRisk, clock: Clock) -> Tile:
    latest = newest(data.daily, "vol_30_annual", clock)
    label = "Mean volatility, 30 days annualised"
    mean = None if data.daily.missing else mean_of(data.daily, "vol_30_annual")
    if mean is None:
        return _tile(label, latest, clock, value="", unit="")
    days = data.daily.rows["vol_30_annual"].drop_nulls().len()
    state = latest.state if latest.state.has_value else clock.state_of_day(latest.day)
    note = [f"Mean of {days:,} days; newest {percent(latest.value, 1, sign=False)}"]
    figure = Newest(mean, latest.day, state)
    return _tile(label, figure, clock, value=percent_value(mean, 1, sign=False), unit="% per year", note=note)


def _drawdown(data: MarketRisk, clock: Clock) -> Tile:
    figure = newest(data.daily, "max_drawdown", clock)
    note: list[Component | str] = []
    if figure.state.has_value and not data.episodes.missing:
        deepest = data.episodes.rows.sort("depth").row(0, named=True)
        recovery = deepest["recovery_day"]
        end = f"recovered {recovery}" if recovery else "not recovered"
        note = [f"{deepest['peak_day']} to {deepest['trough_day']}, {end}"]
    return _percent_tile("Maximum drawdown", figure, clock, note)


def _value_at_risk(data: MarketRisk, clock: Clock) -> Tile:
    figure = newest(data.daily, f"var_95_{DEFAULT_METHOD}", clock)
    return _percent_tile("Value at risk, 1 day at 95%", figure, clock, _coverage(data))


def _coverage(data: MarketRisk) -> list[Component | str]:
    if data.backtest.missing:
        return [data.backtest.missing.text if data.backtest.error else "Not judged yet"]
    rows = data.backtest.rows.filter(pl.col("method") == DEFAULT_METHOD)
    if rows.is_empty():
        return ["Not judged yet"]
    row = rows.row(0, named=True)
    found = f" {row['exceptions']} exceptions in {row['n']} days, {row['expected']:.1f} expected: "
    return [light(row["light"]), found, VERDICTS.get(row["verdict"], row["verdict"])]


def _shortfall(data: MarketRisk, clock: Clock) -> Tile:
    figure = newest(data.daily, f"es_95_{DEFAULT_METHOD}", clock)
    note = ["Mean return of the days beyond the VaR"]
    if not data.backtest.missing:
        z1 = data.backtest.rows.filter(pl.col("method") == DEFAULT_METHOD)["es_z1"]
        if len(z1) and z1[0] is not None:
            note.append(f"; test z1 {decimal(z1[0])}, below 0: too small")
    return _percent_tile("Expected shortfall, 1 day at 95%", figure, clock, note)


def _worst_loss(data: MarketRisk, clock: Clock) -> Tile:
    figure = newest(data.daily, "worst_daily_loss", clock)
    note: list[Component | str] = []
    if figure.state.has_value:
        worst = data.daily.rows.drop_nulls("simple_return").sort("simple_return").row(0, named=True)
        note = [f"On {worst['day']}, of {len(data.daily.rows):,} days"]
    return _percent_tile("Worst daily loss", figure, clock, note)


def no_such_product(product: str, products: Sequence[str]) -> State:
    """State of a product that is not configured."""
    return unknown(f"{product} is not a configured product. Choose one of {', '.join(products)}.")
