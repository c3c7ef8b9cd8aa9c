"""Answers with candles: exact bodies and limits of both APIs."""

import pytest

from tests.simulator.rest.markets import MARKET, NOW_S, day_s, exchange, get
from tickvol.exchange.http import HttpClient, HttpRules

AT = "/api/v3/brokerage/market/products/{}/candles?granularity={}&start={}&end={}"
EX = "/products/{}/candles?granularity={}&start={}&end={}"
TOO_MANY_AT = {
    "error": "INVALID_ARGUMENT",
    "error_details": "start and end argument is invalid - number of candles requested should be less than 350",
}
TOO_MANY_EX = {
    "message": "granularity too small for the requested time range. Count of aggregations requested exceeds 300"
}


def raw(server, target: str) -> bytes:
    with HttpClient(HttpRules.one_attempt(10.0)) as http:
        return http.request("GET", server.url + target).body


def test_bodies_are_those_of_the_apis_to_the_byte() -> None:
    with exchange() as server:
        assert raw(server, AT.format("BTC-USD", "ONE_DAY", day_s(0), day_s(1))) == (
            b'{"candles":[{"start":"1735776000","low":"99.5","high":"103.25","open":"101","close":"102","volume":"11"},'
            b'{"start":"1735689600","low":"98.5","high":"102.25","open":"100","close":"101","volume":"10"}]}'
        )
        assert raw(server, EX.format("BTC-USD", 86_400, "2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z")) == (
            b"[[1735776000,99.5,103.25,101.0,102.0,11.0],[1735689600,98.5,102.25,100.0,101.0,10.0]]"
        )


@pytest.mark.parametrize(("refuses_350", "most"), [(False, 350), (True, 349)])
def test_advanced_trade_counts_candles_with_both_ends(refuses_350: bool, most: int) -> None:
    with exchange(refuses_350=refuses_350) as server:
        status, body = get(server, AT.format("BTC-USD", "ONE_DAY", day_s(0), day_s(most - 1)))
        assert (status, len(body["candles"])) == (200, most)
        assert get(server, AT.format("BTC-USD", "ONE_DAY", day_s(0), day_s(most))) == (400, TOO_MANY_AT)


def test_exchange_counts_intervals_and_returns_one_candle_more() -> None:
    with exchange() as server:
        status, body = get(server, EX.format("BTC-USD", 86_400, day_s(0), day_s(300)))
        assert (status, len(body)) == (200, 301)
        assert get(server, EX.format("BTC-USD", 86_400, day_s(0), day_s(300) + 1)) == (400, TOO_MANY_EX)
        assert get(server, EX.format("BTC-USD", 86_400, day_s(0), day_s(301))) == (400, TOO_MANY_EX)


@pytest.mark.parametrize("granularity", ["0", "1800", "86401", "ONE_DAY", "-60", ""])
def test_exchange_refuses_other_granularities(granularity: str) -> None:
    with exchange() as server:
        answer = get(server, EX.format("BTC-USD", granularity, day_s(0), day_s(1)))
    assert answer == (400, {"message": "Unsupported granularity"})


@pytest.mark.parametrize(
    "query", ["granularity=86400", "granularity=ONE_DAY", "granularity=ONE_DAY&start=2025-01-01&end=2025-01-02"]
)
def test_advanced_trade_refuses_what_it_cannot_read(query: str) -> None:
    with exchange() as server:
        status, body = get(server, f"/api/v3/brokerage/market/products/BTC-USD/candles?{query}")
    assert (status, body["error"]) == (400, "INVALID_ARGUMENT")


def test_exchange_without_a_window_gives_the_newest_candles_from_a_copy_of_five_minutes() -> None:
    with exchange(now_s=NOW_S + 299.0) as server:
        _, cached = get(server, "/products/BTC-USD/candles?granularity=60")
        _, asked = get(server, EX.format("BTC-USD", 60, int(NOW_S), int(NOW_S) + 299))
        server.now_s += 1
        _, renewed = get(server, "/products/BTC-USD/candles?granularity=60")
    assert (len(cached), cached[0][0], asked[0][0], renewed[0][0]) == (350, NOW_S, NOW_S + 240, NOW_S + 300)


def test_a_limit_keeps_the_newest() -> None:
    with exchange() as server:
        _, body = get(server, AT.format("BTC-USD", "ONE_DAY", day_s(0), day_s(9)) + "&limit=3")
    assert [candle["start"] for candle in body["candles"]] == [str(day_s(number)) for number in (9, 8, 7)]


def test_an_unknown_product_has_the_words_of_the_api() -> None:
    with exchange() as server:
        assert get(server, EX.format("NOPE-USD", 60, 0, 0)) == (404, {"message": "NotFound"})
        assert get(server, AT.format("NOPE-USD", "ONE_DAY", 0, 0)) == (
            404,
            {"error": "NOT_FOUND", "message": "Product NOPE-USD not supported"},
        )
        assert get(server, "/nothing")[0] == 404


def test_no_candle_opens_outside_the_window_or_after_the_clock() -> None:
    with exchange() as server:
        _, body = get(server, EX.format("BTC-USD", 86_400, day_s(3) + 1, day_s(5) - 1))
        assert [row[0] for row in body] == [day_s(4)]
        _, body = get(server, EX.format("BTC-USD", 86_400, day_s(398), day_s(450)))
        assert [row[0] for row in body] == [day_s(399), day_s(398)]
    assert "BTC-USD" in MARKET.products
