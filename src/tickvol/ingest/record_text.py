"""Records as they travel: tracked columns to tagged structs with the exchange's own texts, and back to columns."""

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from tickvol.core.record_columns import RecordColumns, RecordKind
from tickvol.core.records import Gap, Heartbeat, Record, Tick
from tickvol.ingest.frames import Frame, detect_layout, frame_text
from tickvol.ingest.tickers import Ticker, parse_numbers
from tickvol.ingest.tracker import Tracked

_decode_frame = msgspec.json.Decoder(Frame).decode


def records_of(tracked: Tracked, products: Sequence[str], connection_id: Callable[[int], str]) -> Iterator[Record]:
    """A batch's records in log order; `connection_id` names a number of `RecordColumns.connection`."""
    columns, frames = tracked.records, tracked.frames
    gaps = iter(tracked.gaps)
    for i in range(len(columns)):
        if columns.kind[i] == RecordKind.GAP:
            yield next(gaps)
            continue
        row = int(columns.origin[i])
        about = {
            "product_id": products[columns.product[i]],
            "event_time_ns": int(columns.event_time_ns[i]),
            "receive_time_ns": int(frames.receive_time_ns[row]),
            "connection_id": connection_id(int(columns.connection[i])),
            "sequence_num": int(columns.sequence_num[i]),
        }
        if columns.kind[i] == RecordKind.HEARTBEAT:
            yield Heartbeat(**about)
        else:
            ticker = _ticker(frames.lines[row], products[columns.product[i]], float(columns.bid[i]))
            yield Tick(
                **about,
                price=ticker.price,
                best_bid=ticker.best_bid,
                best_ask=ticker.best_ask,
                best_bid_quantity=ticker.best_bid_quantity or None,
                best_ask_quantity=ticker.best_ask_quantity or None,
            )


def _ticker(line: bytes, product_id: str, bid: float) -> Ticker:
    """The ticker of a line that became a tick; where a frame repeats a product, the one with that bid."""
    frame = _decode_frame(frame_text(line, detect_layout([line])) or "")
    own = [ticker for event in frame.events for ticker in event.tickers if ticker.product_id == product_id]
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
