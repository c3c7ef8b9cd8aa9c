"""Live performance of the served bundle against the expectation from its calibrated probabilities, from the report.

Only this part of that document (`schema_version` 1) is read; anything else in it is ignored::

    {"schema_version": 1, "clock": "live", "by_bundle": {"<hash>": {...}},
     "as_of_event": {"until_ns": 1775433600000000000,
                     "estimate": {"pr_auc": {"expected": 0.41, "came": 0.21,
                                             "difference": {"low": 0.13, "high": 0.27}}, ...}}}
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tickvol.core.errors import InputError

SCHEMA_VERSION = 1
HIGHER_IS_BETTER = {"pr_auc": True, "brier": False}
"""Metrics that can raise an alarm; precision and recall depend on the alarm's threshold."""


class PerformanceFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One metric over the graded predictions of a time span.

    Attributes
    ----------
    expected, came : expected and actual value on these rows.
    low, high : 95% interval of expected minus actual, paired; null without one.
    until_ns : event time of the newest prediction.
    """

    name: str
    expected: float | None
    came: float | None
    low: float | None
    high: float | None
    until_ns: int

    @property
    def shortfall(self) -> float | None:
        """Significant shortfall against the expectation, as a share of it; None where unknown.

        Above 0 the whole interval is on the bad side.
        """
        if self.low is None or self.high is None or self.expected is None or self.expected <= 0.0:
            return None
        return (self.low if HIGHER_IS_BETTER[self.name] else -self.high) / self.expected


class _Difference(msgspec.Struct, frozen=True):
    low: float | None
    high: float | None


class _Estimate(msgspec.Struct, frozen=True):
    expected: float | None
    came: float | None
    difference: _Difference


class _Part(msgspec.Struct, frozen=True):
    until_ns: int | None
    estimate: dict[str, _Estimate]


class LivePerformance(msgspec.Struct, frozen=True):
    """The part of the report that is read."""

    schema_version: int
    clock: str
    as_of_event: _Part
    by_bundle: Mapping[str, Any]


def read_performance(path: Path) -> LivePerformance | None:
    """The report at `path`; None if there is no file.

    Raises
    ------
    InputError
        When the file is not such a report.
    """
    try:
        report = msgspec.json.decode(path.read_bytes(), type=LivePerformance)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, ValueError) as error:
        raise InputError(f"scoring.report_json: {path}: is no report of live performance: {error}") from None
    if report.schema_version != SCHEMA_VERSION:
        raise InputError(
            f"scoring.report_json: {path}: schema_version {report.schema_version}, this program reads"
            f" {SCHEMA_VERSION}; write the report again"
        )
    return report


def why_not_judged(report: LivePerformance, bundle: str, since_ns: int) -> str | None:
    """Reason why the report says nothing about this bundle on these days; None if it does."""
    others = sorted(set(report.by_bundle) - {bundle})
    if report.clock != "live":
        return f"graded by {report.clock} time, which is no live skill"
    if others or not report.by_bundle:
        names = ", ".join(name[:12] for name in others) or "none"
        return f"predictions of other bundles are in it: {names}; this is {bundle[:12]}"
    if report.as_of_event.until_ns is None or report.as_of_event.until_ns < since_ns:
        return "it ends before the current rows begin"
    return None


def performance_figures(report: LivePerformance) -> list[PerformanceFigure]:
    """Metrics of a report that can raise an alarm, by event time."""
    part = report.as_of_event
    return [
        PerformanceFigure(
            name=name,
            expected=found.expected,
            came=found.came,
            low=found.difference.low,
            high=found.difference.high,
            until_ns=part.until_ns or 0,
        )
        for name in HIGHER_IS_BETTER
        if (found := part.estimate.get(name)) is not None
    ]
