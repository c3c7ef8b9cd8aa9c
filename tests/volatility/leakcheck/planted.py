"""Leaks of every kind, planted into a training on a synthetic market; and what the checks say of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import msgspec
import numpy as np
import pandas as pd

from tests.support.synthetic import synthetic_table
from tests.volatility.models.conftest import provenance
from tickvol.volatility.labels.spikes import fit_thresholds, spikes, trainable
from tickvol.volatility.leakcheck.result import CheckResult, Fit
from tickvol.volatility.leakcheck.rules import LeakRules
from tickvol.volatility.leakcheck.suite import control_checks, training_checks
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.linear import LinearDetector, LinearParams
from tickvol.volatility.models.training import Prepared, prepare, train_detector
from tickvol.volatility.models.training_spec import TrainingSpec
from tickvol.volatility.schema.feature_row import CLOCK_NAMES
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.schema.label_spec import LabelKind, LabelSpec

RULES = LeakRules(permutations=3)
TRAINING = TrainingSpec(xgboost_max_rounds=40)


@cache
def market() -> FeatureTable:
    return synthetic_table(1, hours=4, products=("BTC-USD", "ETH-USD"))


@cache
def clean(kind: LabelKind = LabelKind.RELATIVE) -> Prepared:
    return prepare(market(), LabelSpec(kind=kind), TRAINING)


def honest(name: str, prepared: Prepared) -> Bundle:
    return train_detector(name, prepared, TRAINING, provenance(market()))


def results(
    prepared: Prepared, fit: Fit = honest, names: tuple[str, ...] = ("logistic",), rules: LeakRules = RULES
) -> dict[str, CheckResult]:
    bundles = [fit(name, prepared) for name in names]
    checks = training_checks(prepared, bundles, fit, rules) + control_checks(prepared, bundles, fit, rules)
    return {check.name: check for check in checks}


def alarms(prepared: Prepared, fit: Fit = honest, names: tuple[str, ...] = ("logistic",)) -> set[str]:
    """Names of the checks that found something."""
    return leaking(results(prepared, fit, names))


def leaking(found: dict[str, CheckResult]) -> set[str]:
    return {name for name, check in found.items() if check.passed is False}


def with_column(table: FeatureTable, name: str, column: np.ndarray) -> FeatureTable:
    values = table.values.copy()
    values[:, table.names.index(name)] = column
    return replace(table, values=values)


def with_feature(prepared: Prepared, name: str, column: np.ndarray) -> Prepared:
    """Another feature, the same labels."""
    return with_values(prepared, with_column(prepared.table, name, column).values)


def with_values(prepared: Prepared, values: np.ndarray) -> Prepared:
    table = replace(prepared.table, values=values)
    return replace(prepared, table=table, sample=replace(prepared.sample, values=values))


def by_product(table: FeatureTable, column: np.ndarray, of: Callable[[pd.Series], pd.Series]) -> np.ndarray:
    """A column made of another one, product by product."""
    series = pd.Series(column)
    return np.concatenate([of(series[table.product == place]) for place in range(len(table.products))])


def centred_vol(table: FeatureTable, bars: int) -> np.ndarray:
    """Volatility of the window of so many bars that has its middle, not its end, at the row."""

    def rolled(squares: pd.Series) -> pd.Series:
        return np.sqrt(squares.rolling(bars, center=True, min_periods=bars // 2).mean() * 60)

    return by_product(table, table.column("bar_log_return") ** 2, rolled)


def features_later(table: FeatureTable, bars: int) -> FeatureTable:
    """Each row with the features of so many bars later; what happened in its own bar stays."""
    values = np.column_stack([by_product(table, column, lambda s: s.shift(-bars)) for column in table.values.T])
    values[:, table.names.index("bar_log_return")] = table.column("bar_log_return")
    coverage = [place for place, name in enumerate(table.names) if name.startswith("coverage")]
    values[:, coverage] = table.values[:, coverage]
    return replace(table, values=values)


def unpurged() -> Prepared:
    """Validation begins right behind the cut."""
    prepared = clean()
    split, time = prepared.split, market().bar_end_ns
    known = trainable(market(), prepared.label, prepared.label_values)
    validation = known & (time > split.train_end_ns) & (time <= split.validation_end_ns - 60 * 10**9)
    return replace(prepared, split=replace(split, validation=validation))


def thresholds_of_all_rows(kind: LabelKind) -> Prepared:
    prepared = clean(kind)
    parts = prepared.split.parts().values()
    limits = fit_thresholds(market(), prepared.label, prepared.label_values, np.logical_or.reduce(list(parts)))
    positive, _ = spikes(market(), limits, prepared.label_values)
    sample = replace(prepared.sample, positive=positive)
    return replace(prepared, thresholds=limits, positive=positive, sample=sample)


def scale_of_all_rows(name: str, prepared: Prepared) -> Bundle:
    """Inputs are scaled by what they are over all rows."""
    bundle = honest(name, prepared)
    x = prepared.sample.inputs(bundle.detector.inputs, prepared.table.spec)
    scale = tuple(max(float(np.nanstd(column)), 1e-9) for column in x.T)
    params = msgspec.structs.replace(msgspec.convert(bundle.detector.params(), LinearParams), scale=scale)
    return with_detector(bundle, LinearDetector(params))


def regimes_of_all_rows(name: str, prepared: Prepared) -> Bundle:
    bundle = honest(name, prepared)
    low, high = np.nanquantile(prepared.table.column("realized_vol_60"), [1 / 3, 2 / 3])
    manifest = msgspec.structs.replace(bundle.manifest, regime_boundaries=(float(low), float(high)))
    return Bundle(manifest, bundle.detector)


def fitted_on(*parts: str) -> Fit:
    """A training whose train rows are those of several parts; everything else stays."""

    def fit(name: str, prepared: Prepared) -> Bundle:
        train = np.logical_or.reduce([prepared.split.parts()[part] for part in parts])
        wider = honest(name, replace(prepared, split=replace(prepared.split, train=train)))
        own = honest(name, prepared)
        manifest = msgspec.structs.replace(
            wider.manifest, regime_boundaries=own.manifest.regime_boundaries, split=own.manifest.split
        )
        return Bundle(manifest, wider.detector)

    return fit


def calibrated_on_test(name: str, prepared: Prepared) -> Bundle:
    """Calibration and thresholds from the test rows."""
    split = replace(prepared.split, validation=prepared.split.test)
    return honest(name, replace(prepared, split=split))


def too_good(name: str, prepared: Prepared) -> Bundle:
    bundle = honest(name, prepared)
    metrics = {part: figures | {"pr_auc": 0.97} for part, figures in bundle.manifest.metrics.items()}
    return Bundle(msgspec.structs.replace(bundle.manifest, metrics=metrics), bundle.detector)


def order_built_in(name: str, prepared: Prepared) -> Bundle:
    """The order of a baseline under the name of a model, as a monotone constraint would have it."""
    bundle = honest("ewma", prepared)
    return Bundle(msgspec.structs.replace(bundle.manifest, name=name, baseline=False), bundle.detector)


def with_detector(bundle: Bundle, detector: LinearDetector) -> Bundle:
    return Bundle(msgspec.structs.replace(bundle.manifest, estimator=detector.params()), detector)


def train_rows_in_test(prepared: Prepared, *, apart: float = 0.0) -> Prepared:
    """Test rows with the features of train rows, their labels as they are; `apart` is relative."""
    train, test = (np.flatnonzero(prepared.split.parts()[part])[:40] for part in ("train", "test"))
    values = prepared.table.values.copy()
    clock = [prepared.table.names.index(name) for name in CLOCK_NAMES]
    copied = values[train] * (1.0 + apart)
    copied[:, clock] = values[test][:, clock]
    values[test] = copied
    return with_values(prepared, values)
