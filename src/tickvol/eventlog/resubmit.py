"""Dead letters through today's decoders: the records that their bytes give now, or why they still give none.

A letter is good as a whole or refused as a whole; half of a frame was never the point of correcting it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from tickvol.bus.client import MAX_MESSAGE_BYTES
from tickvol.bus.contents import decoding_fault
from tickvol.bus.dead_letters import place_of
from tickvol.bus.messages import decode_record, record_message
from tickvol.config import Config
from tickvol.core.errors import InputError
from tickvol.core.record_columns import RecordColumns, RecordKind
from tickvol.core.records import Record
from tickvol.eventlog.frame_columns import FrameColumns, Kind, Reject
from tickvol.eventlog.frames import FrameDecoder, Layout, detect_layout
from tickvol.eventlog.record_reader import RecordReader
from tickvol.eventlog.record_text import records_of
from tickvol.eventlog.tracker import Tracked

AT_ANY_TIME_NS = 2**63 - 1


class _Given(NamedTuple):
    """A message as `RecordReader` takes it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def records_again(source: str, content: bytes, config: Config) -> list[Record]:
    """Records of a letter's bytes; `source` tells whether they are a line of the archive or a record of the log.

    Raises
    ------
    InputError
        With the reason, when they give no record.
    """
    return [_record(content, config)] if place_of(source) else _records_of_line(content, config)


def _record(value: bytes, config: Config) -> Record:
    try:
        record: Record = decode_record(value)
        key, _, timestamp_ms = record_message(record)
    except (msgspec.DecodeError, ValueError, RecursionError, OverflowError) as error:
        raise InputError(decoding_fault(value, error)) from None
    count = len(config.products)
    reader = RecordReader(config.products, [0] * count, ahead_ns=AT_ANY_TIME_NS, max_bytes=MAX_MESSAGE_BYTES)
    for product in range(count):
        reader.begin_at(product, 0)
    read = reader.read(0, [_Given(0, timestamp_ms, key, value)])
    for _, reject in read.rejected:
        raise InputError(reject.label)
    return record


def _records_of_line(line: bytes, config: Config) -> list[Record]:
    decoder = FrameDecoder(config.products, config.ingestion.max_line_bytes)
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
            "a heartbeat names no product; only the frames before it on its connection tell: nothing to send"
        )
    if kind is not Kind.TICKER:
        raise InputError(f"{kind.name.lower()}: gives no record: nothing to send")
    tracked = Tracked(frames, _ticks(frames), [], [], simulated=False)
    return list(records_of(tracked, config.products, decoder.connection_id))


def _ticks(frames: FrameColumns) -> RecordColumns:
    """All tickers of a single frame as records; no tracker, which would wait for a second frame to confirm its time."""
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
