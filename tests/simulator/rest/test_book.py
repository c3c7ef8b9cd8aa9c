"""Order books: levels, limits, planted walls and faults."""

import json

import pytest

from tests.simulator.rest.markets import MARKET, NOW_S, exchange, get
from tickvol.simulator.rest.book import BookModel, Wall, tick
from tickvol.simulator.rest.faults import Fault
from tickvol.simulator.rest.market import SeededMarket, day_number
from tickvol.simulator.rest.trades import Tape

AT = "/api/v3/brokerage/market/product_book?product_id=BTC-USD"
EX = "/products/BTC-USD/book?level=2"
COINS = ("BTC-USD", "ETH-USD", "SOL-USD", "DOGE-USD", "ADA-USD", "BNB-USD")
T = int(NOW_S)


def sides(server, target: str = EX) -> tuple[list[float], list[float]]:
    """Prices of bids and asks."""
    _, body = get(server, target)
    if "pricebook" in body:
        body = body["pricebook"]
        return [float(level["price"]) for level in body["bids"]], [float(level["price"]) for level in body["asks"]]
    return [float(level[0]) for level in body["bids"]], [float(level[0]) for level in body["asks"]]


def test_books_of_the_coins_are_sorted_uncrossed_and_different() -> None:
    model = BookModel(SeededMarket(COINS))
    now_s = day_number("2026-01-05") * 86_400 + 7
    books = [model.book(product_id, now_s) for product_id in COINS]
    for book in books:
        assert book is not None
        bids, asks = [level.price for level in book.bids], [level.price for level in book.asks]
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        assert 0 < bids[-1] < bids[0] < asks[0]
        assert min(level.size for level in [*book.bids, *book.asks]) > 0
    assert len({book.bids[0].price for book in books if book is not None}) == len(COINS)


def test_exchange_level_2_is_the_whole_book_and_its_best_100_levels_are_thin() -> None:
    market, now_s = SeededMarket(["BTC-USD"]), float(day_number("2026-01-05") * 86_400)
    with exchange(market=market, now_s=now_s) as server:
        _, body = get(server, EX)
        bids, asks = sides(server)
    assert (len(bids), len(asks)) == (18_261, 23_429)
    assert len(json.dumps(body)) > 355_000
    mid = (bids[0] + asks[0]) / 2
    assert (asks[99] / mid - 1) * 1e4 == pytest.approx(5.5, abs=0.1)
    assert (asks[284] / mid - 1) * 1e4 == pytest.approx(25, abs=0.5)


def test_bodies_have_the_fields_of_the_apis() -> None:
    with exchange() as server:
        _, ex = get(server, EX)
        _, at = get(server, AT)
    assert list(ex) == ["bids", "asks", "sequence", "auction_mode", "auction", "time"]
    assert (ex["auction_mode"], len(ex["bids"][0]), type(ex["bids"][0][2])) == (False, 3, int)
    assert ex["time"] == "2026-02-04T12:00:00.000000Z"
    assert list(at) == ["pricebook", "last", "mid_market", "spread_bps", "spread_absolute"]
    assert list(at["pricebook"]) == ["product_id", "bids", "asks", "time"]
    assert list(at["pricebook"]["bids"][0]) == ["price", "size"]
    assert float(at["spread_absolute"]) == pytest.approx(tick("BTC-USD"))


@pytest.mark.parametrize(
    ("query", "levels"), [("", 1000), ("&limit=100", 100), ("&limit=1000", 1000), ("&limit=5000", 1000)]
)
def test_advanced_trade_returns_at_most_1000_levels_a_side(query: str, levels: int) -> None:
    with exchange() as server:
        assert [len(side) for side in sides(server, AT + query)] == [levels, levels]


def test_exchange_level_1_is_the_best_and_level_3_is_refused() -> None:
    with exchange() as server:
        bids, asks = sides(server)
        assert sides(server, "/products/BTC-USD/book") == ([bids[0]], [asks[0]])
        assert get(server, "/products/BTC-USD/book?level=3")[0] == 400
        assert get(server, "/products/NOPE-USD/book")[0] == 404


def test_levels_are_grouped_away_from_the_mid() -> None:
    with exchange() as server:
        _, body = get(server, f"{AT}&limit=3&aggregation_price_increment=0.5")
        _, whole = get(server, EX)
    book = body["pricebook"]
    assert all(float(level["price"]) % 0.5 == 0 for level in [*book["bids"], *book["asks"]])
    inside = sum(float(size) for price, size, _ in whole["bids"] if float(price) >= float(book["bids"][0]["price"]))
    assert float(book["bids"][0]["size"]) == pytest.approx(inside)


def test_the_book_moves_and_the_same_second_gives_the_same_book() -> None:
    with exchange() as server:
        first = get(server, EX)
        server.now_s += 3_600
        later = get(server, EX)
        server.now_s -= 3_600
        assert get(server, EX) == first != later


