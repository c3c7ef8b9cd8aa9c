"""Frames to columns: decode lines of an archive or a recording, check every field, keep what is rejected and why.

The exchange's ticker frame (https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels)::

    {"channel":"ticker","client_id":"","timestamp":"2026-04-04T21:13:43.291084825Z","sequence_num":0,
     "events":[{"type":"snapshot","tickers":[{"type":"ticker","product_id":"BTC-USD","price":"67223.5","best_bid":"67223.49",
     "best_ask":"67223.5","best_bid_quantity":"0.56309243","best_ask_quantity":"0.25094364", ...}]}]}
"""

import base64
import enum
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.records import GapReason
from tickvol.ingest.archive_lines import ArchiveLine, Control
from tickvol.ingest.text_kernels import BAD, SLOW, parse_decimals, parse_timestamps

MAX_PRICE = 1e12
MAX_QUANTITY = 1e15
MAX_SEQUENCE = 2**62


class Kind(enum.IntEnum):
    """What a row of `FrameColumns` is."""

    TICKER = 0
    HEARTBEAT = 1
    OTHER = 2
    REJECTED = 3
    OPENED = 4
    CONTINUED = 5
    CLOSED = 6
    STARTED = 7
    STOPPED = 8
    NOTE = 9
    """A line of a recording that is neither frame nor control, such as a header."""


class Reject(enum.IntEnum):
    """Why a frame, a ticker or a record is not used."""

    NONE = 0
    NOT_JSON = 1
    NOT_UTF8 = 2
    TOO_LONG = 3
    TOO_DEEP = 4
    BAD_FIELD = 5
    BAD_TIMESTAMP = 6
    BAD_NUMBER = 7
    PRICE_OUT_OF_RANGE = 8
    QUANTITY_OUT_OF_RANGE = 9
    CROSSED_QUOTES = 10
    UNKNOWN_PRODUCT = 11
    TORN_LINE = 12
    UNCONFIRMED_TIME = 13
    LATE = 14
    UNREADABLE = 15

    @property
    def label(self) -> str:
        """The reason as summaries and dead letters spell it."""
        return self.name.lower()


class _Ticker(msgspec.Struct, gc=False):
    product_id: str
    price: str
    best_bid: str
    best_ask: str
    best_bid_quantity: str | None = ""
    best_ask_quantity: str | None = ""


class _Event(msgspec.Struct, gc=False):
    tickers: list[_Ticker] = []
    simulated: bool = False


class Frame(msgspec.Struct, gc=False):
    """The parts of an exchange frame that matter here."""

    channel: str
    timestamp: str
    sequence_num: int
    events: list[_Event] = []


class _RecorderLine(msgspec.Struct, gc=False):
    t: str
    ts: float = 0.0
    conn: str = ""
    data: str = ""


class Layout(enum.Enum):
    """How a file wraps its frames."""

    BARE = "bare"
    WRAPPED = "wrapped"
    RECORDER = "recorder"


_KINDS = {"ticker": Kind.TICKER, "heartbeats": Kind.HEARTBEAT}
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


