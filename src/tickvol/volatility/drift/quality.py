"""Ranking quality of a bundle on one side of a drift report: features may drift without harming it."""

import numpy as np

from tickvol.volatility.drift.summary import SideQuality, SideRows
from tickvol.volatility.evaluation.metrics import ranking
from tickvol.volatility.labels.scorable import scorable
from tickvol.volatility.labels.spikes import label_values, spikes
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.feature_table import FeatureTable


def side_rows(table: FeatureTable, bundle: Bundle | None) -> SideRows:
    """Scorable rows of a side and, with a bundle, PR-AUC and prevalence over the rows with a known label.

    Raises
    ------
    SchemaMismatch
        When the bundle reads features of another spec.
    """
    if bundle is None:
        return SideRows(scorable(table))
    manifest = bundle.manifest
    positive, known = spikes(table, manifest.spike_thresholds, label_values(table, manifest.label))
    margin = bundle.score(table)  # NaN where not scorable
    judged = known & np.isfinite(margin)
    figures = ranking(positive[judged], margin[judged])
    return SideRows(
        bundle.scorable(table),
        SideQuality(
            rows=int(judged.sum()),
            positives=int(positive[judged].sum()),
            prevalence=figures["prevalence"],
            pr_auc=figures["pr_auc"],
        ),
    )
