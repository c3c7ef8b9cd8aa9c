"""Training: labels, splits, every detector, its calibration and thresholds, into bundles that can be compared."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tickvol.core.feature_table import FeatureTable
from tickvol.core.labels import LabelKind, LabelSpec
from tickvol.labels.future import future_vol
from tickvol.labels.spikes import (
    SpikeThresholds,
    fit_thresholds,
    horizon_scale,
    label_values,
    row_thresholds,
    spikes,
    trainable,
)
from tickvol.models.baselines import BASELINES
from tickvol.models.boosted import fit_boosted
from tickvol.models.bundle import Bundle, needed_features
from tickvol.models.calibration import Calibrator, fit_calibration
from tickvol.models.detector import Detector
from tickvol.models.evaluation.metrics import at_threshold, calibration, ranking
from tickvol.models.evaluation.regimes import tercile_boundaries
from tickvol.models.fitting import Sample
from tickvol.models.inputs import InputMatrix
from tickvol.models.logistic import fit_logistic
from tickvol.models.manifest import BUNDLE_VERSION, Manifest, Provenance, SplitRecord
from tickvol.models.splits import Split, require_positives, split_by_time
from tickvol.models.thresholds import choose_thresholds
from tickvol.models.training_spec import ModelType, TrainingSpec

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A dataset with its labels and splits, ready for any detector; arrays have a place for each row of `table`.

    Attributes
    ----------
    label_values : float64, NaN where the future is not fully known.
    positive : bool, spikes.
    sample : what detectors are fitted on.
    """

    table: FeatureTable
    label: LabelSpec
    thresholds: SpikeThresholds
    label_values: NDArray[np.float64]
    positive: NDArray[np.bool_]
    split: Split
    sample: Sample


def prepare(table: FeatureTable, label: LabelSpec, training: TrainingSpec) -> Prepared:
    """Label the rows, cut time, fit the label's thresholds on train.

    Raises
    ------
    NotEnoughData
        When a split holds too few spikes or calm rows.
    """
    values = label_values(table, label)
    split = split_by_time(
        table,
        trainable(table, label, values),
        horizon_s=label.horizon_s,
        train_share=training.train_share,
        validation_share=training.validation_share,
    )
    thresholds = fit_thresholds(table, label, values, split.train)
    positive, known = spikes(table, thresholds, values)
    split = _only_known(table, split, known)
    require_positives(split, positive, training.min_positives)
    scale = horizon_scale(table, label.horizon_s)
    relative = label.kind is LabelKind.RELATIVE
    reference = table.column("typical_vol") if relative else row_thresholds(table, thresholds) / scale
    future = future_vol(table, label.horizon_s) / scale
    sample = Sample(values=table.values, reference=reference, future=future, positive=positive)
    return Prepared(
        table=table,
        label=label,
        thresholds=thresholds,
        label_values=values,
        positive=positive,
        split=split,
        sample=sample,
    )


def _only_known(table: FeatureTable, split: Split, known: NDArray[np.bool_]) -> Split:
    strangers = np.unique(table.product[(split.validation | split.test) & ~known])
    for place in strangers:
        _log.warning("%s: no row in the train split, so no threshold and no label", table.products[place])
    return replace(split, validation=split.validation & known, test=split.test & known)


def detector_names(model_type: ModelType) -> tuple[str, ...]:
    """Baselines first, then what was asked for."""
    learned = ("logistic", "xgboost") if model_type == "all" else (model_type,)
    return (*BASELINES, *learned)


def train_detectors(
    prepared: Prepared, training: TrainingSpec, model_type: ModelType, provenance: Provenance
) -> Iterator[Bundle]:
    """One bundle after the other, in the order of `detector_names`; the same arguments give the same bytes."""
    for name in detector_names(model_type):
        yield _bundle(name, _fit(name, prepared, training), prepared, training, provenance)


def _fit(name: str, prepared: Prepared, training: TrainingSpec) -> Detector:
    spec, split = prepared.table.spec, prepared.split
    train = prepared.sample.take(split.train)
    if name == "logistic":
        return fit_logistic(train, spec, training)
    if name == "xgboost":
        return fit_boosted(train, prepared.sample.take(split.validation), spec, training)
    return BASELINES[name](train, spec)


def _bundle(
    name: str, detector: Detector, prepared: Prepared, training: TrainingSpec, provenance: Provenance
) -> Bundle:
    table, split, label = prepared.table, prepared.split, prepared.label
    matrix = InputMatrix(detector.inputs, table.spec)
    margins = {
        part: detector.margin(matrix(prepared.sample.values[rows], prepared.sample.reference[rows]))
        for part, rows in split.parts().items()
        if part != "train"
    }
    seen = prepared.positive[split.validation]
    fitted = fit_calibration(training.calibration, margins["validation"], seen)
    calibrate = Calibrator(fitted)
    decision = choose_thresholds(calibrate(margins["validation"]), seen, training.watch_share)
    metrics = {
        part: _metrics(prepared.positive[split.parts()[part]], margin, calibrate(margin), decision.alert)
        for part, margin in margins.items()
    }
    reference_vol = table.column(f"realized_vol_{table.spec.reference_window_s}")
    manifest = Manifest(
        bundle_version=BUNDLE_VERSION,
        name=name,
        family=detector.family,
        baseline=name in BASELINES,
        feature_schema_version=table.schema_version,
        feature_spec=table.spec,
        features=table.names,
        needed_features=needed_features(detector.inputs, label.kind, table.spec),
        label=label,
        spike_thresholds=prepared.thresholds,
        calibration=fitted,
        decision=decision,
        missing=detector.missing,
        regime_boundaries=tercile_boundaries(reference_vol[split.train]),
        seed=training.seed,
        simulated=table.simulated,
        provenance=provenance,
        split=_split_record(prepared),
        metrics=metrics,
        estimator=detector.params(),
        files={file: hashlib.sha256(content).hexdigest() for file, content in detector.files().items()},
    )
    return Bundle(manifest, detector)


def _metrics(
    positive: NDArray[np.bool_], margin: NDArray[np.float64], probability: NDArray[np.float64], alert: float
) -> dict[str, float | int | None]:
    """Flat figures of one part; `pr_auc` is of the margin, which calibration cannot tie or flatten."""
    figures: dict[str, float | int | None] = {**ranking(positive, margin)}
    judged = at_threshold(positive, probability, alert)
    figures |= {key: judged[key] for key in ("precision", "recall", "f1")}
    fit = calibration(positive, probability)
    return figures | {key: fit[key] for key in ("brier", "log_score", "calibration_error")}


def _split_record(prepared: Prepared) -> SplitRecord:
    table, split = prepared.table, prepared.split
    return SplitRecord(
        first_ns=int(table.bar_end_ns.min()),
        train_end_ns=split.train_end_ns,
        validation_end_ns=split.validation_end_ns,
        last_ns=int(table.bar_end_ns.max()),
        embargo_s=table.spec.lookback_s,
        purged=split.purged,
        rows={name: int(rows.sum()) for name, rows in split.parts().items()},
        spikes={name: int(prepared.positive[rows].sum()) for name, rows in split.parts().items()},
    )


def best_on_validation(bundles: list[Bundle]) -> Bundle:
    """The bundle of the highest PR-AUC on validation; of equal ones the first, so a baseline before a learned model."""

    def pr_auc(bundle: Bundle) -> float:
        value = bundle.manifest.metrics["validation"]["pr_auc"]
        return -1.0 if value is None else float(value)

    return max(bundles, key=pr_auc)
