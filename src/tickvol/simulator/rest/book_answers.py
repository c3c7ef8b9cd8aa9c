"""Answers with order books, in the format and within the limits of either API."""

from collections.abc import Sequence

import numpy as np

from tickvol.simulator.rest.book import Book, BookModel, Level
from tickvol.simulator.rest.book_faults import BOOK_FAULTS, STALE_S
from tickvol.simulator.rest.faults import Fault
from tickvol.simulator.rest.wire import Answer, Request, iso_us, json_answer, not_found, number_text, refusal

MOST_LEVELS = 1000
"""Levels a side that Advanced Trade returns at most, and by default."""


def order_book(
    model: BookModel, request: Request, now_s: float, faults: Sequence[Fault], *, products: Sequence[str]
) -> Answer:
    """Answer a request for a book."""
    if request.product_id not in products:
        return not_found(request)
    shown_s = now_s // STALE_S * STALE_S if any(fault.kind == "stale" for fault in faults) else now_s
    book = model.book(request.product_id, shown_s)
    if book is None:
        return not_found(request)
    limited = _advanced_trade_levels(book, request) if request.is_advanced_trade else _exchange_levels(book, request)
    if isinstance(limited, Answer):
        return limited
    for fault in faults:
        if fault.kind in BOOK_FAULTS:
            limited = BOOK_FAULTS[fault.kind][1](limited, fault)
    return _advanced_trade(limited, request) if request.is_advanced_trade else _exchange(limited)


def _advanced_trade_levels(book: Book, request: Request) -> Book | Answer:
    text = request.query.get("limit", "") or str(MOST_LEVELS)
    if not text.isdigit():
        return refusal(request, 400, "INVALID_ARGUMENT", "limit argument is invalid")
    bids, asks = book.bids, book.asks
    increment = request.query.get("aggregation_price_increment")
    if increment:
        bids, asks = _grouped(bids, float(increment), -1), _grouped(asks, float(increment), 1)
    count = min(int(text) or MOST_LEVELS, MOST_LEVELS)
    return Book(book.time_s, book.sequence, bids[:count], asks[:count], book.auction_mode)


def _exchange_levels(book: Book, request: Request) -> Book | Answer:
    level = request.query.get("level", "1")
    if level not in ("1", "2"):
        return refusal(request, 400, "", "Invalid level: the simulated exchange has levels 1 and 2")
    count = 1 if level == "1" else None
    return Book(book.time_s, book.sequence, book.bids[:count], book.asks[:count], book.auction_mode)


def _grouped(levels: list[Level], increment: float, side: int) -> list[Level]:
    """Levels of which each price is rounded away from the mid to a multiple of the increment."""
    groups: dict[float, Level] = {}
    for level in levels:
        steps = np.ceil(level.price / increment - 1e-9) if side > 0 else np.floor(level.price / increment + 1e-9)
        price = round(float(steps) * increment, 10)
        known = groups.get(price, Level(price, 0.0, 0))
        groups[price] = Level(price, round(known.size + level.size, 8), known.orders + level.orders)
    return list(groups.values())


def _advanced_trade(book: Book, request: Request) -> Answer:
    best_bid, best_ask = (side[0].price if side else 0.0 for side in (book.bids, book.asks))
    mid = (best_bid + best_ask) / 2
    spread = best_ask - best_bid
    sides = [
        [{"price": number_text(level.price), "size": number_text(level.size)} for level in side]
        for side in (book.bids, book.asks)
    ]
    content = {
        "pricebook": {
            "product_id": request.product_id,
            "bids": sides[0],
            "asks": sides[1],
            "time": iso_us(book.time_s),
        },
        "last": number_text(best_bid),
        "mid_market": number_text(round(mid, 10)),
        "spread_bps": number_text(round(spread / mid * 1e4, 6) if mid else 0.0),
        "spread_absolute": number_text(round(spread, 10)),
    }
    return json_answer(content, rows=len(book.bids) + len(book.asks))


def _exchange(book: Book) -> Answer:
    sides = [
        [[number_text(level.price), number_text(level.size), level.orders] for level in side]
        for side in (book.bids, book.asks)
    ]
    content = {
        "bids": sides[0],
        "asks": sides[1],
        "sequence": book.sequence,
        "auction_mode": book.auction_mode,
        "auction": None,
        "time": iso_us(book.time_s),
    }
    return json_answer(content, rows=len(book.bids) + len(book.asks))
