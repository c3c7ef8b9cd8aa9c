"""Schema of `bundle.json`; it contains no timestamp, path or run id."""

from typing import Any

import msgspec

from tickvol.core.errors import SchemaMismatch
from tickvol.volatility.labels.spikes import SpikeThresholds
from tickvol.volatility.models.calibration import Calibration
from tickvol.volatility.models.thresholds import DecisionThresholds
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION, feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.label_spec import LabelSpec

BUNDLE_VERSION = 2
"""Incremented whenever a field of the manifest or of an estimator's parameters changes its meaning."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration, program and data that made a bundle."""

    config_hash: str
    code_version: str
    data_fingerprint: str


class SplitRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Time cuts, in ns since the epoch, and row counts of each split.

    Attributes
    ----------
    first_ns, last_ns : first and last `bar_end_ns` of the dataset.
    train_end_ns, validation_end_ns : the cuts; rows after `validation_end_ns` plus the look-back are test rows.
    embargo_s : the look-back, kept free after each cut.
    purged : trainable rows lost at the cuts.
    rows, spikes : by split.
    """

    first_ns: int
    train_end_ns: int
    validation_end_ns: int
    last_ns: int
    embargo_s: int
    purged: int
    rows: dict[str, int]
    spikes: dict[str, int]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Content of `bundle.json`.

    Attributes
    ----------
    name, family, baseline : name of the detector, class that reads it, True for a baseline.
    features : the whole schema in order, of which the detector reads `needed_features`.
    label, spike_thresholds : the label it was trained on.
    missing : treatment of unknown inputs.
    regime_boundaries : terciles of the reference window's volatility over the train rows.
    metrics : by split (validation, test).
    estimator : parameters of the family.
    files : SHA-256 of the other files.
    """

    bundle_version: int
    name: str
    family: str
    baseline: bool
    feature_schema_version: int
    feature_spec: FeatureSpec
    features: tuple[str, ...]
    needed_features: tuple[str, ...]
    label: LabelSpec
    spike_thresholds: SpikeThresholds
    calibration: Calibration
    decision: DecisionThresholds
    missing: str
    regime_boundaries: tuple[float, float] | None
    seed: int
    simulated: bool
    provenance: Provenance
    split: SplitRecord
    metrics: dict[str, dict[str, float | int | None]]
    estimator: dict[str, Any]
    files: dict[str, str]


def encode_manifest(manifest: Manifest) -> bytes:
    """Indented JSON with sorted keys; the same manifest gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2) + b"\n"


def decode_manifest(content: bytes, where: str) -> Manifest:
    """Read `bundle.json`; error messages start with `where`.

    Raises
    ------
    SchemaMismatch
        When the version of the bundle or of its features differs from this program's.
    """
    try:
        about = msgspec.json.decode(content, type=dict[str, Any])
        found = (about.get("bundle_version"), about.get("feature_schema_version"))
        if found != (BUNDLE_VERSION, SCHEMA_VERSION):
            raise SchemaMismatch(
                f"{where}: bundle version {found[0]!r} with feature schema {found[1]!r}, this program reads "
                f"{BUNDLE_VERSION} with {SCHEMA_VERSION}; train again"
            )
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise SchemaMismatch(f"{where}: is no manifest of version {BUNDLE_VERSION}: {error}; train again") from error
    if manifest.features != feature_names(manifest.feature_spec):
        raise SchemaMismatch(f"{where}: names other features than schema {SCHEMA_VERSION} has; train again")
    return manifest
