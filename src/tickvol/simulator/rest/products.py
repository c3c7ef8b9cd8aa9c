"""Answers of the simulated REST exchange about products, the last trade and the time."""

from collections.abc import Sequence

from tickvol.simulator.rest.book import BookModel, tick
from tickvol.simulator.rest.trades import PER_S, Tape, best
from tickvol.simulator.rest.wire import Answer, Request, iso_us, json_answer, not_found, number_text


def products(request: Request, names: Sequence[str]) -> Answer:
    """Answer `/products`."""
    if request.is_advanced_trade:
        return json_answer({"products": [_advanced_trade(name) for name in names], "num_products": len(names)})
    return json_answer([_exchange(name) for name in names])


def product(request: Request, names: Sequence[str]) -> Answer:
    """Answer `/products/{id}`."""
    if request.product_id not in names:
        return not_found(request)
    one = _advanced_trade if request.is_advanced_trade else _exchange
    return json_answer(one(request.product_id))


def exchange_ticker(tape: Tape, model: BookModel, request: Request, now_s: float, names: Sequence[str]) -> Answer:
    """Answer `/products/{id}/ticker` of Exchange: the last trade and the best prices."""
    trade = tape.trade(request.product_id, tape.newest_id(now_s)) if request.product_id in names else None
    if trade is None:
        return not_found(request)
    bid, ask = best(model, request.product_id, now_s)
    content = {
        "ask": ask,
        "bid": bid,
        "volume": number_text(round(300 / trade.price * PER_S * 86_400, 8)),
        "trade_id": trade.trade_id,
        "price": number_text(trade.price),
        "size": number_text(trade.size),
        "time": iso_us(trade.time_s),
        "rfq_volume": "0",
    }
    return json_answer(content, rows=1)


def server_time(request: Request, now_s: float) -> Answer:
    """Answer `/time`."""
    iso = iso_us(now_s)[:19] + "Z"
    if request.is_advanced_trade:
        return json_answer({"iso": iso, "epochSeconds": str(int(now_s)), "epochMillis": str(int(now_s * 1000))})
    return json_answer({"iso": iso, "epoch": now_s})


def _advanced_trade(product_id: str) -> dict[str, object]:
    base, _, quote = product_id.partition("-")
    return {
        "product_id": product_id,
        "base_currency_id": base,
        "quote_currency_id": quote,
        "base_increment": "0.00000001",
        "quote_increment": number_text(tick(product_id)),
        "status": "online",
        "trading_disabled": False,
        "product_type": "SPOT",
        "product_venue": "CBE",
    }


def _exchange(product_id: str) -> dict[str, object]:
    base, _, quote = product_id.partition("-")
    return {
        "id": product_id,
        "base_currency": base,
        "quote_currency": quote,
        "quote_increment": number_text(tick(product_id)),
        "base_increment": "0.00000001",
        "display_name": f"{base}-{quote}",
        "status": "online",
        "trading_disabled": False,
        "auction_mode": False,
    }
