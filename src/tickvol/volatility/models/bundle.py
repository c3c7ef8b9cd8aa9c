"""A trained detector as one object: features in, calibrated probability and evidence out."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import CorruptFile, SchemaMismatch
from tickvol.volatility.labels.scorable import scorable, unscorable_reasons
from tickvol.volatility.models.average import AverageDetector
from tickvol.volatility.models.boosted import BOOSTER_FILE, BoostedDetector
from tickvol.volatility.models.bundle_files import MANIFEST, read_files, write_files
from tickvol.volatility.models.calibration import Calibrator
from tickvol.volatility.models.detector import Detector
from tickvol.volatility.models.garch import GarchDetector, GarchParams
from tickvol.volatility.models.inputs import Input, InputMatrix
from tickvol.volatility.models.linear import LinearDetector, LinearParams
from tickvol.volatility.models.manifest import Manifest, decode_manifest, encode_manifest
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelKind, LabelSpec


class Bundle:
    """A detector with everything that its answers depend on.

    Rows are `FeatureTable`s of the same spec, or, on the fast path, matrices in the order of the schema. Rows that are
    not scorable give NaN and are never scored.
    """

    def __init__(self, manifest: Manifest, detector: Detector) -> None:
        self.manifest = manifest
        self.detector = detector
        self._content = encode_manifest(manifest)
        self._matrix = InputMatrix(detector.inputs, manifest.feature_spec)
        self._calibrate = Calibrator(manifest.calibration)
        self._typical = manifest.features.index("typical_vol")

    @classmethod
    def load(cls, directory: Path) -> "Bundle":
        """Read a bundle directory once every file has been verified.

        Raises
        ------
        UsageError, InputError, CorruptFile
            As `read_files`.
        SchemaMismatch
            When it was written by another version.
        """
        files = read_files(directory)
        manifest = decode_manifest(files[MANIFEST], str(directory / MANIFEST))
        for name, expected in manifest.files.items():
            if name not in files or hashlib.sha256(files[name]).hexdigest() != expected:
                raise CorruptFile(f"{directory / name}: is not the file that {MANIFEST} was written with; train again")
        return cls(manifest, _detector(manifest, files, str(directory)))

    def save(self, directory: Path) -> None:
        """Write the bundle, replacing an older one as a whole."""
        write_files(directory, {MANIFEST: self._content, **self.detector.files()})

    @property
    def version(self) -> str:
        """SHA-256 of `bundle.json`, which holds the hashes of all other files: identifies the bundle."""
        return hashlib.sha256(self._content).hexdigest()

    @property
    def name(self) -> str:
        """Name of the detector, e.g. `logistic`."""
        return self.manifest.name

    @property
    def schema_version(self) -> int:
        """Version of the feature schema."""
        return self.manifest.feature_schema_version

    @property
    def spec(self) -> FeatureSpec:
        """Bars and windows of its features."""
        return self.manifest.feature_spec

    @property
    def label(self) -> LabelSpec:
        """The label that it predicts; together with the past it determines which rows are scorable."""
        return self.manifest.label

    @property
    def simulated(self) -> bool:
        """True if it was trained on a simulated market; its metrics then say nothing about real markets."""
        return self.manifest.simulated

    @property
    def watch_threshold(self) -> float:
        """Probability at or above which the signal is WATCH."""
        return self.manifest.decision.watch

    @property
    def alert_threshold(self) -> float:
        """Probability at or above which the signal is ALERT."""
        return self.manifest.decision.alert

    @property
    def needed(self) -> tuple[str, ...]:
        """Features that it reads, in the order of the schema."""
        return self.manifest.needed_features

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the detector's inputs, in the order of `evidence`."""
        return tuple(item.name for item in self.detector.inputs)

    def scorable(self, table: FeatureTable) -> NDArray[np.bool_]:
        """(n,) bool, True for rows that it can score; `unscorable_reasons` gives the reasons for the others."""
        return scorable(table, self.manifest.label) & ~np.isnan(self._table_reference(table))

    def unscorable_reasons(self, table: FeatureTable) -> list[str | None]:
        """(n,) None where `scorable`, else what is missing."""
        reasons = unscorable_reasons(table, self.manifest.label)
        for row in np.flatnonzero(np.isnan(self._table_reference(table))):
            product = table.products[table.product[row]]
            reasons[row] = reasons[row] or f"product {product}: none of its rows were in the train split"
        return reasons

    def score(self, table: FeatureTable) -> NDArray[np.float64]:
        """(n,) margin, higher means more likely; NaN where not scorable."""
        return self._of_table(table, self._margin)

    def probability(self, table: FeatureTable) -> NDArray[np.float64]:
        """(n,) calibrated probability of a spike within the horizon; NaN where not scorable."""
        return self._of_table(table, self._probability)

    def evidence(self, table: FeatureTable) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values of the inputs, NaN where unknown, and their contributions to the margin; both (n, inputs) float64."""
        x = self.matrix(table)
        return x, self.detector.contributions(x)

    def predict_matrix(
        self, values: NDArray[np.float64], reference: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """The fast path: (n,) probabilities of (n, k) float64 features in the order of the schema, all scorable.

        Parameters
        ----------
        reference : (n,) float64, for the absolute label `references` of the rows' products; None for the relative one.
        """
        return self._probability(values, values[:, self._typical] if reference is None else reference)

    def references(self, products: Sequence[str]) -> NDArray[np.float64] | None:
        """(n,) reference of the absolute label, per reference window; None for the relative label."""
        manifest = self.manifest
        if manifest.label.kind is LabelKind.RELATIVE:
            return None
        scale = np.sqrt(manifest.label.horizon_s / manifest.feature_spec.reference_window_s)
        known = manifest.spike_thresholds.by_product
        thresholds = np.array([known.get(product, np.nan) for product in products], np.float64)
        return np.asarray(thresholds / scale, np.float64)

    def matrix(self, table: FeatureTable) -> NDArray[np.float64]:
        """(n, inputs) float64, the detector's inputs."""
        return self._matrix(table.values, self._table_reference(table))

    def describe(self) -> dict[str, Any]:
        """Content of `bundle.json` without the weights, as plain JSON values."""
        about: dict[str, Any] = msgspec.to_builtins(self.manifest)
        del about["estimator"]
        return {"model_version": self.version, **about}

    def _table_reference(self, table: FeatureTable) -> NDArray[np.float64]:
        if table.spec != self.spec or table.schema_version != self.schema_version:
            raise SchemaMismatch(
                f"bundle {self.name}: trained on schema {self.schema_version}, windows_s {self.spec.windows_s} "
                f"(fingerprint {self.spec.fingerprint()[:12]}), the rows are of schema {table.schema_version}, "
                f"{table.spec.windows_s} ({table.spec.fingerprint()[:12]}); train on these rows"
            )
        by_product = self.references(table.products)
        return table.values[:, self._typical] if by_product is None else by_product[table.product]

    def _of_table(
        self, table: FeatureTable, ask: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        found = np.full(len(table), np.nan)
        rows = self.scorable(table)
        if rows.any():
            found[rows] = ask(table.values[rows], self._table_reference(table)[rows])
        return found

    def _margin(self, values: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.detector.margin(self._matrix(values, reference, self.detector.wanted))

    def _probability(self, values: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._calibrate(self._margin(values, reference))


def needed_features(inputs: Sequence[Input], kind: LabelKind, spec: FeatureSpec) -> tuple[str, ...]:
    """Features that inputs read, in the order of the schema, including the relative label's reference."""
    columns = InputMatrix(inputs, spec).columns
    if kind is LabelKind.RELATIVE and "typical_vol" not in columns:
        columns = InputMatrix((*inputs, Input(column="typical_vol")), spec).columns
    return columns


def _detector(manifest: Manifest, files: Mapping[str, bytes], where: str) -> Detector:
    try:
        return _build(manifest.family, manifest.estimator, files)
    except (msgspec.ValidationError, KeyError) as error:
        raise SchemaMismatch(f"{where}: estimator: {error}; train again") from error


def _build(family: str, estimator: Mapping[str, Any], files: Mapping[str, bytes]) -> Detector:
    if family == "linear":
        return LinearDetector(msgspec.convert(estimator, LinearParams))
    if family == "garch":
        return GarchDetector(msgspec.convert(estimator, GarchParams))
    if family == "boosted":
        return BoostedDetector(msgspec.convert(estimator["inputs"], tuple[Input, ...]), files[BOOSTER_FILE])
    if family == "average":
        return AverageDetector.read(estimator, files, _build)
    raise SchemaMismatch(f"family {family!r}: this program knows linear, garch, boosted and average; train again")
