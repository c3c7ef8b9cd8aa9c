"""A small market with known bars, a server of it, and clients that do not wait."""

import json
from dataclasses import replace
from typing import Any

from tickvol.exchange.coinbase_rest import CandleAnswer, CoinbaseRest
from tickvol.exchange.http import HttpClient, HttpRules
from tickvol.simulator.rest.market import DailyMarket, day_number
from tickvol.simulator.rest.server import RestExchange

DAY_S = 86_400
FIRST = day_number("2025-01-01")
DAYS = 400
NOW_S = float((FIRST + DAYS - 1) * DAY_S + 43_200)
"""Noon of the last day."""
RULES = HttpRules(deadline_s=20.0, timeout_s=5.0, max_attempts=3, initial_backoff_s=0.5, max_backoff_s=2.0, jitter=0.0)
SOURCES = ("advanced_trade", "exchange")


def bar(number: int, base: float = 100.0) -> tuple[float, float, float, float, float]:
    """Open, high, low, close, volume of a day by its number."""
    opened, closed = base + number % 7, base + (number + 1) % 7
    return opened, max(opened, closed) + 1.25, min(opened, closed) - 1.5, closed, 10.0 + number


MARKET = DailyMarket(
    {
        "BTC-USD": {FIRST + number: bar(number) for number in range(DAYS)},
        "ETH-USD": {FIRST + number: bar(number, 50.0) for number in range(100, DAYS)},
    }
)


def day_s(number: int) -> int:
    """Opening time of a day by its number."""
    return (FIRST + number) * DAY_S


def exchange(**options: Any) -> RestExchange:
    """A server of the small market at noon of its last day."""
    return RestExchange(**({"market": MARKET, "now_s": NOW_S} | options))


def client(server: RestExchange, source: Any, rules: HttpRules = RULES, **options: Any) -> CoinbaseRest:
    """A client that waits for nothing but answers."""
    return CoinbaseRest(
        source, base_url=server.url, rules=rules, **({"sleep": lambda _: None, "now_s": lambda: NOW_S} | options)
    )


def fetched(server: RestExchange, source: Any, first: int = 10, last: int = 14, **rules: Any) -> CandleAnswer:
    """Candles of BTC-USD of some days, by their numbers."""
    with client(server, source, replace(RULES, **rules)) as coinbase:
        return coinbase.candles("BTC-USD", DAY_S, day_s(first), day_s(last))


def get(server: RestExchange, target: str) -> tuple[int, Any]:
    """Status and decoded body of a request that is sent once."""
    with HttpClient(HttpRules.one_attempt(10.0)) as http:
        response = http.request("GET", server.url + target)
    return response.status, json.loads(response.body)
