"""Train, validation and test by time, without leakage between them: purge and embargo.

A row at t looks back to t - lookback and its label ahead to t + horizon. With cuts c1 < c2, train rows have
t + horizon <= c1; validation rows t - lookback >= c1 and t + horizon <= c2; test rows t - lookback >= c2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import NotEnoughData
from tickvol.core.times import NS_PER_S
from tickvol.volatility.schema.feature_table import FeatureTable

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """Masks of rows, each (n,) bool, disjoint; rows in none of them are untrainable, purged or under embargo.

    Attributes
    ----------
    train_end_ns, validation_end_ns : the two cuts.
    purged : trainable rows that were dropped because their label or look-back crosses a cut.
    """

    train: NDArray[np.bool_]
    validation: NDArray[np.bool_]
    test: NDArray[np.bool_]
    train_end_ns: int
    validation_end_ns: int
    purged: int

    def parts(self) -> dict[str, NDArray[np.bool_]]:
        """The masks by name, in time order."""
        return {name: getattr(self, name) for name in PARTS}


def split_by_time(
    table: FeatureTable, trainable: NDArray[np.bool_], *, horizon_s: int, train_share: float, validation_share: float
) -> Split:
    """Cut where the given shares of the trainable rows of all products are reached; purge and embargo as above.

    Raises
    ------
    NotEnoughData
        Without any trainable row.
    """
    times = np.sort(table.bar_end_ns[trainable])
    if len(times) == 0:
        raise NotEnoughData(
            f"none of {len(table)} rows is trainable: a label needs {horizon_s} s without a gap after 15 minutes "
            "that are mostly known; record longer stretches"
        )
    train_end_ns, validation_end_ns = (
        int(times[min(int(len(times) * share), len(times) - 1)])
        for share in (train_share, train_share + validation_share)
    )
    opens_ns = table.bar_end_ns - table.spec.lookback_s * NS_PER_S
    closes_ns = table.bar_end_ns + horizon_s * NS_PER_S
    train = trainable & (closes_ns <= train_end_ns)
    validation = trainable & (opens_ns >= train_end_ns) & (closes_ns <= validation_end_ns)
    test = trainable & (opens_ns >= validation_end_ns)
    kept = int(train.sum() + validation.sum() + test.sum())
    return Split(train, validation, test, train_end_ns, validation_end_ns, len(times) - kept)


def require_positives(
    split: Split, positive: NDArray[np.bool_], min_positives: int, parts: Sequence[str] = PARTS
) -> None:
    """Check that each of the splits holds enough spikes, and as many calm rows.

    Raises
    ------
    NotEnoughData
        With the counts of each split.
    """
    counts = {name: (int(positive[split.parts()[name]].sum()), int(split.parts()[name].sum())) for name in parts}
    if any(min(spikes, rows - spikes) < min_positives for spikes, rows in counts.values()):
        found = ", ".join(f"{name} {spikes} spikes in {rows} rows" for name, (spikes, rows) in counts.items())
        raise NotEnoughData(
            f"labels.min_positives: each split needs at least {min_positives} spikes and {min_positives} calm rows, "
            f"found {found} ({split.purged} trainable rows lost at the cuts); record more, or lower it"
        )
