"""Maturing labels: each row's label once its horizon has passed, from rows as they arrive.

A row's outcome is decided by the first row of its product at or after t + horizon, t being the row's `bar_end_ns`; the
value equals the one from `label_values` bit for bit, however the rows are batched. A horizon with a missing bar gives
an outcome, too: unknown, with the reason.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickvol.core.times import NS_PER_S
from tickvol.volatility.labels.future import horizon_bars
from tickvol.volatility.labels.spikes import label_values
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelKind, LabelSpec, Outcome


class Terms(NamedTuple):
    """Label terms of a row: the label, and the value from which it is a spike (NaN: not known)."""

    kind: LabelKind
    horizon_s: int
    threshold: float


class Matured(NamedTuple):
    """A row whose horizon has passed.

    Attributes
    ----------
    bar_end_ns : the row.
    value : compared with the threshold; NaN where it is unknown.
    reason : why the outcome is unknown, else None.
    known_ns : receive time of the last record of the row that decided it; the outcome was not knowable before.
    """

    bar_end_ns: int
    terms: Terms
    value: float
    outcome: Outcome
    reason: str | None
    known_ns: int


class Maturing:
    """Rows of one product whose horizon has not passed; the state is a function of the rows from `since_ns` on.

    Attributes
    ----------
    last_ns : `bar_end_ns` of the newest row; None before the first.
    """

    def __init__(self, spec: FeatureSpec, product_id: str) -> None:
        self.last_ns: int | None = None
        self._spec = spec
        self._product_id = product_id
        self._bar_end_ns = np.zeros(0, np.int64)
        self._closed_by_ns = np.zeros(0, np.int64)
        self._values = np.zeros((0, len(feature_names(spec))))
        self._terms: list[Terms | None] = []

    @property
    def since_ns(self) -> int | None:
        """The earliest row without an outcome; None without any."""
        return int(self._bar_end_ns[0]) if self._terms else None

    def push(
        self,
        bar_end_ns: NDArray[np.int64],
        closed_by_ns: NDArray[np.int64],
        values: NDArray[np.float64],
        terms: Sequence[Terms],
    ) -> list[Matured]:
        """Add the next rows; returns the rows that matured with them, in the order of the rows that decided them.

        Parameters
        ----------
        bar_end_ns, closed_by_ns : (n,) int64, times ascending and beyond `last_ns`.
        values : (n, k) float64, in the order of the schema.
        terms : (n,).
        """
        if not len(bar_end_ns):
            return []
        assert self.last_ns is None or bar_end_ns[0] > self.last_ns
        self.last_ns = int(bar_end_ns[-1])
        self._bar_end_ns = np.concatenate([self._bar_end_ns, bar_end_ns])
        self._closed_by_ns = np.concatenate([self._closed_by_ns, closed_by_ns])
        self._values = np.concatenate([self._values, values])
        self._terms += terms
        found = self._mature()
        self._forget()
        return found

    def _mature(self) -> list[Matured]:
        times, rows = self._bar_end_ns, len(self._terms)
        table = FeatureTable(self._spec, (self._product_id,), np.zeros(rows, np.int32), times, self._values)
        horizon_ns = np.array([0 if terms is None else terms.horizon_s * NS_PER_S for terms in self._terms], np.int64)
        decided_by = np.searchsorted(times, times + horizon_ns, side="left")
        labels: dict[tuple[LabelKind, int], NDArray[np.float64]] = {}
        found = []
        for row in np.lexsort((np.arange(rows), decided_by)).tolist():
            terms, decider = self._terms[row], int(decided_by[row])
            if terms is None or decider == rows:
                continue
            label = (terms.kind, terms.horizon_s)
            if label not in labels:
                labels[label] = label_values(table, LabelSpec(kind=terms.kind, horizon_s=terms.horizon_s))
            found.append(_matured(table, row, terms, float(labels[label][row]), int(self._closed_by_ns[decider])))
            self._terms[row] = None
        return found

    def _forget(self) -> None:
        """Drop rows before the earliest pending one; there is one, as the newest row is always pending."""
        first = next(place for place, terms in enumerate(self._terms) if terms is not None)
        self._bar_end_ns, self._closed_by_ns = self._bar_end_ns[first:], self._closed_by_ns[first:]
        self._values, self._terms = self._values[first:], self._terms[first:]


def _matured(table: FeatureTable, row: int, terms: Terms, value: float, known_ns: int) -> Matured:
    time_ns = int(table.bar_end_ns[row])
    if not (np.isfinite(value) and np.isfinite(terms.threshold)):
        return Matured(time_ns, terms, value, Outcome.UNKNOWN, _unknown_reason(table, row, terms), known_ns)
    outcome = Outcome.SPIKE if value >= terms.threshold else Outcome.CALM
    return Matured(time_ns, terms, value, outcome, None, known_ns)


def _unknown_reason(table: FeatureTable, row: int, terms: Terms) -> str:
    bars = horizon_bars(table, terms.horizon_s)
    end_ns = table.bar_end_ns[row] + terms.horizon_s * NS_PER_S
    ahead = slice(row + 1, int(np.searchsorted(table.bar_end_ns, end_ns, side="right")))
    returns = table.column("bar_log_return")[ahead]
    if len(returns) < bars:
        return f"{bars - len(returns)} of the {bars} bars of the horizon have no row"
    unknown = int(np.isnan(returns).sum())
    if unknown:
        return f"{unknown} of the {bars} bars of the horizon have no known return"
    typical = table.column("typical_vol")[row]
    if terms.kind is LabelKind.RELATIVE and not typical > 0:
        return f"typical_vol is {typical:g}, must be known and positive: nothing to compare with"
    return f"product {table.products[0]}: the bundle has no threshold for it"
