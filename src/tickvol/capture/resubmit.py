"""Dead letters through today's decoders: the records that they give now, or the reason why they give none.

A dead letter is accepted or refused as a whole: a correction never aims at half a frame.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from tickvol.bus.client import MAX_MESSAGE_BYTES
from tickvol.bus.contents import decoding_fault
from tickvol.bus.dead_letters import place_of
from tickvol.bus.messages import decode_record, record_message
from tickvol.bus.reading import Stored
from tickvol.core.errors import InputError
from tickvol.core.record_columns import RecordColumns, RecordKind
from tickvol.core.records import Record
from tickvol.eventlog.frame_columns import FrameColumns, Kind, Reject
from tickvol.eventlog.frames import FrameDecoder, Layout, detect_layout
from tickvol.eventlog.record_rules import RecordRules
from tickvol.eventlog.record_text import records_of
from tickvol.eventlog.tracker import Tracked


def records_again(source: str, content: bytes, products: Sequence[str], *, max_line_bytes: int) -> list[Record]:
    """Records that a dead letter's bytes give now; `source` shows whether they are a line of the archive or a record.

    Raises
    ------
    InputError
        With the reason, if they give no record.
    """
    return [_record(content, products)] if place_of(source) else _records_of_line(content, products, max_line_bytes)


def _record(value: bytes, products: Sequence[str]) -> Record:
    try:
        record: Record = decode_record(value)
        key, _, timestamp_ms = record_message(record)
    except (msgspec.DecodeError, ValueError, RecursionError, OverflowError) as error:
        raise InputError(decoding_fault(value, error)) from None
    rules = RecordRules(products, [0] * len(products), max_bytes=MAX_MESSAGE_BYTES)
    (reject,) = rules.judge([Stored(0, 0, timestamp_ms, key, value)], 0).reject
    if reject:
        raise InputError(Reject(int(reject)).label)
    return record


def _records_of_line(line: bytes, products: Sequence[str], max_line_bytes: int) -> list[Record]:
    decoder = FrameDecoder(products, max_line_bytes)
    frames = decoder.decode([line], Layout.WRAPPED)
    kind = Kind(int(frames.kind[0]))
    faults = [Reject(reason) for _, reason in frames.rejected_tickers if reason != Reject.UNKNOWN_PRODUCT]
    if kind is Kind.REJECTED:
        faults = [Reject(int(frames.reason[0]))]
    if faults:
        wrapped = detect_layout([line]) is Layout.WRAPPED
        hint = "" if wrapped else "; it must be a line of the archive: receive_time_ns, connection_id and frame"
        raise InputError(", ".join(sorted({fault.label for fault in faults})) + hint)
    if kind is Kind.HEARTBEAT:
        raise InputError(
            "a heartbeat names no product; that needs the frames before it on its connection: nothing to send"
        )
    if kind is not Kind.TICKER:
        raise InputError(f"{kind.name.lower()}: gives no record: nothing to send")
    tracked = Tracked(frames, _ticks(frames), [], [], simulated=False)
    return list(records_of(tracked, tuple(products), decoder.connection_id))


def _ticks(frames: FrameColumns) -> RecordColumns:
    """All tickers of one frame as records, without a tracker: it would wait for a second frame to confirm the time."""
    count = len(frames.product)
    return RecordColumns(
        kind=np.full(count, RecordKind.TICK, np.int16),
        product=frames.product,
        connection=np.full(count, frames.connection[0], np.int64),
        sequence_num=np.full(count, frames.sequence_num[0], np.int64),
        event_time_ns=np.full(count, frames.event_time_ns[0], np.int64),
        until_ns=np.zeros(count, np.int64),
        bid=frames.bid,
        ask=frames.ask,
        bid_quantity=frames.bid_quantity,
        ask_quantity=frames.ask_quantity,
        origin=np.zeros(count, np.int64),
    )
