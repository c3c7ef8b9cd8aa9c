"""Training: labels, splits, every detector with its calibration and thresholds, and comparable bundles."""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.evaluation.metrics import at_threshold, calibration, ranking
from tickvol.volatility.evaluation.regimes import tercile_boundaries
from tickvol.volatility.labels.future import future_vol, horizon_bars
from tickvol.volatility.labels.spikes import (
    SpikeThresholds,
    fit_thresholds,
    horizon_scale,
    label_values,
    row_thresholds,
    spikes,
    trainable,
)
from tickvol.volatility.models.average import AverageDetector
from tickvol.volatility.models.baselines import BASELINES
from tickvol.volatility.models.bundle import Bundle, needed_features
from tickvol.volatility.models.calibration import Calibration, Calibrator, fit_calibration
from tickvol.volatility.models.candidates import AVERAGE, MEMBERS, FitRows, detector_names, fit_detector
from tickvol.volatility.models.detector import Detector
from tickvol.volatility.models.fitting import Sample
from tickvol.volatility.models.inputs import InputMatrix
from tickvol.volatility.models.manifest import BUNDLE_VERSION, Manifest, Provenance, SplitRecord
from tickvol.volatility.models.splits import Split, require_positives, split_by_time
from tickvol.volatility.models.thresholds import DecisionThresholds, choose_thresholds
from tickvol.volatility.models.training_spec import ModelType, TrainingSpec
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelKind, LabelSpec

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A dataset with its labels and splits, ready for any detector; arrays have one element per row of `table`.

    Attributes
    ----------
    label_values : float64, NaN where the future is not fully known.
    positive : bool, True for a spike.
    sample : rows that detectors are fitted on.
    """

    table: FeatureTable
    label: LabelSpec
    thresholds: SpikeThresholds
    label_values: NDArray[np.float64]
    positive: NDArray[np.bool_]
    split: Split
    sample: Sample


def prepare(table: FeatureTable, label: LabelSpec, training: TrainingSpec) -> Prepared:
    """Label the rows, split them by time, and fit the label's thresholds on train.

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
    prepared = prepare_split(table, label, values, split)
    require_positives(prepared.split, prepared.positive, training.min_positives)
    return prepared


def prepare_split(table: FeatureTable, label: LabelSpec, values: NDArray[np.float64], split: Split) -> Prepared:
    """Fit the label's thresholds on a split's train part and label all rows; `values` are their `label_values`."""
    thresholds = fit_thresholds(table, label, values, split.train)
    positive, known = spikes(table, thresholds, values)
    scale = horizon_scale(table, label.horizon_s)
    relative = label.kind is LabelKind.RELATIVE
    reference = table.column("typical_vol") if relative else row_thresholds(table, thresholds) / scale
    sample = Sample(
        values=table.values,
        reference=reference,
        future=future_vol(table, label.horizon_s) / scale,
        positive=positive,
        bar_end_ns=table.bar_end_ns,
        bar_ns=table.spec.bar_ns,
        overlap=horizon_bars(table, label.horizon_s),
    )
    return Prepared(
        table=table,
        label=label,
        thresholds=thresholds,
        label_values=values,
        positive=positive,
        split=_only_known(table, split, known),
        sample=sample,
    )