@dataclass(slots=True)
class FrameColumns:
    """Lines in log order as columns; row i owns the tickers `tick_begin[i]:tick_begin[i + 1]`.

    Attributes
    ----------
    kind, reason : (n,) int16, `Kind`; `Reject` of a rejected row or `GapReason` of a closed connection.
    connection : (n,) int64, number of the connection id; -1 for none.
    sequence_num, event_time_ns, receive_time_ns : (n,) int64.
    source, line_number : (n,) int64, which file, and which line of it (from 1).
    tick_begin : (n + 1,) int64.
    product : (m,) int32; bid, ask, bid_quantity, ask_quantity : (m,) float64, NaN for a quantity that was not sent.
    lines : n lines as they were read.
    """

    kind: NDArray[np.int16]
    reason: NDArray[np.int16]
    connection: NDArray[np.int64]
    sequence_num: NDArray[np.int64]
    event_time_ns: NDArray[np.int64]
    receive_time_ns: NDArray[np.int64]
    source: NDArray[np.int64]
    line_number: NDArray[np.int64]
    tick_begin: NDArray[np.int64]
    product: NDArray[np.int32]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    bid_quantity: NDArray[np.float64]
    ask_quantity: NDArray[np.float64]
    lines: list[bytes]
    rejected_tickers: list[tuple[int, int]]
    """(row, Reject) of each ticker that was left out of a frame whose other tickers are good."""
    simulated: bool = False

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, begin: int, end: int) -> "FrameColumns":
        """The rows [begin, end) as views."""
        first, last = self.tick_begin[begin], self.tick_begin[end]
        cut = {name: getattr(self, name)[begin:end] for name in _ROW_COLUMNS}
        cut |= {name: getattr(self, name)[first:last] for name in _TICK_COLUMNS}
        rejected = [(row - begin, reason) for row, reason in self.rejected_tickers if begin <= row < end]
        return FrameColumns(
            **cut,
            tick_begin=self.tick_begin[begin : end + 1] - first,
            rejected_tickers=rejected,
            simulated=self.simulated,
        )

    def pick(self, rows: Sequence[int]) -> "FrameColumns":
        """Single rows, copied; their `rejected_tickers` were told already and are left behind."""
        parts = [self.rows(row, row + 1) for row in rows]
        for part in parts:
            part.rejected_tickers.clear()
        return concatenate(parts)


_TICK_COLUMNS = ("product", "bid", "ask", "bid_quantity", "ask_quantity")
_ROW_COLUMNS = tuple(
    field.name
    for field in fields(FrameColumns)
    if field.name not in (*_TICK_COLUMNS, "tick_begin", "rejected_tickers", "simulated")
)


def concatenate(parts: Sequence[FrameColumns]) -> FrameColumns:
    """Rows of all parts, one part after the other; one part at least."""
    if len(parts) == 1:
        return parts[0]
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ROW_COLUMNS if name != "lines"}
    joined |= {name: np.concatenate([getattr(part, name) for part in parts]) for name in _TICK_COLUMNS}
    counts = [np.diff(part.tick_begin) for part in parts]
    starts = np.cumsum([0] + [len(part) for part in parts])
    return FrameColumns(
        **joined,
        lines=list(chain.from_iterable(part.lines for part in parts)),
        tick_begin=np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64),
        rejected_tickers=[
            (int(start) + row, reason)
            for start, part in zip(starts, parts, strict=False)
            for row, reason in part.rejected_tickers
        ],
        simulated=any(part.simulated for part in parts),
    )


def detect_layout(lines: Sequence[bytes]) -> Layout:
    """How the first lines of a file are wrapped; what cannot be told is taken for bare frames."""
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


@dataclass(slots=True)
class _Decoded:
    """A batch on the way to columns: what each line is, and its frame (an empty one where there is none)."""

    kind: NDArray[np.int16]
    reason: NDArray[np.int16]
    connection: NDArray[np.int64]
    receive: NDArray[np.int64]
    frames: list[Frame]


