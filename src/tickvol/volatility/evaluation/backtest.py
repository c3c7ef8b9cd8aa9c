"""Backtest of one bundle on stored features: alarms against spikes, with the bundle's own recorded test metrics."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import UsageError
from tickvol.core.times import NS_PER_S, iso
from tickvol.volatility.evaluation.events import event_metrics, find_alarms, find_events, match
from tickvol.volatility.evaluation.judge import JudgedRows, ScoredDetector
from tickvol.volatility.evaluation.metrics import at_threshold, ranking
from tickvol.volatility.evaluation.report import SIMULATED_WARNING, label_document, span_document
from tickvol.volatility.evaluation.selection import select
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.feature_table import FeatureTable


def backtest(
    table: FeatureTable, bundle: Bundle, threshold: float | None = None, *, alarm_cooldown_s: int = 60
) -> dict[str, Any]:
    """Recompute alarms and compare them with the spikes that followed.

    Parameters
    ----------
    table : rows of the bundle's spec, already restricted to the wanted time range and products.
    threshold : probability at or above which an alarm fires, in [0, 1]; None for the bundle's own.
    alarm_cooldown_s : seconds after an alarm in which no other alarm fires.

    Returns
    -------
    dict
        Plain JSON values. Rows that the bundle was trained on are included and counted: this is a look back, not a
        verdict. `spikes` lists every event with its lead time, None where it was missed.

    Raises
    ------
    UsageError
        When the threshold is not a probability.
    SchemaMismatch
        When the rows do not have the bundle's spec.
    """
    ring_at = bundle.alert_threshold if threshold is None else threshold
    if not 0.0 <= ring_at <= 1.0:
        raise UsageError(f"threshold: {threshold}: must be a probability from 0 to 1")
    selection = select(table, [bundle], unseen_only=False)
    rows, detector = selection.rows, selection.detectors[0]
    rules = _Rules(bundle.manifest.label.horizon_s * NS_PER_S, alarm_cooldown_s * NS_PER_S, ring_at)
    everything = np.ones(len(rows), np.bool_)
    simulated = table.simulated or bundle.simulated
    return {
        "model": bundle.name,
        "model_version": bundle.version,
        "feature_schema_version": bundle.schema_version,
        "simulated": simulated,
        "warning": SIMULATED_WARNING if simulated else None,
        "label": label_document(bundle),
        "threshold": ring_at,
        "alarm_cooldown_s": alarm_cooldown_s,
        "rows": span_document(selection) | selection.counts,
        **_figures(rows, detector, everything, rules),
        "by_product": {
            name: _figures(rows, detector, rows.product == number, rules)
            for number, name in enumerate(rows.products)
            if (rows.product == number).any()
        },
        "spikes": _spikes(rows, detector.probability, rules),
        "bundle_test": bundle.manifest.metrics.get("test"),
    }


class _Rules(NamedTuple):
    horizon_ns: int
    cooldown_ns: int
    threshold: float


def _figures(rows: JudgedRows, detector: ScoredDetector, mask: NDArray[np.bool_], rules: _Rules) -> dict[str, Any]:
    positive, probability = rows.positive[mask], detector.probability[mask]
    return {
        "metrics": ranking(positive, detector.margin[mask]) | at_threshold(positive, probability, rules.threshold),
        "events": event_metrics(
            rows.product[mask],
            rows.bar_end_ns[mask],
            positive,
            probability >= rules.threshold,
            bar_ns=rows.bar_ns,
            horizon_ns=rules.horizon_ns,
            cooldown_ns=rules.cooldown_ns,
        ),
    }


def _spikes(rows: JudgedRows, probability: NDArray[np.float64], rules: _Rules) -> list[dict[str, Any]]:
    events = find_events(rows.product, rows.bar_end_ns, rows.positive, rules.horizon_ns)
    alarms = find_alarms(rows.product, rows.bar_end_ns, probability >= rules.threshold, rules.cooldown_ns)
    lead_ns = match(events, rows.product[alarms], rows.bar_end_ns[alarms], rules.horizon_ns).lead_ns
    return [
        {
            "product_id": rows.products[owner],
            "onset": iso(int(onset)),
            "end": iso(int(end)),
            "lead_time_s": None if np.isnan(lead) else float(lead) / NS_PER_S,
        }
        for owner, onset, end, lead in zip(events.product, events.onset_ns, events.end_ns, lead_ns, strict=True)
    ]
