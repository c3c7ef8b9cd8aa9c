"""Versions of metrics: a change is a new row, and old facts keep the row that made them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tickvol.core.errors import UsageError
from tickvol.signals.metrics.language import Metric


@dataclass(frozen=True)
class Diff:
    """Difference between a file and the stored versions.

    `new` has version 1, `changed` one more than the highest stored version of its code; `superseded` holds the stored
    versions that `changed` replaces, in the same order; `absent` holds active metrics that the file does not name: they
    stay as they are, since deactivation is a row with `active: false`.
    """

    new: tuple[Metric, ...]
    changed: tuple[Metric, ...]
    unchanged: tuple[Metric, ...]
    superseded: tuple[Metric, ...]
    absent: tuple[Metric, ...]

    @property
    def to_store(self) -> tuple[Metric, ...]:
        """Rows to add."""
        return self.new + self.changed


def diff(wanted: Sequence[Metric], stored: Iterable[Metric]) -> Diff:
    """Compare a file with the stored versions; only the highest version of each code counts as current.

    A note alone changes nothing. A return to an earlier definition is a new version too.

    Raises
    ------
    UsageError
        If two codes would have one definition afterwards.
    """
    current: dict[str, Metric] = {}
    for metric in stored:
        if metric.code not in current or current[metric.code].version < metric.version:
            current[metric.code] = metric
    new, changed, unchanged, superseded = [], [], [], []
    for metric in wanted:
        before = current.get(metric.code)
        if before is None:
            new.append(replace(metric, version=1))
        elif before.definition_hash == metric.definition_hash:
            unchanged.append(before)
        else:
            changed.append(replace(metric, version=before.version + 1))
            superseded.append(before)
    named = {metric.code for metric in wanted}
    absent = [metric for code, metric in current.items() if code not in named and metric.active]
    _refuse_twins([*new, *changed, *unchanged, *(metric for code, metric in current.items() if code not in named)])
    return Diff(tuple(new), tuple(changed), tuple(unchanged), tuple(superseded), tuple(absent))


def _refuse_twins(after: list[Metric]) -> None:
    codes: dict[str, list[str]] = {}
    for metric in after:
        codes.setdefault(metric.definition_hash, []).append(metric.code)
    problems = [
        f"code: {', '.join(sorted(twins))}: have one definition: keep one code, and deactivate or change the others"
        for twins in codes.values()
        if len(twins) > 1
    ]
    if problems:
        raise UsageError(problems)
