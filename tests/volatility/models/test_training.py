import dataclasses
import logging

import msgspec
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tests.support.synthetic import synthetic_table
from tests.volatility.models.conftest import TRAINING, provenance, trained_all
from tickvol.core.errors import NotEnoughData
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.candidates import detector_names
from tickvol.volatility.models.training import Prepared, best_on_validation, prepare, train_detectors
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelKind, LabelSpec

BASELINES = (
    "minus_trailing_vol",
    "window_ratio",
    "zscore",
    "ewma",
    "har",
    "semivariance_har",
    "seasonal_har",
    "garch",
)
MODELS = ("logistic", "spline", "xgboost", "forecast", "boosted_forecast", "average")


@pytest.mark.parametrize(
    ("model_type", "learned"),
    [
        ("logistic", ("logistic",)),
        ("xgboost", ("xgboost",)),
        ("average", ("xgboost", "forecast", "boosted_forecast", "average")),
        ("all", MODELS),
    ],
)
def test_baselines_are_trained_every_time(model_type: str, learned: tuple[str, ...]) -> None:
    assert detector_names(model_type) == BASELINES + learned  # type: ignore[arg-type]


def test_metrics_are_those_of_the_parts(bundles: dict[str, Bundle], prepared: Prepared) -> None:
    for part, rows in (("validation", prepared.split.validation), ("test", prepared.split.test)):
        margin = bundles["har"].score(prepared.table)[rows]
        figures = bundles["har"].manifest.metrics[part]
        expected = average_precision_score(prepared.positive[rows], margin)
        assert figures["pr_auc"] == pytest.approx(expected, rel=1e-12)
        assert figures["prevalence"] == prepared.positive[rows].mean()


def test_random_walks_with_clustered_volatility_are_foretold(bundles: dict[str, Bundle]) -> None:
    for name in ("ewma", "har", "logistic", "xgboost"):
        figures = bundles[name].manifest.metrics["test"]
        assert float(figures["pr_auc"] or 0) > 2 * float(figures["prevalence"] or 1), name


def test_what_comes_after_the_validation_decides_nothing(
    bundles: dict[str, Bundle], table: FeatureTable, prepared: Prepared
) -> None:
    values = table.values.copy()
    rows = prepared.split.test
    values[rows] *= np.random.default_rng(1).uniform(1.0, 1.5, (int(rows.sum()), 1))
    coverage = [place for place, name in enumerate(table.names) if name.startswith("coverage")]
    values[:, coverage] = table.values[:, coverage]
    changed = trained_all(dataclasses.replace(table, values=values), LabelSpec())
    for name, bundle in bundles.items():
        ours, theirs = bundle.manifest, changed[name].manifest
        assert ours.metrics["test"] != theirs.metrics["test"], name
        for field in ("spike_thresholds", "calibration", "decision", "estimator", "files", "regime_boundaries"):
            assert getattr(ours, field) == getattr(theirs, field), (name, field)


def test_what_lies_in_validation_decides_no_threshold_of_the_label_and_no_linear_weight(
    bundles: dict[str, Bundle], table: FeatureTable, prepared: Prepared
) -> None:
    values = table.values.copy()
    values[prepared.split.validation, table.names.index("bar_log_return")] *= 1.3
    changed = trained_all(dataclasses.replace(table, values=values), LabelSpec())
    for name in (*BASELINES, "logistic"):
        assert bundles[name].manifest.spike_thresholds == changed[name].manifest.spike_thresholds
        assert bundles[name].manifest.estimator == changed[name].manifest.estimator


def test_manifest_says_where_time_was_cut_and_what_lay_there(bundles: dict[str, Bundle], prepared: Prepared) -> None:
    record = bundles["logistic"].manifest.split
    assert record.train_end_ns == prepared.split.train_end_ns
    assert record.rows == {name: int(rows.sum()) for name, rows in prepared.split.parts().items()}
    assert record.embargo_s == prepared.table.spec.lookback_s
    assert bundles["logistic"].manifest.baseline is False
    assert bundles["har"].manifest.baseline is True


def test_a_simulated_market_is_carried_into_the_bundle(table: FeatureTable) -> None:
    simulated = dataclasses.replace(table, simulated=True)
    bundle = next(
        train_detectors(prepare(simulated, LabelSpec(), TRAINING), TRAINING, "logistic", provenance(simulated))
    )
    assert bundle.simulated
    assert bundle.describe()["simulated"] is True


def test_isotonic_calibration_is_a_choice(table: FeatureTable) -> None:
    training = msgspec.structs.replace(TRAINING, calibration="isotonic")
    bundle = next(train_detectors(prepare(table, LabelSpec(), training), training, "logistic", provenance(table)))
    assert bundle.manifest.calibration.kind == "isotonic"
    probability = bundle.probability(table)
    assert ((probability >= 0) & (probability <= 1))[bundle.scorable(table)].all()


def test_products_without_train_rows_are_left_out_of_the_absolute_label(caplog: pytest.LogCaptureFixture) -> None:
    early = synthetic_table(1, hours=4, products=("BTC-USD", "ETH-USD"), gaps=())
    late = early.take((early.product == 0) | (early.bar_end_ns > early.bar_end_ns[0] + 3 * 3600 * 10**9))
    training = msgspec.structs.replace(TRAINING, min_positives=0)
    with caplog.at_level(logging.WARNING):
        prepared = prepare(late, LabelSpec(kind=LabelKind.ABSOLUTE), training)
    assert "ETH-USD" in caplog.text
    assert not (prepared.split.test & (late.product == 1)).any()


def test_too_little_data_is_an_error() -> None:
    with pytest.raises(NotEnoughData):
        prepare(synthetic_table(1, hours=0.8), LabelSpec(), TRAINING)


def test_of_equals_the_first_is_best(bundles: dict[str, Bundle]) -> None:
    first, second = bundles["har"], Bundle(bundles["har"].manifest, bundles["har"].detector)
    assert best_on_validation([first, second]) is first
    scores = {name: float(bundle.manifest.metrics["validation"]["pr_auc"] or 0) for name, bundle in bundles.items()}
    assert best_on_validation(list(bundles.values())).name == max(scores, key=lambda name: scores[name])
