"""Records of the log as columns: the tracker's output and the engine's input."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


class RecordKind(enum.IntEnum):
    """The three kinds of record."""

    TICK = 0
    HEARTBEAT = 1
    GAP = 2


@dataclass(frozen=True, slots=True)
class RecordColumns:
    """Records in log order.

    Attributes
    ----------
    kind : (n,) int16, `RecordKind`.
    product : (n,) int32, index into the products that producer and consumer agreed on.
    connection : (n,) int64, equal for equal connections of one process.
    sequence_num : (n,) int64; for a gap the first missing number, -1 if unknown.
    event_time_ns : (n,) int64; for a gap its start.
    until_ns : (n,) int64; for a gap its end (inclusive), else 0.
    bid, ask : (n,) float64, quote currency; NaN except for ticks.
    bid_quantity, ask_quantity : (n,) float64, base currency; NaN if the exchange sent none.
    origin : (n,) int64, the row of the input that the record stems from.
    """

    kind: NDArray[np.int16]
    product: NDArray[np.int32]
    connection: NDArray[np.int64]
    sequence_num: NDArray[np.int64]
    event_time_ns: NDArray[np.int64]
    until_ns: NDArray[np.int64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]
    bid_quantity: NDArray[np.float64]
    ask_quantity: NDArray[np.float64]
    origin: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, rows: NDArray[np.intp]) -> "RecordColumns":
        """The records at the given indices, in their order."""
        return RecordColumns(**{column.name: getattr(self, column.name)[rows] for column in fields(self)})

    @classmethod
    def join(cls, parts: Sequence["RecordColumns"]) -> "RecordColumns":
        """Concatenate parts; needs at least one."""
        return cls(
            **{column.name: np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(cls)}
        )
