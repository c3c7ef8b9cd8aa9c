"""Frames to columns: decode lines of an archive or a recording, check every field, keep rejected lines with the reason.

The exchange's ticker frame (https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels)::

    {"channel":"ticker","client_id":"","timestamp":"2026-04-04T21:13:43.291084825Z","sequence_num":0,
     "events":[{"type":"snapshot","tickers":[{"type":"ticker","product_id":"BTC-USD","price":"67223.5","best_bid":"67223.49",
     "best_ask":"67223.5","best_bid_quantity":"0.56309243","best_ask_quantity":"0.25094364", ...}]}]}
"""

import base64
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.records import GapReason
from tickvol.eventlog.archive_lines import ArchiveLine, Control
from tickvol.eventlog.frame_columns import FrameColumns, Kind, Reject
from tickvol.eventlog.text_kernels import parse_timestamps
from tickvol.eventlog.tickers import Event, Tickers, settle, take_tickers

MAX_SEQUENCE = 2**62
GENERATION = 1 << 40


class Frame(msgspec.Struct, gc=False):
    """The parts of an exchange frame that are used here."""

    channel: str
    timestamp: str
    sequence_num: int
    events: list[Event] = []


class _RecorderLine(msgspec.Struct, gc=False):
    t: str
    ts: float = 0.0
    conn: str = ""
    data: str = ""


class Layout(enum.Enum):
    """Wrapping of frames in a file."""

    BARE = "bare"
    WRAPPED = "wrapped"
    RECORDER = "recorder"


CHANNELS: Mapping[str, Kind] = {"ticker": Kind.TICKER, "heartbeats": Kind.HEARTBEAT}
"""Kind of a row by the channel of its frame; of frames of other channels only the sequence number counts."""
_CONTROLS = {
    Control.CAPTURE_STARTED: Kind.STARTED,
    Control.CAPTURE_STOPPED: Kind.STOPPED,
    Control.CONNECTION_OPENED: Kind.OPENED,
    Control.CONNECTION_CONTINUED: Kind.CONTINUED,
    Control.CONNECTION_CLOSED: Kind.CLOSED,
}
_REASONS = {reason.label: int(reason) for reason in GapReason}
_EMPTY_FRAME = Frame("", "", 0)
_decode_frame = msgspec.json.Decoder(Frame).decode
_decode_wrapped = msgspec.json.Decoder(ArchiveLine).decode
_decode_recorder = msgspec.json.Decoder(_RecorderLine).decode


def detect_layout(lines: Sequence[bytes]) -> Layout:
    """Detect the wrapping from a file's first lines; undecidable lines count as bare frames."""
    for line in lines:
        try:
            keys = msgspec.json.decode(line, type=dict[str, msgspec.Raw]).keys()
        except (msgspec.DecodeError, ValueError, RecursionError):
            continue
        if "receive_time_ns" in keys:
            return Layout.WRAPPED
        if "t" in keys and "channel" not in keys:
            return Layout.RECORDER
        return Layout.BARE
    return Layout.BARE


def frame_text(line: bytes, layout: Layout) -> str | None:
    """The frame that a line holds, as the exchange sent it; None for lines without a frame."""
    if layout is Layout.BARE:
        return line.decode(errors="replace")
    try:
        if layout is Layout.RECORDER:
            recorded = _decode_recorder(line)
            return recorded.data if recorded.t == "recv" else None
        wrapped = _decode_wrapped(line)
    except msgspec.DecodeError:
        return None  # a line torn by a killed recorder
    if wrapped.frame_base64 is not None:
        return base64.b64decode(wrapped.frame_base64).decode(errors="replace")
    return wrapped.frame


@dataclass(slots=True)
class _Decoded:
    """A partly decoded batch: the kind of each line, and its frame (an empty one if there is none)."""

    kind: NDArray[np.int16]
    reason: NDArray[np.int16]
    connection: NDArray[np.int64]
    receive: NDArray[np.int64]
    frames: list[Frame]