class FrameDecoder:
    """Turns lines into `FrameColumns`; keeps only the numbering of connections.

    Parameters
    ----------
    products : the products that are wanted; tickers of others are rejected as `unknown_product`.
    max_line_bytes : longer lines are rejected unread.
    """

    def __init__(self, products: Sequence[str], max_line_bytes: int) -> None:
        self.products = tuple(products)
        self.max_line_bytes = max_line_bytes
        self._product_number = {product_id: number for number, product_id in enumerate(products)}
        self._connection_number: dict[str, int] = {}

    def connection(self, connection_id: str) -> int:
        """The number that stands for a connection id in this process."""
        return self._connection_number.setdefault(connection_id, len(self._connection_number))

    def connection_id(self, number: int) -> str:
        """The id behind a number."""
        return next(name for name, known in self._connection_number.items() if known == number)

    def decode(
        self, lines: list[bytes], layout: Layout, *, source: int = 0, first_line: int = 1, bare_connection: str = ""
    ) -> FrameColumns:
        """Decode lines of one file; `bare_connection` names the connection where the lines name none."""
        decoded = self._decode_lines(lines, layout, bare_connection)
        frames, kind, reason = decoded.frames, decoded.kind, decoded.reason
        tickers = self._tickers(frames, kind)
        times = _parse_times([frame.timestamp for frame in frames])
        bad_time = (kind <= Kind.OTHER) & (times < 0)
        if bad_time.any():
            kind[bad_time], reason[bad_time] = Kind.REJECTED, Reject.BAD_TIMESTAMP
        times = np.maximum(times, 0)
        tick_begin, rejected = _settle(kind, reason, tickers)
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
        """All lines at once where all hold good frames, else line by line, which finds the others."""
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
        """Lines that are all frames; anything else among them raises."""
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
        return _Decoded(_kinds(frames), np.zeros(count, np.int16), connection, receive, frames)

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
            return _KINDS.get(frame.channel, Kind.OTHER), 0, connection_id, receive, frame
        except msgspec.ValidationError:
            reject = Reject.BAD_FIELD
        except RecursionError:
            reject = Reject.TOO_DEEP
        except (msgspec.DecodeError, ValueError):
            reject = Reject.NOT_JSON if _is_utf8(text) else Reject.NOT_UTF8
        return Kind.REJECTED, reject, connection_id, receive, _EMPTY_FRAME

    def _tickers(self, frames: list[Frame], kind: NDArray[np.int16]) -> "_Tickers":
        count = len(frames)
        rows = np.flatnonzero(kind == Kind.TICKER)
        wanted = frames if len(rows) == count else [frames[row] for row in rows]
        events = [frame.events for frame in wanted]
        lists = [event.tickers for event in chain.from_iterable(events)]
        flat = list(chain.from_iterable(lists))
        one_each = list(map(len, events)).count(1) == len(rows) and list(map(len, lists)).count(1) == len(rows)
        if not one_each:
            rows = np.repeat(rows, [sum(len(event.tickers) for event in frame.events) for frame in wanted])
        find = self._product_number.get
        product = np.array([find(ticker.product_id, -1) for ticker in flat], np.int32)
        texts = [ticker.price for ticker in flat]
        texts += [ticker.best_bid for ticker in flat]
        texts += [ticker.best_ask for ticker in flat]
        quantities = [ticker.best_bid_quantity for ticker in flat]
        quantities += [ticker.best_ask_quantity for ticker in flat]
        texts += [text or "" for text in quantities] if None in quantities else quantities  # type: ignore[arg-type]
        numbers, bad = _parse_numbers(texts)
        return _Tickers(rows, product, numbers.reshape(5, -1), bad.reshape(5, -1))


class _NotPlain(Exception):
    """Not every line of a batch is a plain frame."""


def _in_range(number: int) -> int:
    if not 0 <= number < MAX_SEQUENCE:
        raise _NotPlain
    return number


def _kinds(frames: list[Frame]) -> NDArray[np.int16]:
    channels = [frame.channel for frame in frames]
    if channels.count("ticker") == len(channels):
        return np.full(len(channels), Kind.TICKER, np.int16)
    return np.array([_KINDS.get(channel, Kind.OTHER) for channel in channels], np.int16)


def _settle(
    kind: NDArray[np.int16], reason: NDArray[np.int16], tickers: "_Tickers"
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


class _Tickers:
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
        """Give each ticker the first rule that it breaks."""
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
        """Drop the tickers that do not hold."""
        if not good.all():
            for name in _TICK_COLUMNS:
                setattr(self, name, getattr(self, name)[good])


def _parse_times(texts: list[str]) -> NDArray[np.int64]:
    joined = "\n".join(texts).encode()
    times = np.full(len(texts), -1, np.int64)
    if not texts:
        return times
    if joined.count(b"\n") != len(texts) - 1:  # some text holds a line feed itself: no timestamp does
        texts = ["" if "\n" in text else text for text in texts]
        joined = "\n".join(texts).encode()
    parse_timestamps(np.frombuffer(joined, np.uint8), times)
    return times


def _parse_numbers(texts: list[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
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
