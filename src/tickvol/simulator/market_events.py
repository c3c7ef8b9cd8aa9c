"""The seeded market as exchange frames: quotes, trades and heartbeats in order of time, before they are numbered."""

import math
from collections.abc import Iterator

import numpy as np

from tickvol.core.times import NS_PER_S
from tickvol.exchange.coinbase import TICKER
from tickvol.simulator.frames import EventSource, ExchangeEvent, frame_head, heartbeat_event, ticker_tail
from tickvol.simulator.market import BLOCK_S, MarketProduct, MarketSpec, Ticks, market_blocks

HEARTBEAT_OFFSET_NS = 856_000_000
HEARTBEAT_JITTER_NS = 1_500_000
SECONDS_OF_A_DAY = 86_400.0
HOLD_BP = (0.04, 0.30)
"""A quote stands until the efficient price leaves it by this many basis points."""
WIDE_SHARE, WIDE_ON_ACTIVITY, MAX_WIDE_SHARE = 0.12, 0.5, 0.9
WIDE_SCALE = 0.8
"""Mean width of a wide spread, in standard deviations of one second."""
TRADE_SHARE = 0.3
QUANTITY_USD, QUANTITY_LOG_SD = 3000.0, 1.5


def market_source(spec: MarketSpec) -> EventSource:
    """The market's updates and one heartbeat per second, in order of time, from `start_ns` up to the end.

    Memory holds one block; the same `spec` gives the same events however they are consumed.
    """
    writers = [_TickerWriter(product) for product in spec.products]
    opening = {writer.product_ids[0]: _ticker_event(spec.start_ns, writer, writer.current()) for writer in writers}
    return EventSource(tuple(opening), spec.start_ns, opening, _events(spec, writers))


