"""Faults of the order book in an answer."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from tickvol.simulator.rest.book import Book, Level
from tickvol.simulator.rest.faults import Fault

BookFault = Callable[[Book, Fault], Book]

STALE_S = 30.0
"""Age of the copy that a cache repeats."""


def _unsorted(book: Book, fault: Fault) -> Book:
    draws = Random(book.sequence)
    return replace(book, bids=draws.sample(book.bids, len(book.bids)), asks=draws.sample(book.asks, len(book.asks)))


def _price_twice(book: Book, fault: Fault) -> Book:
    best = book.bids[0]
    return replace(book, bids=[best, best._replace(size=best.size * 2), *book.bids[1:]])


def _zero_size(book: Book, fault: Fault) -> Book:
    at = 1 if fault.row is None else fault.row
    levels = [level._replace(size=0.0) if number == at else level for number, level in enumerate(book.asks)]
    return replace(book, asks=levels)


def _crossed(book: Book, fault: Fault) -> Book:
    above = book.asks[min(1, len(book.asks) - 1)].price
    return replace(book, bids=[Level(above, book.bids[0].size, 1), *book.bids])


BOOK_FAULTS: Mapping[str, tuple[str, BookFault]] = {
    "few-levels": (
        "three levels on each side",
        lambda book, fault: replace(book, bids=book.bids[:3], asks=book.asks[:3]),
    ),
    "no-bids": ("no bids", lambda book, fault: replace(book, bids=[])),
    "no-asks": ("no asks", lambda book, fault: replace(book, asks=[])),
    "unsorted": ("levels in no order", _unsorted),
    "price-twice": ("the best bid twice, with two sizes", _price_twice),
    "zero-size": ("the second ask has size 0", _zero_size),
    "crossed": ("a bid above the best ask", _crossed),
    "crossed-auction": (
        "a bid above the best ask, during an auction (only Exchange says so)",
        lambda book, fault: replace(_crossed(book, fault), auction_mode=True),
    ),
    "time-backwards": (
        "the present book with a time one minute ago",
        lambda book, fault: replace(book, time_s=book.time_s - 60),
    ),
    "stale": ("the book of up to 30 s ago, again and again, as a cache repeats it", lambda book, fault: book),
}
