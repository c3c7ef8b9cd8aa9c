"""The evaluation report as one document; `docs/evaluation.md` explains each key."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from tickvol.core.errors import NotEnoughData
from tickvol.core.times import iso
from tickvol.volatility.evaluation.judge import JudgingRules, judge
from tickvol.volatility.evaluation.selection import Selection, select
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.feature_table import FeatureTable, table_fingerprint

SCHEMA_VERSION = 2
"""Incremented whenever a key of the document changes its name or meaning."""

SIMULATED_WARNING = "simulated market: these figures say nothing about real markets"


def evaluation_report(
    table: FeatureTable, bundles: Sequence[Bundle], rules: JudgingRules, *, config_hash: str, tickvol_version: str
) -> tuple[dict[str, Any], Selection]:
    """Evaluate bundles on the rows that none of them was trained on.

    Returns
    -------
    tuple
        The document, plain JSON values, and the rows and probabilities behind it, for figures.

    Raises
    ------
    NotEnoughData
        When no row is left to evaluate; the message gives the reasons.
    SuspectedLeak
        As `judge`.
    UsageError, SchemaMismatch
        As `select`.
    """
    selection = select(table, bundles)
    if len(selection.rows) == 0:
        raise NotEnoughData(
            f"no row to judge: {in_words(selection.counts)}; give features of days that nobody trained on"
        )
    judgement = judge(selection.rows, selection.detectors, rules)
    for name, figures in judgement["detectors"].items():
        figures |= _provenance(selection.bundles[name])
    fingerprint = table_fingerprint(table)
    manifest = bundles[0].manifest
    same_data = fingerprint == manifest.provenance.data_fingerprint
    simulated = table.simulated or any(bundle.simulated for bundle in bundles)
    document = {
        "schema_version": SCHEMA_VERSION,
        "tickvol_version": tickvol_version,
        "config_hash": config_hash,
        "simulated": simulated,
        "warning": SIMULATED_WARNING if simulated else None,
        "features": {
            "fingerprint": fingerprint,
            "spec_fingerprint": table.spec.fingerprint(),
            "schema_version": table.schema_version,
        },
        "label": label_document(bundles[0]),
        "rules": asdict(rules),
        "regimes": {"boundaries": manifest.regime_boundaries and list(manifest.regime_boundaries)},
        "rows": {"scope": "test split" if same_data else "unseen rows", **span_document(selection), **selection.counts},
        **judgement,
        "verdicts": {
            name: figures["verdict"] for name, figures in judgement["detectors"].items() if not figures["baseline"]
        },
    }
    return document, selection


def label_document(bundle: Bundle) -> dict[str, Any]:
    """Label and thresholds of a bundle."""
    about: dict[str, Any] = msgspec.to_builtins(bundle.manifest.label)
    return about | {"thresholds": msgspec.to_builtins(bundle.manifest.spike_thresholds)}


def span_document(selection: Selection) -> dict[str, Any]:
    """First and last evaluated row; None without any."""
    times = selection.rows.bar_end_ns
    if len(times) == 0:
        return {"from": None, "to": None, "from_ns": None, "to_ns": None}
    first, last = int(times.min()), int(times.max())
    return {"from": iso(first), "to": iso(last), "from_ns": first, "to_ns": last}


def in_words(counts: dict[str, int]) -> str:
    """Reasons why rows are not evaluated, in words.

    >>> in_words({"table": 9, "trained_on": 5, "not_scorable": 3, "label_unknown": 1, "not_scored": 0, "judged": 0})
    '9 rows, of them 5 trained on, 3 not scorable, 1 label unknown, 0 not scored, 0 judged'
    """
    parts = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if name != "table"]
    return f"{counts['table']} rows, of them {', '.join(parts)}"


def _provenance(bundle: Bundle) -> dict[str, str]:
    made = bundle.manifest.provenance
    return {
        "bundle_hash": bundle.version,
        "bundle_config_hash": made.config_hash,
        "bundle_data_fingerprint": made.data_fingerprint,
    }
