"""Counters of a scorer; they add up."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tickvol.bus.loop_counts import LoopCounts


@dataclass(slots=True)
class ScorerCounts(LoopCounts):
    """Rows by prediction and outcome; only committed work counts.

    Attributes
    ----------
    rows : by product.
    signals : CALM, WATCH, ALERT or unscorable; as many as rows.
    outcomes : spike, calm or unknown.
    rejected : messages that are not feature rows, by reason; each is a dead-letter record.
    graded, ungraded : outcomes of predictions that were made in time, and others by reason (late, unscorable, unknown).
    spikes, probability, squared_error : sums over the graded predictions: spikes, probabilities, and
        (probability - spike)^2.
    delay_s : by product, time of the newest prediction minus receive time of the record that closed its bar.
    """

    rows: Counter[str] = field(default_factory=Counter)
    signals: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    graded: int = 0
    ungraded: Counter[str] = field(default_factory=Counter)
    spikes: int = 0
    probability: float = 0.0
    squared_error: float = 0.0
    delay_s: dict[str, float] = field(default_factory=dict)

    def add(self, other: "ScorerCounts") -> None:
        """Add another's counts of rows and outcomes."""
        for name in ("rows", "signals", "outcomes", "rejected", "ungraded"):
            getattr(self, name).update(getattr(other, name))
        for name in ("graded", "spikes", "probability", "squared_error"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.delay_s = {**self.delay_s, **other.delay_s}

    def summary(self) -> Sequence[str]:
        """Counts that add up, one line each."""
        rejected, grades = self.rejected.total(), f"{self.graded} graded, {self.ungraded.total()} not"
        return [
            f"rows        {self.rows.total()}{_by_name(self.rows)} + {rejected} rejected{_by_name(self.rejected)}",
            f"predictions {self.signals.total()}{_by_name(self.signals)}",
            f"outcomes    {self.outcomes.total()}{_by_name(self.outcomes)}; {grades}{_by_name(self.ungraded)}",
            self.about_commits(),
        ]


def _by_name(counter: Counter[str]) -> str:
    return f" ({', '.join(f'{name} {count}' for name, count in sorted(counter.items()))})" if counter else ""
