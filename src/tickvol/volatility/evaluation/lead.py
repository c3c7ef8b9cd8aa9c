"""The lead of a detector over the best baseline: difference in PR-AUC, its interval, and a verdict."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.evaluation.bootstrap import Interval, percentile_interval

BETTER = "better than baseline"
WORSE = "worse than baseline"
UNDECIDED = "not distinguishable from baseline"
BEST_BASELINE = "best baseline"


def best_baseline(pr_auc: Mapping[str, float | None]) -> str | None:
    """Baseline with the highest PR-AUC on the evaluated rows themselves, the hardest one to beat; None without any.

    >>> best_baseline({"ewma": 0.2, "har": 0.3, "zscore": None})
    'har'
    """
    known = {name: value for name, value in pr_auc.items() if value is not None}
    return max(known, key=lambda name: known[name], default=None)


def verdict(lead: Interval) -> str:
    """Verdict on the lead over the best baseline, from its interval; undecided without an interval.

    >>> verdict(Interval(-0.01, 0.2, 1000)), verdict(Interval(0.01, 0.2, 1000)), verdict(Interval(-0.3, -0.1, 1000))
    ('not distinguishable from baseline', 'better than baseline', 'worse than baseline')
    >>> verdict(Interval(None, None, 0, "3 blocks, at least 20 needed"))
    'not distinguishable from baseline'
    """
    if lead.low is not None and lead.low > 0:
        return BETTER
    if lead.high is not None and lead.high < 0:
        return WORSE
    return UNDECIDED


def lead_interval(
    name: str, yardstick: str | None, resampled: Mapping[str, NDArray[np.float64]], because: str | None
) -> Interval:
    """Middle 95% of the lead over the best baseline, or the reason for none; parameters as in `lead_figures`."""
    if because is not None or yardstick is None:
        return Interval(None, None, 0, because or "no baseline among the detectors")
    if name == yardstick:
        return Interval(None, None, 0, "is the best baseline itself")
    return percentile_interval(resampled[name] - resampled[yardstick])


def lead_figures(
    name: str,
    pr_auc: Mapping[str, float | None],
    yardstick: str | None,
    baselines: Sequence[str],
    resampled: Mapping[str, NDArray[np.float64]],
    because: str | None,
) -> dict[str, Any]:
    """Intervals of PR-AUC and of the lead, and the verdict.

    Parameters
    ----------
    pr_auc : of every detector on all evaluated rows.
    yardstick : name of the best baseline, None without any. baselines : names of all.
    resampled : (samples,) PR-AUC of every detector, paired; not used where `because` gives a reason for no
        interval.
    """
    own = Interval(None, None, 0, because) if because else percentile_interval(resampled[name])
    lead = lead_interval(name, yardstick, resampled, because)
    return {
        "pr_auc_interval": plain(own),
        "lead": _difference(pr_auc[name], pr_auc[yardstick] if yardstick else None),
        "lead_interval": plain(lead),
        "leads": {
            other: {
                "value": _difference(pr_auc[name], pr_auc[other]),
                **plain(
                    Interval(None, None, 0, because)
                    if because
                    else percentile_interval(resampled[name] - resampled[other])
                ),
            }
            for other in baselines
            if other != name
        },
        "verdict": BEST_BASELINE if name == yardstick else verdict(lead),
    }


def _difference(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other


def plain(interval: Interval) -> dict[str, Any]:
    """An interval as plain values."""
    return {"low": interval.low, "high": interval.high, "samples": interval.samples, "reason": interval.reason}
