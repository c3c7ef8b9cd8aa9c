"""Detectors that were trained once on a random walk."""

import pytest

from tests.support.synthetic import synthetic_table
from tests.support.trained import trained
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.manifest import Provenance
from tickvol.volatility.models.training import Prepared, prepare, train_detectors
from tickvol.volatility.models.training_spec import TrainingSpec
from tickvol.volatility.schema.feature_table import FeatureTable, table_fingerprint
from tickvol.volatility.schema.label_spec import LabelKind, LabelSpec

TRAINING = TrainingSpec(xgboost_max_rounds=40)


def provenance(table: FeatureTable) -> Provenance:
    return Provenance(config_hash="c" * 64, code_version="0.1.0", data_fingerprint=table_fingerprint(table))


def train_all(table: FeatureTable, label: LabelSpec, training: TrainingSpec = TRAINING) -> dict[str, Bundle]:
    detectors = train_detectors(prepare(table, label, training), training, "all", provenance(table))
    return {bundle.name: bundle for bundle in detectors}


def trained_all(table: FeatureTable, label: LabelSpec) -> dict[str, Bundle]:
    """The same from the cache of bundles."""
    what = f"all, {provenance(table)}, {label}, {TRAINING}"
    return {bundle.name: bundle for bundle in trained(what, lambda: train_all(table, label).values())}


@pytest.fixture(scope="session")
def table() -> FeatureTable:
    return synthetic_table(1, hours=4, products=("BTC-USD", "ETH-USD"))


@pytest.fixture(scope="session")
def prepared(table: FeatureTable) -> Prepared:
    return prepare(table, LabelSpec(), TRAINING)


@pytest.fixture(scope="session")
def bundles(table: FeatureTable) -> dict[str, Bundle]:
    return trained_all(table, LabelSpec())


@pytest.fixture(scope="session")
def absolute_bundles(table: FeatureTable) -> dict[str, Bundle]:
    return trained_all(table, LabelSpec(kind=LabelKind.ABSOLUTE))
