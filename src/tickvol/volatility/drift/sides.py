"""The two sides of a drift report: reference rows, and current rows compared with them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import NotEnoughData, UsageError
from tickvol.core.times import NS_PER_S
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.feature_table import FeatureTable

HOUR_NS = 3600 * NS_PER_S
_HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class DriftSides:
    """Reference and current rows; `how` describes the comparison in words."""

    how: str
    reference: FeatureTable
    current: FeatureTable


def between(table: FeatureTable, from_ns: int | None, to_ns: int | None) -> FeatureTable:
    """Rows with `from_ns <= bar_end_ns < to_ns`; None leaves that end open."""
    kept = np.ones(len(table), bool)
    if from_ns is not None:
        kept &= table.bar_end_ns >= from_ns
    if to_ns is not None:
        kept &= table.bar_end_ns < to_ns
    return table.take(kept)


def early_against_late(table: FeatureTable) -> DriftSides:
    """The first half of the rows in time against the second, all products split at the same instant.

    Rows within one look-back after the split are left out, because their windows reach into the first half.

    Raises
    ------
    NotEnoughData
        When either half would be empty.
    """
    if len(table) == 0:
        raise NotEnoughData("drift: no rows; make some by `tickvol replay`")
    split_ns = int(np.sort(table.bar_end_ns)[len(table) // 2])
    late_from_ns = split_ns + table.spec.lookback_s * NS_PER_S
    early, late = between(table, None, split_ns), between(table, late_from_ns, None)
    if len(early) == 0 or len(late) == 0:
        raise NotEnoughData(
            f"drift: {len(table)} rows are too few for two halves that lie one look-back "
            f"({table.spec.lookback_s} s) apart; take more rows or name both sides"
        )
    return DriftSides("first half of the rows by time against the second, one look-back apart", early, late)


def two_stretches(
    table: FeatureTable,
    *,
    reference_from: int | None = None,
    reference_to: int | None = None,
    current_from: int | None = None,
    current_to: int | None = None,
) -> DriftSides:
    """Rows of two time stretches, each including its start and excluding its end (ns); None leaves an end open.

    Raises
    ------
    UsageError
        When the stretches overlap: a row cannot drift from itself.
    NotEnoughData
        When either holds no row.
    """
    reference, current = between(table, reference_from, reference_to), between(table, current_from, current_to)
    if len(reference) == 0 or len(current) == 0:
        raise NotEnoughData(f"drift: the reference side holds {len(reference)} rows, the current one {len(current)}")
    if np.isin(reference.bar_end_ns, current.bar_end_ns).any():
        raise UsageError("--reference-to, --current-from: the sides overlap; name both so that they do not")
    return DriftSides("two stretches of time", reference, current)


def recent_against_earlier(table: FeatureTable, *, recent_s: int, reference_days: int) -> DriftSides:
    """The newest `recent_s` of the rows against the same hours of the UTC day on earlier days.

    The reference ends one look-back before the recent rows begin and reaches back `reference_days`.

    Raises
    ------
    NotEnoughData
        When the earlier days hold no row of these hours.
    """
    if len(table) == 0:
        raise NotEnoughData("drift: no rows; make some by `tickvol replay`")
    recent_from = int(table.bar_end_ns.max()) + 1 - recent_s * NS_PER_S
    reference_to = recent_from - table.spec.lookback_s * NS_PER_S
    reference = between(table, recent_from - reference_days * _HOURS_A_DAY * HOUR_NS, reference_to)
    sides = DriftSides(
        f"the newest {recent_s / 3600:g} hours against up to {reference_days} days before them",
        reference,
        between(table, recent_from, None),
    )
    return same_hours_only(sides)


def train_against_test(table: FeatureTable, bundle: Bundle) -> DriftSides:
    """Train rows of a bundle against its test rows, from the dataset that it was trained on.

    Raises
    ------
    NotEnoughData
        When the table holds no row of either.
    """
    split = bundle.manifest.split
    test_from_ns = split.validation_end_ns + table.spec.lookback_s * NS_PER_S
    train = between(table, split.first_ns, split.train_end_ns + 1)
    test = between(table, test_from_ns, split.last_ns + 1)
    if len(train) == 0 or len(test) == 0:
        raise NotEnoughData(
            f"--compare-train-test: {len(train)} rows of the dataset lie in the train split of {bundle.name}, "
            f"{len(test)} in its test split; give the dataset that it was trained on"
        )
    return DriftSides(f"train split of {bundle.name} against its test split", train, test)


def same_hours_only(sides: DriftSides) -> DriftSides:
    """Restrict the reference to the hours of the UTC day that the current side holds; markets have a daily rhythm.

    Raises
    ------
    NotEnoughData
        When the reference holds no such hour.
    """
    hours = np.unique(_hour_of_day(sides.current))
    kept = np.isin(_hour_of_day(sides.reference), hours)
    if not kept.any():
        listed = ", ".join(f"{hour:02d}" for hour in hours)
        raise NotEnoughData(f"drift: the reference holds no row in the current side's hours (UTC): {listed}")
    return DriftSides(f"{sides.how}, same hours of the UTC day", sides.reference.take(kept), sides.current)


def _hour_of_day(table: FeatureTable) -> NDArray[np.int64]:
    return table.bar_end_ns // HOUR_NS % _HOURS_A_DAY


def thinned(table: FeatureTable, max_rows: int) -> FeatureTable:
    """At most `max_rows` rows, evenly spaced; the selection is deterministic."""
    if len(table) <= max_rows:
        return table
    return table.take(np.linspace(0, len(table) - 1, max_rows).astype(np.intp))
