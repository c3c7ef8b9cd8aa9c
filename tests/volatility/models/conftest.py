"""Detectors that were trained once on a random walk."""

import pytest

from tests.support.synthetic import synthetic_table
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
    prepared = prepare(table, label, training)
    return {bundle.name: bundle for bundle in train_detectors(prepared, training, "all", provenance(table))}


@pytest.fixture(scope="session")
def table() -> FeatureTable:
    return synthetic_table(1, hours=4, products=("BTC-USD", "ETH-USD"))


@pytest.fixture(scope="session")
def prepared(table: FeatureTable) -> Prepared:
    return prepare(table, LabelSpec(), TRAINING)


@pytest.fixture(scope="session")
def bundles(table: FeatureTable) -> dict[str, Bundle]:
    return train_all(table, LabelSpec())


@pytest.fixture(scope="session")
def absolute_bundles(table: FeatureTable) -> dict[str, Bundle]:
    return train_all(table, LabelSpec(kind=LabelKind.ABSOLUTE))