def _only_known(table: FeatureTable, split: Split, known: NDArray[np.bool_]) -> Split:
    strangers = np.unique(table.product[(split.validation | split.test) & ~known])
    for place in strangers:
        _log.warning("%s: no row in the train split, so no threshold and no label", table.products[place])
    return replace(split, validation=split.validation & known, test=split.test & known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A detector fitted on train, with its calibration and thresholds from validation.

    Attributes
    ----------
    calibration, decision : fitted on validation.
    validation : metrics on validation.
    spike_log_odds : (m,) float64, log-odds of the validation spikes, on which the detector was not fitted.
    """

    name: str
    detector: Detector
    calibration: Calibration
    decision: DecisionThresholds
    validation: dict[str, float | int | None]
    spike_log_odds: NDArray[np.float64]


def fit_candidates(prepared: Prepared, training: TrainingSpec, names: Sequence[str]) -> Iterator[Fitted]:
    """Fit on train, then calibrate and choose thresholds on validation, one detector after another."""
    spec, split, sample = prepared.table.spec, prepared.split, prepared.sample
    rows = FitRows(sample.take(split.train), sample.take(split.validation))
    done: dict[str, Fitted] = {}
    for name in names:
        detector = ensemble(done) if name == AVERAGE else fit_detector(name, rows, spec, training)
        margin = margins(detector, prepared, split.validation)
        seen = prepared.positive[split.validation]
        calibration = fit_calibration(training.calibration, margin, seen, prepared.table.bar_end_ns[split.validation])
        calibrate = Calibrator(calibration)
        probability = calibrate(margin)
        decision = choose_thresholds(probability, seen, training.watch_share)
        done[name] = Fitted(
            name=name,
            detector=detector,
            calibration=calibration,
            decision=decision,
            validation=_metrics(seen, margin, probability, decision.alert),
            spike_log_odds=calibrate.log_odds(margin[seen]),
        )
        yield done[name]


def ensemble(fitted: Mapping[str, Fitted], detectors: Mapping[str, Detector] | None = None) -> Detector:
    """Mean of the members' calibrated log-odds; `detectors` replace the members that were calibrated."""
    members = {name: fitted[name] for name in MEMBERS}
    return AverageDetector.of(
        {
            name: (detectors[name] if detectors else one.detector, one.calibration.slope, one.calibration.intercept)
            for name, one in members.items()
        }
    )


def margins(detector: Detector, prepared: Prepared, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Margins of the rows selected by a mask."""
    matrix = InputMatrix(detector.inputs, prepared.table.spec)
    return detector.margin(matrix(prepared.sample.values[rows], prepared.sample.reference[rows]))


def train_detectors(
    prepared: Prepared, training: TrainingSpec, model_type: ModelType, provenance: Provenance
) -> Iterator[Bundle]:
    """Bundles one after another, in the order of `detector_names`; the same arguments give the same bytes."""
    for fitted in fit_candidates(prepared, training, detector_names(model_type)):
        yield make_bundle(fitted, fitted.detector, prepared, training, provenance)


def train_detector(name: str, prepared: Prepared, training: TrainingSpec, provenance: Provenance) -> Bundle:
    """Train one detector with calibration and thresholds; the same arguments give the same bytes."""
    names = (*MEMBERS, AVERAGE) if name == AVERAGE else (name,)
    *_, fitted = fit_candidates(prepared, training, names)
    return make_bundle(fitted, fitted.detector, prepared, training, provenance)


def make_bundle(
    fitted: Fitted, detector: Detector, prepared: Prepared, training: TrainingSpec, provenance: Provenance
) -> Bundle:
    """Bundle of a detector fitted on the train part of `prepared`, with the calibration and thresholds of `fitted`."""
    table, split = prepared.table, prepared.split
    margin = margins(detector, prepared, split.test)
    probability = Calibrator(fitted.calibration)(margin)
    test = _metrics(prepared.positive[split.test], margin, probability, fitted.decision.alert)
    reference_vol = table.column(f"realized_vol_{table.spec.reference_window_s}")
    manifest = Manifest(
        bundle_version=BUNDLE_VERSION,
        name=fitted.name,
        family=detector.family,
        baseline=fitted.name in BASELINES,
        feature_schema_version=table.schema_version,
        feature_spec=table.spec,
        features=table.names,
        needed_features=needed_features(detector.inputs, prepared.label.kind, table.spec),
        label=prepared.label,
        spike_thresholds=prepared.thresholds,
        calibration=fitted.calibration,
        decision=fitted.decision,
        missing=detector.missing,
        regime_boundaries=tercile_boundaries(reference_vol[split.train]),
        seed=training.seed,
        simulated=table.simulated,
        provenance=provenance,
        split=_split_record(prepared),
        metrics={"validation": fitted.validation, "test": test},
        estimator=detector.params(),
        files={file: hashlib.sha256(content).hexdigest() for file, content in detector.files().items()},
    )
    return Bundle(manifest, detector)


def _metrics(
    positive: NDArray[np.bool_], margin: NDArray[np.float64], probability: NDArray[np.float64], alert: float
) -> dict[str, float | int | None]:
    """Flat metrics of one split; `pr_auc` uses the margin, which calibration cannot tie or flatten."""
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
    """Bundle with the highest PR-AUC on validation; the first of equal ones, so a baseline before a learned model."""

    def pr_auc(bundle: Bundle) -> float:
        value = bundle.manifest.metrics["validation"]["pr_auc"]
        return -1.0 if value is None else float(value)

    return max(bundles, key=pr_auc)
