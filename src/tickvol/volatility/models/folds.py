"""Walk-forward folds: each trained on all rows before it, and a final sealed block that none of them touches.

Cuts are placed where given shares of the trainable rows are reached, or at a nearby break in the recording, where they
cost nothing: there the look-back of the first row after the cut starts after the last label before it. Elsewhere rows
whose span crosses a cut are lost to both sides (purge and embargo, as in `splits.py`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import NotEnoughData
from tickvol.core.times import NS_PER_S, exact_iso
from tickvol.volatility.models.fold_rules import FoldRules
from tickvol.volatility.models.splits import Split
from tickvol.volatility.schema.feature_table import FeatureTable

MIN_FOLDS = 2
INNER_TOLERANCE = 0.25
"""A break within this distance (share of a fold's train rows) is used to separate train and validation: in short folds
whole recordings matter more than the exact share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One walk-forward step.

    Attributes
    ----------
    number : 1 is the first.
    inner : earlier rows split into train and validation, on which every choice is made; no test rows.
    outer : train is all earlier rows, test the evaluated rows; no validation rows.
    """

    number: int
    inner: Split
    outer: Split


def walk_forward(
    table: FeatureTable, trainable: NDArray[np.bool_], *, horizon_s: int, rules: FoldRules
) -> tuple[Fold, ...]:
    """The folds before the sealed block.

    Raises
    ------
    NotEnoughData
        When fewer than two distinct cuts remain.
    """
    spans = _Spans.of(table, horizon_s)
    opened = trainable & (spans.closes_ns <= rules.sealed_from_ns)
    wanted = [rules.first_share + (1 - rules.first_share) * step / rules.folds for step in range(rules.folds)]
    cuts = sorted(set(_cuts(spans, opened, wanted, (1 - rules.first_share) / rules.folds / 2)))
    if len(cuts) < MIN_FOLDS:
        raise NotEnoughData(
            f"walk_forward.folds: {rules.folds}: {int(opened.sum())} of {int(trainable.sum())} trainable rows lie "
            f"before the sealed block (sealed_from: {exact_iso(rules.sealed_from_ns)}) and give {len(cuts)} cuts, at "
            f"least {MIN_FOLDS} are needed; record more days, or let the sealed block begin later"
        )
    ends = [*cuts[1:], rules.sealed_from_ns]
    return tuple(
        _fold(number, spans, opened, cut, end, rules)
        for number, (cut, end) in enumerate(zip(cuts, ends, strict=True), start=1)
    )


def sealed_fold(table: FeatureTable, trainable: NDArray[np.bool_], *, horizon_s: int, rules: FoldRules) -> Fold:
    """Fold with all rows before the sealed block as train and the block as test."""
    spans = _Spans.of(table, horizon_s)
    last = int(table.bar_end_ns.max()) + 1 if len(table) else rules.sealed_from_ns
    return _fold(0, spans, trainable, rules.sealed_from_ns, last, rules)


@dataclass(frozen=True, slots=True)
class _Spans:
    """Start of the look-back and end of the label of each row; (n,) int64."""

    bar_end_ns: NDArray[np.int64]
    opens_ns: NDArray[np.int64]
    closes_ns: NDArray[np.int64]

    @classmethod
    def of(cls, table: FeatureTable, horizon_s: int) -> "_Spans":
        opens_ns = table.bar_end_ns - table.spec.lookback_s * NS_PER_S
        return cls(table.bar_end_ns, opens_ns, table.bar_end_ns + horizon_s * NS_PER_S)

    @property
    def reach_ns(self) -> int:
        """Time from the start of a row's look-back to the end of its label."""
        return int(self.closes_ns[0] - self.opens_ns[0])


def _cuts(spans: _Spans, rows: NDArray[np.bool_], shares: list[float], tolerance: float) -> list[int]:
    """Time of each cut: the nearest break in the rows within `tolerance` (a share of them), else the exact share."""
    times = np.sort(spans.bar_end_ns[rows])
    if len(times) == 0:
        return []
    behind = np.flatnonzero(np.diff(times) >= spans.reach_ns) + 1
    lookback_ns = int(spans.bar_end_ns[0] - spans.opens_ns[0])
    found = []
    for share in shares:
        place = min(int(len(times) * share), len(times) - 1)
        near = behind[np.abs(behind - place) <= tolerance * len(times)]
        if len(near):
            found.append(int(times[near[np.argmin(np.abs(near - place))]]) - lookback_ns)
        else:
            found.append(int(times[place]))
    return found


def _fold(number: int, spans: _Spans, rows: NDArray[np.bool_], cut_ns: int, end_ns: int, rules: FoldRules) -> Fold:
    earlier = rows & (spans.closes_ns <= cut_ns)
    test = rows & (spans.opens_ns >= cut_ns) & (spans.bar_end_ns < end_ns)
    none = np.zeros(len(rows), np.bool_)
    inner_cuts = _cuts(spans, earlier, [1 - rules.validation_share], INNER_TOLERANCE) or [cut_ns]
    inner_train = earlier & (spans.closes_ns <= inner_cuts[0])
    inner_validation = earlier & (spans.opens_ns >= inner_cuts[0])
    lost_inside = int(earlier.sum() - inner_train.sum() - inner_validation.sum())
    considered = int((rows & (spans.bar_end_ns < end_ns)).sum())
    return Fold(
        number=number,
        inner=Split(inner_train, inner_validation, none, inner_cuts[0], cut_ns, lost_inside),
        outer=Split(earlier, none, test, cut_ns, cut_ns, considered - int(earlier.sum() + test.sum())),
    )
