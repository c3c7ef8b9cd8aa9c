"""Tickers of a batch of frames: parsed and checked together, each rejected one with the first rule that it breaks."""

from collections.abc import Mapping
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.eventlog.frame_columns import TICK_COLUMNS, Kind, Reject
from tickvol.eventlog.text_kernels import BAD, SLOW, parse_decimals

MAX_PRICE = 1e12
MAX_QUANTITY = 1e15


class Ticker(msgspec.Struct, gc=False):
    """The parts of an exchange's ticker object that are used here."""

    product_id: str
    price: str
    best_bid: str
    best_ask: str
    best_bid_quantity: str | None = ""
    best_ask_quantity: str | None = ""


class Event(msgspec.Struct, gc=False):
    """An event of a frame; `simulated` is set in heartbeats of the simulated market."""

    tickers: list[Ticker] = []
    simulated: bool = False


def take_tickers(events: list[list[Event]], rows: NDArray[np.intp], product_number: Mapping[str, int]) -> "Tickers":
    """Flatten the tickers in the events of the frames at `rows`, and parse their texts."""
    lists = [event.tickers for event in chain.from_iterable(events)]
    flat = list(chain.from_iterable(lists))
    one_each = list(map(len, events)).count(1) == len(rows) and list(map(len, lists)).count(1) == len(rows)
    if not one_each:
        rows = np.repeat(rows, [sum(len(event.tickers) for event in parts) for parts in events])
    find = product_number.get
    product = np.array([find(ticker.product_id, -1) for ticker in flat], np.int32)
    texts = [ticker.price for ticker in flat]
    texts += [ticker.best_bid for ticker in flat]
    texts += [ticker.best_ask for ticker in flat]
    quantities = [ticker.best_bid_quantity for ticker in flat]
    quantities += [ticker.best_ask_quantity for ticker in flat]
    texts += [text or "" for text in quantities] if None in quantities else quantities  # type: ignore[arg-type]
    numbers, bad = parse_numbers(texts)
    return Tickers(rows, product, numbers.reshape(5, -1), bad.reshape(5, -1))


def settle(
    kind: NDArray[np.int16], reason: NDArray[np.int16], tickers: "Tickers"
) -> tuple[NDArray[np.int64], list[tuple[int, int]]]:
    """Drop bad tickers; a ticker frame without a good one becomes a rejected row."""
    tickers.check()
    good = (tickers.reject == Reject.NONE) & (kind[tickers.row] == Kind.TICKER)
    good_per_row = np.bincount(tickers.row[good], minlength=len(kind))
    rejected = []
    for position in np.flatnonzero(~good):
        row = int(tickers.row[position])
        if kind[row] == Kind.TICKER and good_per_row[row]:
            rejected.append((row, int(tickers.reject[position])))
        elif kind[row] == Kind.TICKER and not reason[row]:
            reason[row] = tickers.reject[position]
    empty = (kind == Kind.TICKER) & (good_per_row == 0)
    reason[empty & (reason == 0)] = Reject.BAD_FIELD  # a ticker frame without any ticker
    kind[empty] = Kind.REJECTED
    tickers.keep(good)
    tick_begin = np.zeros(len(kind) + 1, np.int64)
    np.cumsum(good_per_row, out=tick_begin[1:])
    return tick_begin, rejected


class Tickers:
    """Tickers of a batch, checked together."""

    def __init__(
        self,
        row: NDArray[np.intp],
        product: NDArray[np.int32],
        numbers: NDArray[np.float64],
        bad: NDArray[np.bool_],
    ) -> None:
        self.row = row
        self.product = product
        self.price, self.bid, self.ask, self.bid_quantity, self.ask_quantity = numbers
        self.bad = bad
        self.reject = np.zeros(len(row), np.int16)

    def check(self) -> None:
        """Give each ticker the reason of the first rule that it breaks."""
        empty = np.isnan(self.price) | np.isnan(self.bid) | np.isnan(self.ask)
        prices_fit = (np.minimum(np.minimum(self.price, self.bid), self.ask) > 0) & (
            np.maximum(np.maximum(self.price, self.bid), self.ask) < MAX_PRICE
        )
        quantities_fit = ~((self.bid_quantity < 0) | (self.ask_quantity < 0))
        quantities_fit &= ~((self.bid_quantity >= MAX_QUANTITY) | (self.ask_quantity >= MAX_QUANTITY))
        if (
            not self.bad.any()
            and prices_fit.all()
            and quantities_fit.all()
            and (self.bid <= self.ask).all()
            and (self.product >= 0).all()
        ):
            return
        for breaks, reject in (
            (self.bid > self.ask, Reject.CROSSED_QUOTES),
            (~quantities_fit, Reject.QUANTITY_OUT_OF_RANGE),
            (~prices_fit, Reject.PRICE_OUT_OF_RANGE),
            (self.bad.any(axis=0) | empty, Reject.BAD_NUMBER),
            (self.product < 0, Reject.UNKNOWN_PRODUCT),
        ):
            self.reject[breaks] = reject

    def keep(self, good: NDArray[np.bool_]) -> None:
        """Drop the rejected tickers."""
        if not good.all():
            for name in TICK_COLUMNS:
                setattr(self, name, getattr(self, name)[good])


def parse_numbers(texts: list[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The nearest float64 of each decimal, NaN for empty or invalid text; and a mask of the invalid ones."""
    numbers, state = np.empty(len(texts)), np.zeros(len(texts), np.uint8)
    if not texts:
        return numbers, state == BAD
    joined = "\n".join(texts).encode()
    if joined.count(b"\n") != len(texts) - 1:
        texts = ["?" if "\n" in text else text for text in texts]
        joined = "\n".join(texts).encode()
    parse_decimals(np.frombuffer(joined, np.uint8), numbers, state)
    for position in np.flatnonzero(state == SLOW):
        numbers[position] = float(texts[position])
    return numbers, state == BAD
