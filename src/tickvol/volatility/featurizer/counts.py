"""Counters of a featurizer on Kafka; they add up."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tickvol.bus.loop_counts import LoopCounts
from tickvol.core.times import NS_PER_S


@dataclass(slots=True)
class FeaturizerCounts(LoopCounts):
    """Records by category, rows, and progress of the run.

    Only committed work counts. Records still waiting for confirmation are in `records` alone.

    Attributes
    ----------
    rejected, gaps : by reason; rows, known_bars : by product.
    dataset_failures : failed writes of the dataset that were retried.
    highest_event_ns : highest event time by product.
    dataset_current_at : when (on the monotonic clock) all due rows were last on disk, or the start.
    """

    records: int = 0
    ticks: int = 0
    duplicates: int = 0
    late: int = 0
    heartbeats: int = 0
    gaps: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    known_bars: Counter[str] = field(default_factory=Counter)
    dataset_failures: int = 0
    highest_event_ns: dict[str, int] = field(default_factory=dict)
    dataset_current_at: float = field(default_factory=time.monotonic)

    @property
    def waiting(self) -> int:
        """Number of records waiting for confirmation."""
        counted = self.ticks + self.duplicates + self.late + self.heartbeats
        return self.records - counted - self.gaps.total() - self.rejected.total()

    def watermark_delay_s(self, now_ns: int) -> dict[str, float]:
        """Delay of each product's highest event time behind a clock."""
        return {name: (now_ns - time) / NS_PER_S for name, time in self.highest_event_ns.items()}

    def add(self, other: "FeaturizerCounts") -> None:
        """Add another's counts of records and rows."""
        for name in ("records", "ticks", "duplicates", "late", "heartbeats"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("gaps", "rejected", "rows", "known_bars"):
            getattr(self, name).update(getattr(other, name))

    def summary(self, products: Sequence[str]) -> list[str]:
        """Counts that add up, one line each."""
        about_records = (
            f"records     {self.records} = {self.ticks} ticks used + {self.duplicates} duplicates + {self.late} late"
            f" + {self.heartbeats} heartbeats + {self.gaps.total()} gaps{_by_name(self.gaps)}"
            f" + {self.rejected.total()} rejected{_by_name(self.rejected)} + {self.waiting} waiting"
        )
        lines = [about_records]
        for name in products:
            rows, known = self.rows[name], self.known_bars[name]
            share = f"{known / rows:.3f}" if rows else "none"
            lines.append(f"rows        {name}: {rows}, of them with a known bar {known}, coverage {share}")
        return [*lines, self.about_commits()]


def _by_name(counter: Counter[str]) -> str:
    if not counter:
        return ""
    return " (" + ", ".join(f"{name} {count}" for name, count in sorted(counter.items())) + ")"
