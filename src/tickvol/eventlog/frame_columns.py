"""Lines of the log as columns: the kind of each line, its origin, and the tickers that it holds."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import chain

import numpy as np
from numpy.typing import NDArray


class Kind(enum.IntEnum):
    """Kind of a row of `FrameColumns`."""

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
    """Reason why a frame, a ticker or a record is rejected."""

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
    NULL_VALUE = 16
    WRONG_KEY = 17
    WRONG_PARTITION = 18

    @property
    def label(self) -> str:
        """The reason as summaries and dead-letter records spell it."""
        return self.name.lower()


@dataclass(slots=True)
class FrameColumns:
    """Lines in log order as columns; row i owns the tickers `tick_begin[i]:tick_begin[i + 1]`.

    Attributes
    ----------
    kind, reason : (n,) int16, `Kind`; `Reject` of a rejected row or `GapReason` of a closed connection.
    connection : (n,) int64, number of the connection id; -1 for none.
    sequence_num, event_time_ns, receive_time_ns : (n,) int64.
    source, line_number : (n,) int64, index of the file, and number of the line in it (from 1).
    tick_begin : (n + 1,) int64.
    product : (m,) int32; bid, ask, bid_quantity, ask_quantity : (m,) float64, NaN for a quantity that was not sent.
    lines : n lines as read.
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
    """(row, Reject) of each ticker that was dropped from a frame whose other tickers are good."""
    simulated: bool = False

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self, begin: int, end: int) -> "FrameColumns":
        """The rows [begin, end) as views."""
        first, last = self.tick_begin[begin], self.tick_begin[end]
        cut = {name: getattr(self, name)[begin:end] for name in _ROW_COLUMNS}
        cut |= {name: getattr(self, name)[first:last] for name in TICK_COLUMNS}
        rejected = [(row - begin, reason) for row, reason in self.rejected_tickers if begin <= row < end]
        return FrameColumns(
            **cut,
            tick_begin=self.tick_begin[begin : end + 1] - first,
            rejected_tickers=rejected,
            simulated=self.simulated,
        )

    def pick(self, rows: Sequence[int]) -> "FrameColumns":
        """Single rows, copied, without their `rejected_tickers`, which were reported already."""
        parts = [self.rows(row, row + 1) for row in rows]
        for part in parts:
            part.rejected_tickers.clear()
        return concatenate(parts)


TICK_COLUMNS = ("product", "bid", "ask", "bid_quantity", "ask_quantity")
_ROW_COLUMNS = tuple(
    field.name
    for field in fields(FrameColumns)
    if field.name not in (*TICK_COLUMNS, "tick_begin", "rejected_tickers", "simulated")
)


def concatenate(parts: Sequence[FrameColumns]) -> FrameColumns:
    """Rows of all parts, one part after the other; needs at least one part."""
    if len(parts) == 1:
        return parts[0]
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ROW_COLUMNS if name != "lines"}
    joined |= {name: np.concatenate([getattr(part, name) for part in parts]) for name in TICK_COLUMNS}
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


def control_row(kind: Kind, reason: int, connection: int, source: int, line_number: int, time_ns: int) -> FrameColumns:
    """A single row that stands for no line of a file."""
    return FrameColumns(
        kind=np.array([kind], np.int16),
        reason=np.array([reason], np.int16),
        connection=np.array([connection], np.int64),
        sequence_num=np.zeros(1, np.int64),
        event_time_ns=np.zeros(1, np.int64),
        receive_time_ns=np.array([time_ns], np.int64),
        source=np.array([source], np.int64),
        line_number=np.array([line_number], np.int64),
        tick_begin=np.zeros(2, np.int64),
        product=np.zeros(0, np.int32),
        bid=np.zeros(0),
        ask=np.zeros(0),
        bid_quantity=np.zeros(0),
        ask_quantity=np.zeros(0),
        lines=[b""],
        rejected_tickers=[],
    )
