"""Checks on the log: another future must not change a feature, and the training rows must be the ones the log gives."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tickvol.core.record_columns import RecordColumns, RecordKind
from tickvol.core.times import NS_PER_S
from tickvol.volatility.leakcheck.result import CheckResult
from tickvol.volatility.leakcheck.rules import LeakRules
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable

FUTURE, SERVED = "future_of_the_log", "served_equals_trained"

Compute = Callable[[RecordColumns], FeatureTable]
"""Computes feature rows from records in log order, starting from an empty state."""

_GAP_S, _MOVE = 30, 0.02


def check_future_of_the_log(
    records: RecordColumns, compute: Compute, spec: FeatureSpec, rules: LeakRules
) -> CheckResult:
    """Check that no later record of the log changes a bit of a row whose bar was already closed.

    At `log_cuts` positions of the log all following records are changed in five ways: other prices and quantities,
    another order, every second one dropped, others and gaps added, none at all. A row counts as already closed when a
    record before the cut lies beyond its bar and the grace. The recomputed stretch of the log spans a look-back and the
    longest window before the cut and a look-back after it, so a look-ahead of up to the look-back is detected, at the
    last closed bar as well as at earlier ones, and so is whatever a function takes from the stretch as a whole.

    Parameters
    ----------
    records : the log, or any part of it.
    compute : the engine, or any other function that computes the served rows.
    """
    reach_ns = np.maximum.accumulate(records.event_time_ns) if len(records) else records.event_time_ns
    before_ns = (spec.lookback_s + spec.longest_window_s) * NS_PER_S
    problems, compared, cuts = [], 0, 0
    for number in range(rules.log_cuts):
        cut = (number + 1) * len(records) // (rules.log_cuts + 1)
        if cut == 0:
            continue
        first = int(np.searchsorted(reach_ns, reach_ns[cut - 1] - before_ns))
        last = int(np.searchsorted(reach_ns, reach_ns[cut - 1] + spec.lookback_s * NS_PER_S, side="right"))
        stretch = records.take(np.arange(first, last))
        rows, found = _moved_rows(stretch, cut - first, compute, spec, np.random.default_rng([rules.seed, number]))
        compared, cuts = compared + rows, cuts + (rows > 0)
        problems += found
    figures: dict[str, Any] = {"cuts": cuts, "rows": compared, "moved": len(problems)}
    if not compared:
        return CheckResult(name=FUTURE, passed=None, reason="the log closes no bar before any cut", figures=figures)
    clean = f"{compared} rows before {cuts} cuts keep every bit under five other futures"
    return CheckResult(name=FUTURE, passed=not problems, reason="; ".join(problems[:3]) or clean, figures=figures)


def _moved_rows(
    stretch: RecordColumns, cut: int, compute: Compute, spec: FeatureSpec, random: np.random.Generator
) -> tuple[int, list[str]]:
    """Number of rows that were closed before the cut, and the differences found in them."""
    closed = _closed_until(stretch.take(np.arange(cut)), spec)
    rows = _before(compute(stretch), closed)
    problems = []
    for name, other in _other_futures(stretch, cut, random):
        difference = _difference(rows, _before(compute(other), closed))
        if difference is not None:
            problems.append(f"with {name} after the cut {difference}")
    return len(rows), problems


def _closed_until(past: RecordColumns, spec: FeatureSpec) -> dict[int, int]:
    """End of each product's last bar that holds a record and that the watermark has passed, in ns."""
    closed = {}
    timed = past.kind != RecordKind.GAP
    for product in np.unique(past.product[timed]).tolist():
        times = past.event_time_ns[timed & (past.product == product)]
        ends = (times // spec.bar_ns + 1) * spec.bar_ns
        passed = ends[ends <= times.max() - spec.grace_ns]
        if len(passed):
            closed[product] = int(passed.max())
    return closed


def _before(table: FeatureTable, closed: dict[int, int]) -> FeatureTable:
    limit = np.full(len(table.products), np.iinfo(np.int64).min)
    for product, end_ns in closed.items():
        limit[product] = end_ns
    return table.take(table.bar_end_ns <= limit[table.product])


def _other_futures(
    stretch: RecordColumns, cut: int, random: np.random.Generator
) -> Iterator[tuple[str, RecordColumns]]:
    past, future = stretch.take(np.arange(cut)), stretch.take(np.arange(cut, len(stretch)))
    count = len(future)
    yield "other prices and quantities", RecordColumns.join([past, _repriced(future, random)])
    yield "another order", RecordColumns.join([past, future.take(random.permutation(count))])
    yield "every second record dropped", RecordColumns.join([past, future.take(np.arange(0, count, 2))])
    added = _repriced(replace(future, connection=future.connection + 1_000_000), random)
    gaps = _gaps(future.take(np.arange(0, count, max(count // 5, 1))))
    mixed = RecordColumns.join([future, added, gaps])
    yield (
        "others and gaps added",
        RecordColumns.join([past, mixed.take(np.argsort(mixed.event_time_ns, kind="stable"))]),
    )
    yield "nothing", past


def _repriced(records: RecordColumns, random: np.random.Generator) -> RecordColumns:
    factor = np.exp(random.normal(0.0, _MOVE, len(records)))
    quantities = random.lognormal(0.0, 1.0, (2, len(records)))
    known = np.where(records.kind == RecordKind.TICK, 1.0, np.nan)
    return replace(
        records,
        bid=records.bid * factor,
        ask=records.ask * factor,
        bid_quantity=quantities[0] * known,
        ask_quantity=quantities[1] * known,
    )


def _gaps(records: RecordColumns) -> RecordColumns:
    unknown = np.full(len(records), np.nan)
    return replace(
        records,
        kind=np.full(len(records), RecordKind.GAP, records.kind.dtype),
        sequence_num=np.full(len(records), -1, np.int64),
        until_ns=records.event_time_ns + _GAP_S * NS_PER_S,
        bid=unknown,
        ask=unknown,
        bid_quantity=unknown,
        ask_quantity=unknown,
    )


def _difference(one: FeatureTable, two: FeatureTable) -> str | None:
    """The first row or value that differs, bit by bit; None where all are the same."""
    if len(one) != len(two) or not (one.product == two.product).all() or not (one.bar_end_ns == two.bar_end_ns).all():
        return f"other rows are there ({len(one)} before, {len(two)} now)"
    differ = np.ascontiguousarray(one.values).view(np.uint64) != np.ascontiguousarray(two.values).view(np.uint64)
    if not differ.any():
        return None
    row, column = (int(place[0]) for place in np.nonzero(differ))
    return (
        f"{int(differ.any(axis=1).sum())} of {len(one)} rows differ, first {one.names[column]} of "
        f"{one.products[one.product[row]]} {np.datetime64(int(one.bar_end_ns[row]), 'ns').astype('M8[s]')}: "
        f"{one.values[row, column]:g} and {two.values[row, column]:g}"
    )


def check_served_equals_trained(dataset: FeatureTable, recomputed: FeatureTable) -> CheckResult:
    """Check that the rows of the dataset are, bit for bit, those that the engine now computes from the log.

    The comparison covers, for each product, the time that both cover. Where one starts after the other, rows within a
    look-back of its first one are left out, because they have seen less history than the other's.
    """
    if dataset.spec != recomputed.spec or dataset.products != recomputed.products:
        reason = f"the log gives rows of other windows or products ({', '.join(recomputed.products)})"
        return CheckResult(name=SERVED, passed=False, reason=reason)
    problems, compared = [], 0
    for number, product in enumerate(dataset.products):
        span = _common_span(dataset, recomputed, number)
        one, two = (
            table.take((table.product == number) & (table.bar_end_ns >= span[0]) & (table.bar_end_ns <= span[1]))
            for table in (dataset, recomputed)
        )
        compared += len(one)
        difference = _difference(one, two)
        if difference is not None:
            problems.append(f"{product}: dataset and log differ: {difference}")
    figures = {"rows": compared, "dataset_rows": len(dataset), "problems": len(problems)}
    if not compared and not problems:
        return CheckResult(name=SERVED, passed=None, reason="dataset and log share no row", figures=figures)
    clean = f"{compared} of {len(dataset)} rows come out of the log bit by bit"
    return CheckResult(name=SERVED, passed=not problems, reason="; ".join(problems) or clean, figures=figures)


def _common_span(dataset: FeatureTable, recomputed: FeatureTable, number: int) -> tuple[int, int]:
    """First and last bar end (ns) that both must hold; an empty span where one holds none."""
    times = [table.bar_end_ns[table.product == number] for table in (dataset, recomputed)]
    if any(len(of) == 0 for of in times):
        return 1, 0
    first = max(int(of[0]) for of in times)
    if times[1][0] != times[0][0]:
        first += dataset.spec.lookback_s * NS_PER_S
    return first, min(int(of[-1]) for of in times)
