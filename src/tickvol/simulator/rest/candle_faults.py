"""Faults of the candles in an answer: their order, their values, their fields."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import cast

from tickvol.simulator.rest.faults import Fault

Row = dict[str, float]
"""time (integer s), low, high, open, close, volume, in this order."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Length of a candle in s, window (both ends inclusive), clock in s, and the true rows of any window."""

    granularity_s: int
    window_s: tuple[int, int]
    now_s: float
    rows: Callable[[tuple[int, int]], list[Row]]


RowFault = Callable[[list[Row], Asked, Fault], list[Row]]
"""Takes rows, newest first, and returns others."""
ShapeFault = Callable[[object, Fault], object]
"""Takes an answer before it is encoded (Advanced Trade: object of texts, Exchange: arrays of numbers)."""


def _shuffled(rows: list[Row], asked: Asked, fault: Fault) -> list[Row]:
    return Random(len(rows)).sample(rows, len(rows))


def _duplicates(rows: list[Row], asked: Asked, fault: Fault) -> list[Row]:
    return [copy for number, row in enumerate(rows) for copy in [row] * (2 if number % 3 == 0 else 1)]


def _duplicates_differ(rows: list[Row], asked: Asked, fault: Fault) -> list[Row]:
    return [copy for row in rows for copy in (row, row | {"close": row["low"]})]


def _outside_window(rows: list[Row], asked: Asked, fault: Fault) -> list[Row]:
    margin_s = 3 * asked.granularity_s
    return asked.rows((asked.window_s[0] - margin_s, asked.window_s[1] + margin_s))


def _one(edit: Callable[[Row, Asked], list[Row]]) -> RowFault:
    """A fault of one row: that with the index of the fault, or the middle one."""

    def edited(rows: list[Row], asked: Asked, fault: Fault) -> list[Row]:
        at = len(rows) // 2 if fault.row is None else fault.row
        return [new for number, row in enumerate(rows) for new in (edit(row, asked) if number == at else [row])]

    return edited


def _set(**values: float) -> RowFault:
    return _one(lambda row, asked: [row | values])


def _future(row: Row, asked: Asked) -> list[Row]:
    newest_s = int(asked.now_s) // asked.granularity_s * asked.granularity_s
    return [row, row | {"time": newest_s + 30 * asked.granularity_s}]


ROW_FAULTS: Mapping[str, tuple[str, RowFault]] = {
    "empty": ("no rows", lambda rows, asked, fault: []),
    "oldest-first": ("oldest row first", lambda rows, asked, fault: rows[::-1]),
    "shuffled": ("rows in no order", _shuffled),
    "duplicates": ("every third row twice", _duplicates),
    "duplicates-differ": ("every row twice, the second time with the low as close", _duplicates_differ),
    "outside-window": ("three true rows more at either end of the window", _outside_window),
    "missing": ("one row is missing", _one(lambda row, asked: [])),
    "nan": ("the close of one row is NaN", _set(close=float("nan"))),
    "infinity": ("the close of one row is infinite", _set(close=float("inf"))),
    "negative": ("the close of one row is negative", _one(lambda row, asked: [row | {"close": -row["close"]}])),
    "zero": ("the close of one row is 0", _set(close=0.0)),
    "huge": ("the close of one row is 1e308", _set(close=1e308)),
    "high-below-low": (
        "high and low of one row are swapped",
        _one(lambda row, asked: [row | {"low": row["high"], "high": row["low"]}]),
    ),
    "ms-times": (
        "all times are in ms",
        lambda rows, asked, fault: [row | {"time": row["time"] * 1000} for row in rows],
    ),
    "misaligned": ("the time of one row is 7 s off", _one(lambda row, asked: [row | {"time": row["time"] + 7}])),
    "future": ("one row more, 30 candles ahead of the clock", _one(_future)),
}


def _rows_of(content: object) -> list[object]:
    rows = content["candles"] if isinstance(content, dict) else content
    return cast("list[object]", rows)


def _with_rows(content: object, rows: list[object] | None) -> object:
    return {"candles": rows} if isinstance(content, dict) else rows


def _new_field(content: object, fault: Fault) -> object:
    def longer(row: object) -> object:
        return row | {"vwap": "1"} if isinstance(row, dict) else [*cast("list[object]", row), 1]

    return _with_rows(content, [longer(row) for row in _rows_of(content)])


def _missing_field(content: object, fault: Fault) -> object:
    def without_volume(row: object) -> object:
        if isinstance(row, dict):
            return {name: value for name, value in row.items() if name != "volume"}
        return cast("list[object]", row)[:-1]

    return _with_rows(content, [without_volume(row) for row in _rows_of(content)])


def _renamed_field(content: object, fault: Fault) -> object:
    def renamed(row: object) -> object:
        if isinstance(row, dict):
            return {("closing" if name == "close" else name): value for name, value in row.items()}
        time, *values = cast("list[object]", row)
        return dict(zip(("time", "low", "high", "open", "closing", "volume"), (time, *values), strict=False))

    return _with_rows(content, [renamed(row) for row in _rows_of(content)])


def _retyped_field(content: object, fault: Fault) -> object:
    def retyped(row: object) -> object:
        if isinstance(row, dict):
            return row | {"close": {"value": row["close"]}}
        values = list(cast("list[object]", row))
        return [*values[:4], {"value": values[4]}, *values[5:]]

    return _with_rows(content, [retyped(row) for row in _rows_of(content)])


def _swapped_types(content: object, fault: Fault) -> object:
    def swapped(row: object) -> object:
        if isinstance(row, dict):
            return {name: int(value) if name == "start" else float(value) for name, value in row.items()}
        return [repr(value) for value in cast("list[object]", row)]

    return _with_rows(content, [swapped(row) for row in _rows_of(content)])


SHAPE_FAULTS: Mapping[str, tuple[str, ShapeFault]] = {
    "new-field": ("rows with a further field", _new_field),
    "missing-field": ("rows without the volume", _missing_field),
    "renamed-field": ("close is called closing; Exchange sends objects instead of arrays", _renamed_field),
    "retyped-field": ("close is an object", _retyped_field),
    "swapped-types": ("numbers where the API sends text, and the reverse", _swapped_types),
    "null-candles": ("null instead of the list", lambda content, fault: _with_rows(content, None)),
}