@pytest.mark.parametrize("side", ["bid", "ask"])
@pytest.mark.parametrize("fate", ["pulled", "filled"])
def test_a_planted_wall_meets_its_fate(side, fate) -> None:
    mid = BookModel(MARKET).mid("BTC-USD", T)
    assert mid is not None
    price = round(mid * (1.002 if side == "ask" else 0.998), 2)
    wall = Wall("BTC-USD", side, price, 500.0, T + 10, T + 40, fate)
    model = BookModel(MARKET, [wall])
    tape = Tape(model)

    def size(second: int) -> float:
        book = model.book("BTC-USD", second)
        assert book is not None
        levels = book.asks if side == "ask" else book.bids
        assert book.bids[0].price < book.asks[0].price
        return next((level.size for level in levels if level.price == price), 0.0)

    sizes = {second: size(T + second) for second in (9, 10, 34, 35, 36, 37, 38, 39, 40)}
    assert sizes[9] < 100 > sizes[40]
    assert sizes[10] == sizes[34] == 500.0
    trades = tape.page("BTC-USD", tape.newest_id(T + 60), 120)
    taken = [trade for trade in trades if trade.price == price and trade.size == 100.0]
    if fate == "pulled":
        assert sizes[39] == 500.0
        assert taken == []
    else:
        assert [sizes[second] for second in range(35, 40)] == [500.0, 400.0, 300.0, 200.0, 100.0]
        assert [trade.side for trade in taken] == ["sell" if side == "ask" else "buy"] * 5
        assert [int(trade.time_s) - T for trade in taken] == [39, 38, 37, 36, 35]
        book = model.book("BTC-USD", T + 37)
        assert book is not None
        assert (book.asks if side == "ask" else book.bids)[0].price == price


def test_the_price_does_not_pass_a_wall_that_stands() -> None:
    free = BookModel(MARKET)
    mids = [free.mid("BTC-USD", T + second) for second in range(0, 7_200, 60)]
    known = [mid for mid in mids if mid is not None]
    price = round((known[0] + max(known)) / 2, 2)
    assert max(known) > price > known[0]
    walled = BookModel(MARKET, [Wall("BTC-USD", "ask", price, 9.0, T, T + 7_200)])
    for second in range(0, 7_200, 60):
        mid = walled.mid("BTC-USD", T + second)
        assert mid is not None
        assert mid < price


def at_and_ex(kind: str, **parameters) -> list[tuple[list[float], list[float]]]:
    with exchange(faults=[Fault(kind, times=0, **parameters)]) as server:
        return [sides(server, target) for target in (AT, EX)]


def test_fewer_levels_than_asked_for() -> None:
    assert [[len(side) for side in book] for book in at_and_ex("few-levels")] == [[3, 3], [3, 3]]


@pytest.mark.parametrize(("kind", "empty"), [("no-bids", 0), ("no-asks", 1)])
def test_one_side_is_empty(kind: str, empty: int) -> None:
    for book in at_and_ex(kind):
        assert book[empty] == []
        assert book[1 - empty] != []


def test_levels_in_no_order() -> None:
    for bids, asks in at_and_ex("unsorted"):
        assert bids != sorted(bids, reverse=True)
        assert asks != sorted(asks)


def test_the_same_price_twice() -> None:
    for bids, _ in at_and_ex("price-twice"):
        assert bids[0] == bids[1]


def test_a_level_of_size_0() -> None:
    with exchange(faults=[Fault("zero-size", times=0)]) as server:
        assert get(server, AT)[1]["pricebook"]["asks"][1]["size"] == "0"
        assert get(server, EX)[1]["asks"][1][1] == "0"


@pytest.mark.parametrize("kind", ["crossed", "crossed-auction"])
def test_a_crossed_book_says_whether_it_is_an_auction(kind: str) -> None:
    for bids, asks in at_and_ex(kind):
        assert bids[0] > asks[0]
    with exchange(faults=[kind]) as server:
        assert get(server, EX)[1]["auction_mode"] == (kind == "crossed-auction")


def test_a_stale_copy_repeats_its_time_and_its_levels() -> None:
    with exchange(faults=[Fault("stale", times=0)], now_s=NOW_S + 1) as server:
        first = get(server, EX)
        server.now_s = NOW_S + 29
        assert get(server, EX) == first
        server.now_s = NOW_S + 30
        assert get(server, EX)[1]["time"] > first[1]["time"]


def test_time_goes_backwards() -> None:
    with exchange(faults=[Fault("time-backwards", nth=2)]) as server:
        first = get(server, EX)[1]
        server.now_s += 1
        assert get(server, EX)[1]["time"] < first["time"]
