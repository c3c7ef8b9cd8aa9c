"""Check for an implausibly high PR-AUC."""

from collections.abc import Sequence

from tickvol.core.times import NS_PER_S
from tickvol.volatility.evaluation.events import find_events
from tickvol.volatility.leakcheck.result import CheckResult
from tickvol.volatility.leakcheck.rules import LeakRules
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.training import Prepared

NAME = "pr_auc"


def check_pr_auc(prepared: Prepared, bundles: Sequence[Bundle], rules: LeakRules) -> CheckResult:
    """Check that no detector exceeds `max_pr_auc` on validation or test, whatever the cause.

    A split with fewer than `min_events` events does not count: neighbouring rows are spikes together, so one or two
    runs of them can be ranked first by chance (seen on a synthetic market of three hours).
    """
    events = {part: _events(prepared, part) for part in ("validation", "test")}
    found = {
        f"{bundle.name} on {part}": float(figures["pr_auc"])
        for bundle in bundles
        for part, figures in bundle.manifest.metrics.items()
        if figures["pr_auc"] is not None and events[part] >= rules.min_events
    }
    if not found:
        counted = ", ".join(f"{part} {count}" for part, count in events.items())
        reason = f"events: {counted}; at least {rules.min_events} are needed for a PR-AUC to say anything"
        return CheckResult(name=NAME, passed=None, reason=reason, figures={"events": events})
    where = max(found, key=lambda key: found[key])
    figures = {"highest": found[where], "of": where, "limit": rules.max_pr_auc, "events": events}
    above = [f"{key} has {value:.4f}" for key, value in found.items() if value > rules.max_pr_auc]
    if above:
        reason = f"{', '.join(above)}: above {rules.max_pr_auc}, look for features that know the label"
        return CheckResult(name=NAME, passed=False, reason=reason, figures=figures)
    reason = f"the highest is {found[where]:.4f} ({where}), the limit {rules.max_pr_auc}"
    return CheckResult(name=NAME, passed=True, reason=reason, figures=figures)


def _events(prepared: Prepared, part: str) -> int:
    rows, table = prepared.split.parts()[part], prepared.table
    horizon_ns = prepared.label.horizon_s * NS_PER_S
    return len(find_events(table.product[rows], table.bar_end_ns[rows], prepared.positive[rows], horizon_ns))
