"""Trades of the simulated REST exchange: two a second, with contiguous ids, on the best prices of the book.

`side` is the maker's side, as on all public feeds of Coinbase: "sell" is a trade at the ask, which a buyer initiated.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import NamedTuple

from tickvol.simulator.rest.book import BookModel, tick, touch
from tickvol.simulator.rest.faults import Fault
from tickvol.simulator.rest.wire import Answer, Request, iso_us, json_answer, not_found, number_text

PER_S = 2
_FIRST_S = 1_420_070_400  # 2015-01-01: the second of trade 1
MOST_ADVANCED_TRADE, MOST_EXCHANGE = 100, 1000


class Trade(NamedTuple):
    """One trade; `side` is the maker's, buy or sell."""

    trade_id: int
    time_s: float
    price: float
    size: float
    side: str


class Tape:
    """Trades by id."""

    def __init__(self, model: BookModel, *, seed: int = 7) -> None:
        self._model = model
        self._seed = seed

    def newest_id(self, now_s: float) -> int:
        """Id of the last trade before `now_s`."""
        return int((now_s - _FIRST_S) * PER_S)

    def trade(self, product_id: str, trade_id: int) -> Trade | None:
        """A trade; the first one of a second takes from a wall that is being filled. None before the listing."""
        number, part = divmod(trade_id - 1, PER_S)
        second = _FIRST_S + number
        time_s = second + (part + 0.5) / PER_S
        mid = self._model.mid(product_id, second)
        if mid is None:
            return None
        for wall in self._model.walls:
            if wall.product_id == product_id and part == 0 and wall.traded(second):
                return Trade(trade_id, time_s, wall.price, wall.traded(second), "sell" if wall.side == "ask" else "buy")
        draws = Random(zlib.crc32(f"{self._seed}/{product_id}/{trade_id}".encode()))
        side = draws.choice(("buy", "sell"))
        price = touch(mid, tick(product_id))[side == "sell"]
        return Trade(trade_id, time_s, price, round(300 / mid * draws.expovariate(1) + 1e-8, 8), side)

    def page(self, product_id: str, newest: int, count: int) -> list[Trade]:
        """Up to `count` trades with ids up to `newest`, newest first."""
        ids = range(newest, max(newest - count, 0), -1)
        return [trade for number in ids if (trade := self.trade(product_id, number)) is not None]


TradeFault = Callable[[list[Trade], Fault], list[Trade]]


def _hole(trades: list[Trade], fault: Fault) -> list[Trade]:
    at = len(trades) // 2 if fault.row is None else fault.row
    return trades[:at] + trades[at + 1 :]


TRADE_FAULTS: Mapping[str, tuple[str, TradeFault]] = {
    "trade-hole": ("one trade is missing", _hole),
    "repeated-page": ("the newest page, whatever `after` says", lambda trades, fault: trades),
}


def exchange_trades(
    tape: Tape, request: Request, now_s: float, faults: Sequence[Fault], *, products: Sequence[str]
) -> Answer:
    """Answer `/products/{id}/trades`: older than `after`, or the newest page of those newer than `before`."""
    if request.product_id not in products:
        return not_found(request)
    query, newest = request.query, tape.newest_id(now_s)
    count = min(int(query["limit"]) if query.get("limit", "").isdigit() else MOST_EXCHANGE, MOST_EXCHANGE)
    if query.get("after", "").isdigit() and not any(fault.kind == "repeated-page" for fault in faults):
        newest = min(newest, int(query["after"]) - 1)
    if query.get("before", "").isdigit():
        count = min(count, max(newest - int(query["before"]), 0))
    trades = _faulty(tape.page(request.product_id, newest, count), faults)
    content = [
        {
            "trade_id": trade.trade_id,
            "side": trade.side,
            "size": number_text(trade.size),
            "price": number_text(trade.price),
            "time": iso_us(trade.time_s),
        }
        for trade in trades
    ]
    cursors = (("cb-before", str(trades[0].trade_id)), ("cb-after", str(trades[-1].trade_id))) if trades else ()
    return json_answer(content, rows=len(content), headers=cursors)


def advanced_trade_ticker(
    tape: Tape, model: BookModel, request: Request, now_s: float, faults: Sequence[Fault], *, products: Sequence[str]
) -> Answer:
    """Answer `/products/{id}/ticker` of Advanced Trade: at most 100 trades; 1001 or more fail with status 500."""
    if request.product_id not in products:
        return not_found(request)
    query = request.query
    asked = int(query["limit"]) if query.get("limit", "").isdigit() else MOST_ADVANCED_TRADE
    if asked > MOST_EXCHANGE:
        return json_answer({"error": "INTERNAL", "message": "Internal server error"}, status=500)
    newest = tape.newest_id(now_s)
    if query.get("end", "").isdigit():
        newest = min(newest, tape.newest_id(int(query["end"]) + 1))
    trades = tape.page(request.product_id, newest, min(asked, MOST_ADVANCED_TRADE))
    if query.get("start", "").isdigit():
        trades = [trade for trade in trades if trade.time_s >= int(query["start"])]
    trades = _faulty(trades, faults)
    bid, ask = best(model, request.product_id, now_s)
    content = {
        "trades": [
            {
                "trade_id": str(trade.trade_id),
                "product_id": request.product_id,
                "price": number_text(trade.price),
                "size": number_text(trade.size),
                "time": iso_us(trade.time_s),
                "side": trade.side.upper(),
                "bid": "",
                "ask": "",
            }
            for trade in trades
        ],
        "best_bid": bid,
        "best_ask": ask,
    }
    return json_answer(content, rows=len(trades))


def best(model: BookModel, product_id: str, now_s: float) -> tuple[str, str]:
    """Best bid and ask as text, empty before the listing."""
    mid = model.mid(product_id, now_s)
    if mid is None:
        return "", ""
    bid, ask = touch(mid, tick(product_id))
    return number_text(bid), number_text(ask)


def _faulty(trades: list[Trade], faults: Sequence[Fault]) -> list[Trade]:
    for fault in faults:
        if fault.kind in TRADE_FAULTS:
            trades = TRADE_FAULTS[fault.kind][1](trades, fault)
    return trades
