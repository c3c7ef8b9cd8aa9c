"""Records as they travel: tracked columns to tagged structs with the exchange's own texts, and back to columns."""

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from tickvol.core.record_columns import RecordColumns, RecordKind
from tickvol.core.records import Gap, Heartbeat, Record, Tick
from tickvol.ingest.frames import Layout, detect_layout, frame_text
from tickvol.ingest.tickers import Ticker, parse_numbers
from tickvol.ingest.tracker import Tracked


class _Ticker(Ticker):
    volume_24_h: str | None = None


class _Event(msgspec.Struct, gc=False):
    tickers: list[_Ticker] = []


class _Frame(msgspec.Struct, gc=False):
    events: list[_Event] = []


_WRAPPED = b'{"receive_time_ns":'
_decode_frame = msgspec.json.Decoder(_Frame).decode


def records_of(tracked: Tracked, products: Sequence[str], connection_id: Callable[[int], str]) -> Iterator[Record]:
    """A batch's records in log order; `connection_id` names a number of `RecordColumns.connection`."""
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
    """The ticker that became a tick of the product; where a frame repeats the product, the one with that bid."""
    own = [ticker for ticker in tickers if ticker.product_id == product_id]
    if len(own) == 1:
        return own[0]
    return next((ticker for ticker in own if parse_numbers([ticker.best_bid])[0][0] == bid), own[0])


def columns_of(records: Sequence[Record], products: Sequence[str], connection: dict[str, int]) -> RecordColumns:
    """Records as columns; `connection` numbers the connection ids and is added to."""
    number = {product_id: index for index, product_id in enumerate(products)}
    ticks = [record if isinstance(record, Tick) else None for record in records]
    quotes = {
        name: parse_numbers(["" if tick is None else getattr(tick, field) or "" for tick in ticks])[0]
        for name, field in (
            ("bid", "best_bid"),
            ("ask", "best_ask"),
            ("bid_quantity", "best_bid_quantity"),
            ("ask_quantity", "best_ask_quantity"),
        )
    }
    rows = [_integers(record, connection) for record in records]
    table = np.array(rows, np.int64).reshape(len(records), 5)
    return RecordColumns(
        kind=table[:, 0].astype(np.int16),
        product=np.array([number[record.product_id] for record in records], np.int32),
        connection=table[:, 1].copy(),
        sequence_num=table[:, 2].copy(),
        event_time_ns=table[:, 3].copy(),
        until_ns=table[:, 4].copy(),
        origin=np.arange(len(records), dtype=np.int64),
        **quotes,
    )


def _integers(record: Record, connection: dict[str, int]) -> tuple[int, int, int, int, int]:
    if isinstance(record, Gap):
        first = -1 if record.first_missing is None else record.first_missing
        return RecordKind.GAP, -1, first, record.from_time_ns, record.to_time_ns
    kind = RecordKind.TICK if isinstance(record, Tick) else RecordKind.HEARTBEAT
    number = connection.setdefault(record.connection_id, len(connection))
    return kind, number, record.sequence_num, record.event_time_ns, 0
