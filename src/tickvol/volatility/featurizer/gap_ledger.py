"""The gap ledger: gap records of many products as interruptions, with their effects on the features."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tickvol.core.records import Gap
from tickvol.core.times import NS_PER_S
from tickvol.volatility.schema.feature_spec import FeatureSpec


@dataclass(slots=True)
class Interruption:
    """One gap, with the products it made unknown.

    Attributes
    ----------
    until_ns : end of the gap for each product: after a reconnection, the product's own first tick.
    first_missing, last_missing : the sequence numbers that were lost, if known.
    rows, missing_bars : dataset rows with a window that overlaps the gap, and how many of these have no `mid`; None
        without a dataset.
    """

    from_ns: int
    reason: str
    first_missing: int | None
    last_missing: int | None
    until_ns: dict[str, int] = field(default_factory=dict)
    rows: int | None = None
    missing_bars: int | None = None

    @property
    def end_ns(self) -> int:
        """End of the gap for the product that was unknown longest."""
        return max(self.until_ns.values())

    @property
    def missing(self) -> int | None:
        """Number of sequence numbers known to be lost."""
        if self.first_missing is None or self.last_missing is None:
            return None
        return self.last_missing - self.first_missing + 1


class GapLedger:
    """Collects gap records, each once however often it was sent, and the time span covered by each product."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str, int | None, int | None], Interruption] = {}
        self._span: dict[str, tuple[int, int]] = {}

    def saw(self, product_id: str, from_ns: int, to_ns: int) -> None:
        """Note that records of a product exist between these event times."""
        first, last = self._span.get(product_id, (from_ns, to_ns))
        self._span[product_id] = min(first, from_ns), max(last, to_ns)

    def add(self, gap: Gap) -> None:
        """Add a gap record."""
        key = (gap.from_time_ns, gap.reason, gap.first_missing, gap.last_missing)
        entry = self._found.setdefault(key, Interruption(*key))
        entry.until_ns[gap.product_id] = max(gap.to_time_ns, entry.until_ns.get(gap.product_id, 0))
        entry.until_ns = dict(sorted(entry.until_ns.items()))

    def interruptions(self, *, min_s: float = 0.0) -> list[Interruption]:
        """All interruptions of at least `min_s`, in time order."""
        chosen = [gap for gap in self._found.values() if gap.end_ns - gap.from_ns >= min_s * NS_PER_S]
        return sorted(chosen, key=lambda gap: (gap.from_ns, gap.end_ns, gap.reason, gap.first_missing or -1))

    def spans(self) -> dict[str, tuple[int, int]]:
        """First and last event time of each product."""
        return dict(sorted(self._span.items()))


def unknown_ns(interruptions: Iterable[Interruption], product_id: str) -> int:
    """Time that a product was unknown; overlapping gaps count once.

    >>> gaps = [Interruption(0, "jump", 1, 1, {"A": 10}), Interruption(5, "silence", None, None, {"A": 20})]
    >>> unknown_ns(gaps, "A")
    20
    """
    total, reached = 0, None
    stretches = sorted((gap.from_ns, gap.until_ns[product_id]) for gap in interruptions if product_id in gap.until_ns)
    for start, end in stretches:
        if reached is not None:
            start = max(start, reached)
        total += max(0, end - start)
        reached = end if reached is None else max(reached, end)
    return total


@dataclass(frozen=True, slots=True)
class BarsOf:
    """A product's rows: bar number of each, ascending, and whether it is missing; both (n,)."""

    bar: NDArray[np.int64]
    missing: NDArray[np.bool_]


def touched(gap: Interruption, bars: Mapping[str, BarsOf], spec: FeatureSpec) -> tuple[int, int]:
    """Number of rows with a window that overlaps the gap, and of missing bars among them.

    A gap touches the bars from its first instant to its last; a row's longest window holds its own bar and those
    before it, so rows up to one longest window after the last touched bar are affected.
    """
    rows = missing = 0
    for product_id, until_ns in gap.until_ns.items():
        if product_id in bars:
            own = bars[product_id]
            last = until_ns // spec.bar_ns + spec.bars(spec.longest_window_s) - 1
            begin = np.searchsorted(own.bar, gap.from_ns // spec.bar_ns, side="left")
            end = np.searchsorted(own.bar, last, side="right")
            rows += int(end - begin)
            missing += int(np.count_nonzero(own.missing[begin:end]))
    return rows, missing
