"""Scorable rows, decided by their past alone."""

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelKind, LabelSpec

LONG_COVERAGE = 0.8
"""Required known share of the next longer window; the longest window is almost never free of gaps."""


def coverage_windows(spec: FeatureSpec) -> tuple[int, int]:
    """The window that must be fully known (the reference) and the next longer one, most of which must be known.

    >>> coverage_windows(FeatureSpec())
    (60, 300)
    """
    longer = [window_s for window_s in spec.windows_s if window_s > spec.reference_window_s]
    return spec.reference_window_s, longer[0] if longer else spec.reference_window_s


def scorable(table: FeatureTable, label: LabelSpec | None = None) -> NDArray[np.bool_]:
    """(n,) bool, True where enough of the row's past is known to score it.

    The reference window is fully known (`coverage_60 == 1`) and the next longer one at least by `LONG_COVERAGE`
    (`coverage_300 >= 0.8`). With a relative `label` the typical volatility must be known and positive too: otherwise
    there is nothing to compare the future with.
    """
    full_s, long_s = coverage_windows(table.spec)
    enough: NDArray[np.bool_] = (table.column(f"coverage_{full_s}") >= 1.0) & (
        table.column(f"coverage_{long_s}") >= LONG_COVERAGE
    )
    if label is not None and label.kind is LabelKind.RELATIVE:
        enough &= table.column("typical_vol") > 0
    return enough


def unscorable_reasons(table: FeatureTable, label: LabelSpec | None = None) -> list[str | None]:
    """(n,) None where `scorable`, else the missing condition in words, with the value and the rule."""
    full_s, long_s = coverage_windows(table.spec)
    full, long = table.column(f"coverage_{full_s}"), table.column(f"coverage_{long_s}")
    typical = table.column("typical_vol")
    reasons: list[str | None] = [None] * len(table)
    for row in np.flatnonzero(~scorable(table, label)):
        if not full[row] >= 1.0:
            reasons[row] = f"coverage_{full_s} is {full[row]:.3f}, must be 1: the last {full_s} s are not fully known"
        elif not long[row] >= LONG_COVERAGE:
            reasons[row] = f"coverage_{long_s} is {long[row]:.3f}, must be at least {LONG_COVERAGE}"
        else:
            reasons[row] = f"typical_vol is {typical[row]:g}, must be known and positive: nothing to compare with"
    return reasons
