"""Tracked columns to records as they are sent, with the exchange's texts; `record_reader` does the reverse."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from tickvol.core.record_columns import RecordKind
from tickvol.core.records import Heartbeat, Record, Tick
from tickvol.eventlog.frames import Layout, detect_layout, frame_text
from tickvol.eventlog.tickers import Ticker, parse_numbers
from tickvol.eventlog.tracker import Tracked


class _Ticker(Ticker):
    volume_24_h: str | None = None


class _Event(msgspec.Struct, gc=False):
    tickers: list[_Ticker] = []


class _Frame(msgspec.Struct, gc=False):
    events: list[_Event] = []


_WRAPPED = b'{"receive_time_ns":'
_decode_frame = msgspec.json.Decoder(_Frame).decode


def records_of(tracked: Tracked, products: Sequence[str], connection_id: Callable[[int], str]) -> Iterator[Record]:
    """A batch's records in log order; `connection_id` maps a number of `RecordColumns.connection` to its id."""
    columns, frames = tracked.records, tracked.frames
    gaps = iter(tracked.gaps)
    names: dict[int, str] = {}
    receive_time_ns = frames.receive_time_ns.tolist()
    row_at, tickers = -1, list[_Ticker]()
    for kind, product, row, connection, sequence_num, event_time_ns, bid in zip(
        columns.kind.tolist(),
        columns.product.tolist(),
        columns.origin.tolist(),
        columns.connection.tolist(),
        columns.sequence_num.tolist(),
        columns.event_time_ns.tolist(),
        columns.bid.tolist(),
        strict=True,
    ):
        if kind == RecordKind.GAP:
            yield next(gaps)
            continue
        product_id = products[product]
        if connection not in names:
            names[connection] = connection_id(connection)
        about = (product_id, event_time_ns, receive_time_ns[row], names[connection], sequence_num)
        if kind == RecordKind.HEARTBEAT:
            yield Heartbeat(*about, simulated=tracked.simulated)
            continue
        if row != row_at:
            row_at, tickers = row, _tickers(frames.lines[row])
        ticker = _own(tickers, product_id, bid)
        yield Tick(
            *about,
            ticker.price,
            ticker.best_bid,
            ticker.best_ask,
            ticker.best_bid_quantity or None,
            ticker.best_ask_quantity or None,
            ticker.volume_24_h or None,
        )


def _tickers(line: bytes) -> list[_Ticker]:
    layout = Layout.WRAPPED if line.startswith(_WRAPPED) else detect_layout([line])
    return [ticker for event in _decode_frame(frame_text(line, layout) or "").events for ticker in event.tickers]


def _own(tickers: list[_Ticker], product_id: str, bid: float) -> _Ticker:
    """The ticker that became a tick of the product; if a frame repeats the product, the one with that bid."""
    own = [ticker for ticker in tickers if ticker.product_id == product_id]
    if len(own) == 1:
        return own[0]
    return next((ticker for ticker in own if parse_numbers([ticker.best_bid])[0][0] == bid), own[0])