class FrameDecoder:
    """Turns lines into `FrameColumns`; keeps only the numbering of connections.

    Parameters
    ----------
    products : the wanted products; tickers of others are rejected as `unknown_product`.
    max_line_bytes : longer lines are rejected unread.
    channels : kind of a row by the channel of its frame; rows of other channels are `Kind.OTHER`.
    """

    def __init__(self, products: Sequence[str], max_line_bytes: int, channels: Mapping[str, Kind] = CHANNELS) -> None:
        self.products = tuple(products)
        self.max_line_bytes = max_line_bytes
        self._channels = channels
        self._product_number = {product_id: number for number, product_id in enumerate(products)}
        self._connection_number: dict[str, int] = {}

    def connection(self, connection_id: str) -> int:
        """The number of a connection id in this process."""
        return self._connection_number.setdefault(connection_id, len(self._connection_number))

    def connection_id(self, number: int) -> str:
        """The connection id of a number; connections of one bare file are `file:NAME`, `file:NAME#2` and so on."""
        generation, plain = divmod(number, GENERATION)
        name = next(name for name, known in self._connection_number.items() if known == plain)
        return f"{name}#{generation + 1}" if generation else name

    def decode(
        self, lines: list[bytes], layout: Layout, *, source: int = 0, first_line: int = 1, bare_connection: str = ""
    ) -> FrameColumns:
        """Decode lines of one file; `bare_connection` names the connection if the lines name none."""
        decoded = self._decode_lines(lines, layout, bare_connection)
        frames, kind, reason = decoded.frames, decoded.kind, decoded.reason
        tickers = self._tickers(frames, kind)
        times = _parse_times([frame.timestamp for frame in frames])
        bad_time = (kind <= Kind.OTHER) & (times < 0)
        if bad_time.any():
            kind[bad_time], reason[bad_time] = Kind.REJECTED, Reject.BAD_TIMESTAMP
        times = np.maximum(times, 0)
        tick_begin, rejected = settle(kind, reason, tickers)
        return FrameColumns(
            kind=kind,
            reason=reason,
            connection=decoded.connection,
            sequence_num=np.array([frame.sequence_num for frame in frames], np.int64),
            event_time_ns=times,
            receive_time_ns=np.where(decoded.receive < 0, times, decoded.receive),
            source=np.full(len(lines), source, np.int64),
            line_number=np.arange(first_line, first_line + len(lines), dtype=np.int64),
            tick_begin=tick_begin,
            lines=lines,
            rejected_tickers=rejected,
            simulated=_says_simulated(frames, kind),
            product=tickers.product,
            bid=tickers.bid,
            ask=tickers.ask,
            bid_quantity=tickers.bid_quantity,
            ask_quantity=tickers.ask_quantity,
        )

    def _decode_lines(self, lines: list[bytes], layout: Layout, bare_connection: str) -> _Decoded:
        """Decode all lines at once if all hold good frames, else line by line, which finds the others."""
        try:
            if layout is not Layout.RECORDER and max(map(len, lines), default=0) <= self.max_line_bytes:
                return self._decode_frames(lines, layout, bare_connection)
        except (msgspec.DecodeError, ValueError, RecursionError, _NotPlain):
            pass
        rows = [self._decode_line(line, layout, bare_connection) for line in lines]
        number = self.connection
        return _Decoded(
            kind=np.array([row[0] for row in rows], np.int16),
            reason=np.array([row[1] for row in rows], np.int16),
            connection=np.array([-1 if row[2] is None else number(row[2]) for row in rows], np.int64),
            receive=np.array([row[3] for row in rows], np.int64),
            frames=[row[4] for row in rows],
        )

    def _decode_frames(self, lines: list[bytes], layout: Layout, bare_connection: str) -> _Decoded:
        """Decode lines that are all frames; anything else among them raises."""
        count = len(lines)
        if layout is Layout.WRAPPED:
            wrapped = list(map(_decode_wrapped, lines))
            texts = [line.frame for line in wrapped if line.frame is not None and line.control is None]
            ids = [line.connection_id for line in wrapped if line.connection_id is not None]
            receive = np.array([_in_range(line.receive_time_ns) for line in wrapped], np.int64)
            if not len(texts) == len(ids) == count:
                raise _NotPlain
            frames = list(map(_decode_frame, texts))
            connection = np.array([self.connection(name) for name in ids], np.int64)
        else:
            frames = list(map(_decode_frame, lines))
            receive = np.full(count, -1, np.int64)
            connection = np.full(count, self.connection(bare_connection), np.int64)
        sequence = [frame.sequence_num for frame in frames]
        _in_range(min(sequence, default=0))
        _in_range(max(sequence, default=0))
        return _Decoded(self._kinds(frames), np.zeros(count, np.int16), connection, receive, frames)

    def _decode_line(
        self, line: bytes, layout: Layout, bare_connection: str
    ) -> tuple[int, int, str | None, int, Frame]:
        connection_id: str | None = bare_connection
        receive = -1
        text: bytes | str = line
        try:
            if len(line) > self.max_line_bytes:
                return Kind.REJECTED, Reject.TOO_LONG, None, -1, _EMPTY_FRAME
            if layout is Layout.WRAPPED:
                wrapped = _decode_wrapped(line)
                connection_id, receive = wrapped.connection_id, wrapped.receive_time_ns
                capture_wide = wrapped.control in (Control.CAPTURE_STARTED, Control.CAPTURE_STOPPED)
                if not 0 <= receive < MAX_SEQUENCE or (connection_id is None and not capture_wide):
                    return Kind.REJECTED, Reject.BAD_FIELD, None, -1, _EMPTY_FRAME
                if wrapped.control is not None:
                    reason = _REASONS.get(wrapped.reason or "", int(GapReason.RECONNECT))
                    return _CONTROLS[wrapped.control], reason, connection_id, receive, _EMPTY_FRAME
                if wrapped.frame_base64 is not None:
                    text = base64.b64decode(wrapped.frame_base64, validate=True)
                else:
                    text = wrapped.frame or ""
            elif layout is Layout.RECORDER:
                recorded = _decode_recorder(line)
                if recorded.t != "recv":
                    return Kind.NOTE, 0, None, -1, _EMPTY_FRAME
                connection_id, text = recorded.conn, recorded.data
            frame = _decode_frame(text)
            if not 0 <= frame.sequence_num < MAX_SEQUENCE:
                return Kind.REJECTED, Reject.BAD_FIELD, connection_id, receive, _EMPTY_FRAME
            return self._channels.get(frame.channel, Kind.OTHER), 0, connection_id, receive, frame
        except msgspec.ValidationError:
            reject = Reject.BAD_FIELD
        except RecursionError:
            reject = Reject.TOO_DEEP
        except (msgspec.DecodeError, ValueError):
            reject = Reject.NOT_JSON if _is_utf8(text) else Reject.NOT_UTF8
        return Kind.REJECTED, reject, connection_id, receive, _EMPTY_FRAME

    def _kinds(self, frames: list[Frame]) -> NDArray[np.int16]:
        names = [frame.channel for frame in frames]
        if names and names.count(names[0]) == len(names):
            return np.full(len(names), self._channels.get(names[0], Kind.OTHER), np.int16)
        return np.array([self._channels.get(name, Kind.OTHER) for name in names], np.int16)

    def _tickers(self, frames: list[Frame], kind: NDArray[np.int16]) -> Tickers:
        rows = np.flatnonzero(kind == Kind.TICKER)
        wanted = frames if len(rows) == len(frames) else [frames[row] for row in rows]
        return take_tickers([frame.events for frame in wanted], rows, self._product_number)


class _NotPlain(Exception):
    """Not every line of a batch is a plain frame."""


def _in_range(number: int) -> int:
    if not 0 <= number < MAX_SEQUENCE:
        raise _NotPlain
    return number


def _parse_times(texts: list[str]) -> NDArray[np.int64]:
    joined = "\n".join(texts).encode()
    times = np.full(len(texts), -1, np.int64)
    if not texts:
        return times
    if joined.count(b"\n") != len(texts) - 1:  # some text holds a line feed, which no timestamp does
        texts = ["" if "\n" in text else text for text in texts]
        joined = "\n".join(texts).encode()
    parse_timestamps(np.frombuffer(joined, np.uint8), times)
    return times


def _is_utf8(text: bytes | str) -> bool:
    if isinstance(text, str):
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _says_simulated(frames: list[Frame], kind: NDArray[np.int16]) -> bool:
    return any(event.simulated for row in np.flatnonzero(kind == Kind.HEARTBEAT) for event in frames[row].events)