def _events(spec: MarketSpec, writers: "list[_TickerWriter]") -> Iterator[ExchangeEvent]:
    end_ns = None if spec.duration_s is None else spec.start_ns + spec.duration_s * NS_PER_S
    jitter = np.random.Generator(np.random.PCG64([spec.seed, 1]))
    for start_ns, blocks in market_blocks(spec):
        beats = start_ns + np.arange(BLOCK_S) * NS_PER_S + HEARTBEAT_OFFSET_NS
        beats += jitter.integers(0, HEARTBEAT_JITTER_NS, BLOCK_S)
        times = np.concatenate([*(block.time_ns for block in blocks), beats])
        owners = np.repeat(np.arange(len(blocks) + 1), [*(len(block.time_ns) for block in blocks), BLOCK_S])
        order = np.argsort(times, kind="stable")
        texts = [writer.tickers(block) for writer, block in zip(writers, blocks, strict=True)]
        for time_ns, owner in zip(times[order].tolist(), owners[order].tolist(), strict=True):
            if end_ns is not None and time_ns >= end_ns:
                return
            if owner == len(writers):
                uptime_ns = time_ns - spec.start_ns
                yield heartbeat_event(time_ns, uptime_ns // NS_PER_S, uptime_ns, simulated=True)
            else:
                yield _ticker_event(time_ns, writers[owner], next(texts[owner]))


def _ticker_event(time_ns: int, writer: "_TickerWriter", ticker: str) -> ExchangeEvent:
    tail = ticker_tail("update", (ticker,))
    return ExchangeEvent(time_ns, TICKER, writer.product_ids, frame_head(TICKER, time_ns), tail)


class _TickerWriter:
    """Sets quotes around the efficient price and writes them as the exchange's `ticker` object."""

    def __init__(self, product: MarketProduct) -> None:
        self.product_ids = (product.product_id,)
        self._head = f'{{"type":"ticker","product_id":"{product.product_id}",'
        self._per_unit = 10**product.price_decimals
        self._decimals = product.price_decimals
        start = round(product.start_price * self._per_unit)
        self._bid, self._ask, self._price = start, start + 1, start
        self._open, self._low, self._high = start, round(start * 0.985), round(start * 1.012)
        self._hold = 0.0
        self._bid_quantity = self._ask_quantity = "0.1"
        self._quantity_scale = QUANTITY_USD / product.start_price
        trades_a_day = product.ticks_per_s * TRADE_SHARE * SECONDS_OF_A_DAY
        self._volume = trades_a_day * self._quantity_scale * math.exp(QUANTITY_LOG_SD**2 / 2)
        self._volume_time_ns: int | None = None
        self._year = f'"low_52_w":"{self._text(start // 2)}","high_52_w":"{self._text(start * 2)}"'
        self._quote_texts = (self._text(self._bid), self._text(self._ask))
        self._trade_text = ""
        self._write_trade()

    def tickers(self, block: Ticks) -> Iterator[str]:
        """One object per tick of the block, in order."""
        efficient = (np.exp(block.log_price) * self._per_unit).tolist()
        widths = _spread_draws(block, self._per_unit).tolist()
        holds = (HOLD_BP[0] + (HOLD_BP[1] - HOLD_BP[0]) * block.draws[:, 2]).tolist()
        trades = (block.draws[:, 3] < TRADE_SHARE).tolist()
        sides = block.draws[:, 4].tolist()
        quantities = (self._quantity_scale * np.exp(QUANTITY_LOG_SD * block.quantity_normals)).tolist()
        for mid, width, hold, trade, side, quantity, time_ns in zip(
            efficient, widths, holds, trades, sides, quantities, block.time_ns.tolist(), strict=True
        ):
            moved = self._quote(mid, width, hold)
            if moved or side < 0.6:
                self._bid_quantity = _quantity_text(quantity[0])
            if moved or side > 0.4:
                self._ask_quantity = _quantity_text(quantity[1])
            if trade:
                self._trade(side, quantity[2], time_ns)
            yield self.current()

    def current(self) -> str:
        """The current `ticker` object."""
        bid, ask = self._quote_texts
        return (
            f'{self._head}{self._trade_text},"best_bid":"{bid}","best_ask":"{ask}",'
            f'"best_bid_quantity":"{self._bid_quantity}","best_ask_quantity":"{self._ask_quantity}"}}'
        )

    def _quote(self, mid: float, width: int, hold: float) -> bool:
        if self._bid - self._hold <= mid <= self._ask + self._hold:
            return False
        self._bid = max(1, math.floor(mid - width / 2))
        self._ask = self._bid + width
        self._hold = hold * 1e-4 * mid
        self._quote_texts = (self._text(self._bid), self._text(self._ask))
        return True

    def _trade(self, side: float, quantity: float, time_ns: int) -> None:
        self._price = self._ask if side < 0.5 else self._bid
        self._low, self._high = min(self._low, self._price), max(self._high, self._price)
        # A day's volume without a day's memory: day-old volume leaves at the mean rate.
        elapsed_s = 0.0 if self._volume_time_ns is None else (time_ns - self._volume_time_ns) / 1e9
        self._volume_time_ns = time_ns
        self._volume = self._volume * (1 - elapsed_s / SECONDS_OF_A_DAY) + quantity
        self._write_trade()

    def _write_trade(self) -> None:
        change = 100.0 * (self._price / self._open - 1)
        self._trade_text = (
            f'"price":"{self._text(self._price)}","volume_24_h":"{_quantity_text(self._volume)}",'
            f'"low_24_h":"{self._text(self._low)}","high_24_h":"{self._text(self._high)}",{self._year},'
            f'"price_percent_chg_24_h":"{f"{change:.14f}".rstrip("0").rstrip(".")}"'
        )

    def _text(self, units: int) -> str:
        if not self._decimals:
            return str(units)
        return f"{units / self._per_unit:.{self._decimals}f}".rstrip("0").rstrip(".")


def _spread_draws(block: Ticks, per_unit: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Spread in price units if a tick sets a new quote: one unit, or wide in proportion to the volatility."""
    share = np.minimum(WIDE_SHARE * np.exp(WIDE_ON_ACTIVITY * block.activity), MAX_WIDE_SHARE)
    scale = WIDE_SCALE * block.second_vol * np.exp(block.log_price) * per_unit
    extra = np.where(block.draws[:, 0] < share, -np.log1p(-block.draws[:, 1]) * scale, 0.0)
    return 1 + extra.astype(np.int64)


def _quantity_text(quantity: float) -> str:
    return f"{quantity:.8f}".rstrip("0").rstrip(".") if quantity >= 1e-8 else "0.00000001"
