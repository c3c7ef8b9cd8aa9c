"""Trades, tickers, products and the time."""

import pytest

from tests.simulator.rest.markets import NOW_S, exchange, get
from tickvol.exchange.http import HttpClient, HttpRules
from tickvol.simulator.rest.faults import Fault

EX = "/products/BTC-USD/trades"
AT = "/api/v3/brokerage/market/products/BTC-USD/ticker"


def ids(server, query: str = "") -> list[int]:
    return [trade["trade_id"] for trade in get(server, EX + query)[1]]


def test_ids_are_contiguous_newest_first_and_pages_join_by_their_cursor() -> None:
    with exchange() as server, HttpClient(HttpRules.one_attempt(10.0)) as http:
        seen, after = [], ""
        for _ in range(4):
            response = http.request("GET", f"{server.url}{EX}?limit=25{after}")
            newest, oldest = int(response.headers["cb-before"]), int(response.headers["cb-after"])
            after = f"&after={oldest}"
            page = ids(server, f"?limit=25&after={newest + 1}")
            assert (page[0], page[-1]) == (newest, oldest)
            seen += page
        assert seen == list(range(seen[0], seen[0] - 100, -1))
        assert len(ids(server, "?limit=5000")) == 1000


def test_before_gives_the_newest_page_and_not_the_next_one() -> None:
    with exchange() as server:
        newest = ids(server, "?limit=1")[0]
        assert ids(server, f"?limit=10&before={newest - 500}") == list(range(newest, newest - 10, -1))
        assert ids(server, f"?before={newest - 3}") == [newest, newest - 1, newest - 2]
        assert ids(server, f"?before={newest}") == []


def test_new_trades_follow_the_clock() -> None:
    with exchange() as server:
        first = ids(server, "?limit=1")[0]
        server.now_s += 10
        assert ids(server, "?limit=1") == [first + 20]


def test_the_side_is_the_makers() -> None:
    with exchange() as server:
        for second in range(40):
            server.now_s = NOW_S + second
            _, book = get(server, "/products/BTC-USD/book")
            server.now_s = NOW_S + second + 1
            for trade in get(server, f"{EX}?limit=2")[1]:
                best = book["bids" if trade["side"] == "buy" else "asks"][0][0]
                assert trade["price"] == best
        sides = {trade["side"] for trade in get(server, EX)[1]}
        assert sides == {"buy", "sell"}
        assert {trade["side"] for trade in get(server, AT)[1]["trades"]} == {"BUY", "SELL"}


@pytest.mark.parametrize(
    ("query", "count"), [("", 100), ("?limit=7", 7), ("?limit=100", 100), ("?limit=101", 100), ("?limit=1000", 100)]
)
def test_the_ticker_of_advanced_trade_has_at_most_100_trades(query: str, count: int) -> None:
    with exchange() as server:
        _, body = get(server, AT + query)
    assert len(body["trades"]) == count
    assert list(body) == ["trades", "best_bid", "best_ask"]
    assert list(body["trades"][0]) == ["trade_id", "product_id", "price", "size", "time", "side", "bid", "ask"]
    assert (body["trades"][0]["bid"], body["trades"][0]["ask"]) == ("", "")
    assert float(body["best_bid"]) < float(body["best_ask"])


def test_more_than_1000_trades_fail() -> None:
    with exchange() as server:
        assert get(server, f"{AT}?limit=1001")[0] == 500


def test_both_apis_have_the_same_tape() -> None:
    with exchange() as server:
        at = [
            (int(trade["trade_id"]), trade["price"], trade["size"], trade["time"])
            for trade in get(server, AT)[1]["trades"]
        ]
        ex = [(trade["trade_id"], trade["price"], trade["size"], trade["time"]) for trade in get(server, EX)[1]]
    assert at == ex[:100]


def test_the_ticker_of_advanced_trade_takes_a_window() -> None:
    with exchange() as server:
        start, end = int(NOW_S) - 100, int(NOW_S) - 91
        trades = get(server, f"{AT}?start={start}&end={end}")[1]["trades"]
    assert len(trades) == 20
    assert trades[0]["time"].startswith("2026-02-04T11:58:29")


def test_the_ticker_of_exchange_is_the_last_trade() -> None:
    with exchange() as server:
        _, ticker = get(server, "/products/BTC-USD/ticker")
        (trade,) = get(server, f"{EX}?limit=1")[1]
    assert list(ticker) == ["ask", "bid", "volume", "trade_id", "price", "size", "time", "rfq_volume"]
    assert (ticker["trade_id"], ticker["price"]) == (trade["trade_id"], trade["price"])


def test_a_hole_in_the_ids() -> None:
    with exchange(faults=["trade-hole"]) as server:
        found = ids(server, "?limit=10")
    assert len(found) == 9
    assert found[0] - found[-1] == 9


def test_a_page_that_repeats() -> None:
    with exchange(faults=[Fault("repeated-page", nth=2)]) as server:
        first = ids(server, "?limit=10")
        assert ids(server, f"?limit=10&after={first[-1]}") == first
        assert ids(server, f"?limit=10&after={first[-1]}")[0] == first[-1] - 1


def test_unknown_products_are_not_found() -> None:
    with exchange() as server:
        for target in (EX, "/products/BTC-USD/ticker", "/products/BTC-USD", AT):
            assert get(server, target.replace("BTC", "NOPE"))[0] == 404
        assert get(server, EX.replace("BTC", "NOPE"))[1] == {"message": "NotFound"}


def test_products_and_the_time() -> None:
    with exchange() as server:
        assert [product["id"] for product in get(server, "/products")[1]] == ["BTC-USD", "ETH-USD"]
        at = get(server, "/api/v3/brokerage/market/products")[1]
        assert ([product["product_id"] for product in at["products"]], at["num_products"]) == (
            ["BTC-USD", "ETH-USD"],
            2,
        )
        assert get(server, "/products/ETH-USD")[1]["base_currency"] == "ETH"
        assert get(server, "/api/v3/brokerage/market/products/ETH-USD")[1]["product_venue"] == "CBE"
        assert get(server, "/time")[1] == {"iso": "2026-02-04T12:00:00Z", "epoch": NOW_S}
        assert get(server, "/api/v3/brokerage/time")[1]["epochSeconds"] == str(int(NOW_S))
