"""Rows of a metrics file become metrics, or all of their problems at once."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tickvol.core.errors import InputError
from tickvol.signals.metrics.language import Direction, Group, Metric, Side, WindowUnit
from tickvol.signals.metrics.row_reader import Row, raise_all, repeated_codes, rows_of

MAX_WINDOW_BARS = 2800
"""Longest window of a condition on prices, which have no memory of their own: the longest memory of an indicator."""
_KEYS = (
    *("code", "symbol", "interval", "anchor", "reference", "direction", "threshold_start", "threshold_end"),
    *("window", "side", "group", "weight", "active", "note"),
)
_PRICE = "price"


@dataclass(frozen=True)
class SeriesType:
    """Series that a metric may name: its unit, the range of its values, and the bars that a value depends on.

    `memory_bars` limits the windows over the series; 0 is a series without memory, such as a price.
    """

    code: str
    unit: str
    lowest: float = -math.inf
    highest: float = math.inf
    memory_bars: int = 0


@dataclass(frozen=True)
class Known:
    """What rows may name: series, intervals with their length in ms, and products (None: any)."""

    series: Mapping[str, SeriesType]
    intervals: Mapping[str, int]
    symbols: Collection[str] | None = None


def parse_metrics(raw: object, known: Known) -> tuple[Metric, ...]:
    """Metrics of a file, all as version 1, in the order of its rows.

    Raises
    ------
    UsageError
        If any rule is broken: one line for each problem, with row, key, value and rule.
    """
    rows, problems = rows_of(raw)
    repeated_codes(rows)
    metrics = [(row, _metric(row, known)) for row in rows]
    _refuse_twins([(row, metric) for row, metric in metrics if metric is not None])
    raise_all(problems)
    return tuple(metric for _, metric in metrics if metric is not None)


def _metric(row: Row, known: Known) -> Metric | None:
    before = len(row.problems)
    row.only(_KEYS)
    code, direction = row.named(), row.one_of("direction", Direction)
    side, group = row.one_of("side", Side), row.one_of("group", Group)
    anchor, reference = _series(row, "anchor", known), _series(row, "reference", known)
    start, end = row.number_in("threshold_start", -math.inf), row.number_in("threshold_end", -math.inf)
    if direction is not None and anchor is not None:
        start = _check_condition(row, direction, anchor, reference, start, end)
    size, unit = _window(row)
    weight = _weight(row, side)
    symbol, interval = _scope(row, known)
    active, note = row.flag("active", True), row.note()
    if anchor is None or direction is None or side is None or group is None or weight is None:
        return None
    metric = Metric(
        *(code, anchor.code, direction, side, group, weight, reference.code if reference else None),
        *(start, end, size, unit, symbol, interval, active),
        note=note,
    )
    if len(row.problems) == before:
        _check_window(row, metric, [anchor] + ([reference] if reference else []), known)
    return metric if len(row.problems) == before else None


def _series(row: Row, key: str, known: Known) -> SeriesType | None:
    code = row.text(key, required=key == "anchor")
    if code is not None and code not in known.series:
        row.refuse(key, code, f"must be a known indicator: {', '.join(sorted(known.series))}")
        return None
    return None if code is None else known.series[code]


def _check_condition(
    row: Row,
    direction: Direction,
    anchor: SeriesType,
    reference: SeriesType | None,
    start: float | None,
    end: float | None,
) -> float | None:
    """Check series and thresholds together; return `threshold_start` with its default written out."""
    if reference is not None and reference.unit != anchor.unit:
        row.refuse("reference", reference.code, f"must have the unit of {anchor.code}: {anchor.unit}")
    if direction.is_reject:
        if reference is not None:
            row.refuse("reference", reference.code, f"{direction} compares with prices: remove it")
        if anchor.unit != _PRICE:
            row.refuse("anchor", anchor.code, f"{direction} needs a level in the unit {_PRICE}, not {anchor.unit}")
    if start is None and row.values.get("threshold_start") is None:
        if direction.is_trend or direction.is_reject or row.values.get("reference") is not None:
            start = 0.0
        else:
            row.refuse("threshold_start", None, f"missing: {direction} without a reference needs it")
    if end is None and direction.takes_end and row.values.get("threshold_end") is None:
        row.refuse("threshold_end", None, f"missing: {direction} needs it")
    if not direction.takes_end and row.values.get("threshold_end") is not None:
        row.refuse("threshold_end", row.values["threshold_end"], f"{direction} takes none: remove it")
    elif start is not None and end is not None and start > end:
        row.refuse("threshold_end", end, f"must not be below threshold_start, {start:g}")
    for key, value in (("threshold_start", start), ("threshold_end", end)):
        if value is not None:
            _check_range(row, key, value, direction, anchor, reference)
    return start


def _check_range(
    row: Row, key: str, value: float, direction: Direction, anchor: SeriesType, reference: SeriesType | None
) -> None:
    lowest, highest, of = anchor.lowest, anchor.highest, anchor.code
    if reference is not None:
        lowest, highest, of = lowest - reference.highest, highest - reference.lowest, f"{of} - {reference.code}"
    if direction.is_trend:
        lowest, highest, of = 0.0, highest - lowest, f"the change of {of}"
    if direction.is_reject:
        lowest, highest, of = 0.0, 1.0, "the tolerance, a fraction of the level"
    if not lowest <= value <= highest:
        row.refuse(key, value, f"must lie in [{lowest:g}, {highest:g}], the range of {of}")


def _window(row: Row) -> tuple[int, WindowUnit]:
    raw = row.values.get("window", "1 BARS")
    parts = raw.split() if isinstance(raw, str) else []
    if len(parts) == 2 and parts[0].isascii() and parts[0].isdigit() and parts[1] in WindowUnit.__members__:
        size = int(parts[0])
        if 1 <= size <= 1_000_000:
            return size, WindowUnit[parts[1]]
    row.refuse("window", raw, "must be a count from 1 and BARS, MINUTES, HOURS or DAYS, as in 2 HOURS")
    return 1, WindowUnit.BARS


def _weight(row: Row, side: Side | None) -> float | None:
    scores = side in (Side.BUY, Side.SELL)
    weight = row.number_in("weight", 0.0, required=scores)
    if side is Side.CONTEXT and weight:
        row.refuse("weight", weight, "must be 0 or absent: CONTEXT never scores")
    return weight if scores or "weight" in row.values else 0.0


def _scope(row: Row, known: Known) -> tuple[str | None, str | None]:
    symbol, interval = row.text("symbol"), row.text("interval")
    if symbol is not None and known.symbols is not None and symbol not in known.symbols:
        row.refuse("symbol", symbol, f"must be a known product: {', '.join(sorted(known.symbols))}")
    if interval is not None and interval not in known.intervals:
        row.refuse("interval", interval, f"must be a known interval: {', '.join(known.intervals)}")
    return symbol, interval


def _check_window(row: Row, metric: Metric, series: list[SeriesType], known: Known) -> None:
    window = f"{metric.window_size} {metric.window_unit}"
    allowed = max(one.memory_bars for one in series) or MAX_WINDOW_BARS
    for interval, length_ms in known.intervals.items():
        if metric.interval not in (None, interval):
            continue
        try:
            bars = metric.window_bars(length_ms)
        except InputError:
            row.refuse("window", window, f"must be a whole number of bars of {interval}")
            continue
        if bars > allowed:
            row.refuse("window", window, f"is {bars} bars of {interval}: must be at most {allowed}, the memory")


def _refuse_twins(metrics: list[tuple[Row, Metric]]) -> None:
    first: dict[str, str] = {}
    for row, metric in metrics:
        known = first.setdefault(metric.definition_hash, metric.code)
        if known != metric.code:
            row.refuse("code", metric.code, f"has the definition of {known}: give each definition one code")
