"""Answers with candles, in the format and within the limits of either API.

Both ends of a window are inclusive. Advanced Trade refuses more than 350 candles, Exchange more than 300 intervals,
which are 301 candles; neither ever truncates.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tickvol.exchange.coinbase_rest import GRANULARITIES
from tickvol.simulator.rest import intraday
from tickvol.simulator.rest.candle_faults import ROW_FAULTS, SHAPE_FAULTS, Asked, Row
from tickvol.simulator.rest.faults import Fault
from tickvol.simulator.rest.market import Market
from tickvol.simulator.rest.wire import Answer, Request, json_answer, not_found, number_text, refusal

MOST_ADVANCED_TRADE, MOST_INTERVALS_EXCHANGE, NEWEST_EXCHANGE, CACHED_S = 350, 300, 350, 300
_SECONDS = {name: seconds for seconds, name in GRANULARITIES["advanced_trade"].items()}


def candles(
    market: Market, request: Request, now_s: float, *, faults: Sequence[Fault] = (), refuses_350: bool = False
) -> Answer:
    """Answer a request for candles; `refuses_350` takes "less than 350" literally."""
    if request.product_id not in market.products:
        return not_found(request)
    asked = (
        _advanced_trade(request, now_s, MOST_ADVANCED_TRADE - refuses_350)
        if request.is_advanced_trade
        else _exchange(request, now_s)
    )
    if isinstance(asked, Answer):
        return asked
    granularity_s, window_s, seen_s = asked

    def true_rows(window_s: tuple[int, int]) -> list[Row]:
        return [
            {"time": time, "low": bar.low, "high": bar.high, "open": bar.open, "close": bar.close, "volume": bar.volume}
            for time, bar in reversed(intraday.bars(market, request.product_id, granularity_s, window_s, seen_s))
        ]

    rows = true_rows(window_s)
    if request.is_advanced_trade and request.query.get("limit", "").isdigit():
        rows = rows[: int(request.query["limit"])]
    for fault in faults:
        if fault.kind in ROW_FAULTS:
            rows = ROW_FAULTS[fault.kind][1](rows, Asked(granularity_s, window_s, now_s, true_rows), fault)
    return _encoded(request, rows, faults)


def _encoded(request: Request, rows: list[Row], faults: Sequence[Fault]) -> Answer:
    content: object = [list(row.values()) for row in rows]
    if request.is_advanced_trade:
        content = {"candles": [_texts(row) for row in rows]}
    for fault in faults:
        if fault.kind in SHAPE_FAULTS:
            content = SHAPE_FAULTS[fault.kind][1](content, fault)
    return json_answer(content, rows=len(rows))


def window_s(query: Mapping[str, str]) -> tuple[int, int] | None:
    """The window of a query, seconds or ISO 8601, None if an end is missing or unreadable."""
    start, end = (_time_s(query.get(name, "")) for name in ("start", "end"))
    return None if start is None or end is None else (start, end)


def _texts(row: Row) -> dict[str, str]:
    return {("start" if name == "time" else name): number_text(value) for name, value in row.items()}


def _advanced_trade(request: Request, now_s: float, most: int) -> tuple[int, tuple[int, int], float] | Answer:
    granularity_s = _SECONDS.get(request.query.get("granularity", ""))
    if granularity_s is None:
        return refusal(request, 400, "INVALID_ARGUMENT", "granularity argument is invalid")
    if request.window_s is None or not all(request.query[name].isdigit() for name in ("start", "end")):
        return refusal(request, 400, "INVALID_ARGUMENT", "start and end argument is invalid")
    start_s, end_s = request.window_s
    if (end_s - start_s) // granularity_s + 1 > most:
        said = "start and end argument is invalid - number of candles requested should be less than 350"
        return json_answer({"error": "INVALID_ARGUMENT", "error_details": said}, status=400)
    return granularity_s, request.window_s, now_s


def _exchange(request: Request, now_s: float) -> tuple[int, tuple[int, int], float] | Answer:
    text = request.query.get("granularity", "60")
    granularity_s = int(text) if text.isdigit() else 0
    if granularity_s not in GRANULARITIES["exchange"]:
        return refusal(request, 400, "", "Unsupported granularity")
    if request.window_s is None:
        seen_s = now_s // CACHED_S * CACHED_S
        newest_s = int(seen_s) // granularity_s * granularity_s
        return granularity_s, (newest_s - (NEWEST_EXCHANGE - 1) * granularity_s, newest_s), seen_s
    start_s, end_s = request.window_s
    if (end_s - start_s) / granularity_s > MOST_INTERVALS_EXCHANGE:
        said = "granularity too small for the requested time range. Count of aggregations requested exceeds 300"
        return refusal(request, 400, "", said)
    return granularity_s, request.window_s, now_s


def _time_s(text: str) -> int | None:
    if text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
