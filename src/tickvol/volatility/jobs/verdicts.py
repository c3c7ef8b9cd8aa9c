"""Checks of features and bundles before anything is built on them; a check that cannot be made fails."""

from collections.abc import Sequence

import numpy as np

from tickvol.core.errors import InputError, SchemaMismatch, TickvolError
from tickvol.core.times import NS_PER_HOUR, exact_iso
from tickvol.system import CheckResult
from tickvol.volatility.dataset import read_features
from tickvol.volatility.jobs.verdict_names import BUNDLES, FRESH, NOT_EMPTY, ONE_SPEC
from tickvol.volatility.models.baselines import BASELINES
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.bundle_files import MANIFEST
from tickvol.volatility.models.scoring import smoke_test
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.settings.learning import ModelsConfig
from tickvol.volatility.settings.profile import VolatilityConfig
from tickvol.volatility.settings.stream import FeaturesConfig


def features_verdicts(config: VolatilityConfig, now_ns: int) -> list[CheckResult]:
    """Verdicts on the dataset: rows of every product, made by the configured spec, newest row recent enough."""
    try:
        table = read_features(config.features.dataset_dir)
    except SchemaMismatch as error:
        return _unreadable(ONE_SPEC, error)
    except InputError as error:
        return _unreadable(NOT_EMPTY, error)
    return [_not_empty(config.products, table), _of_one_spec(config.features, table), _fresh(config, table, now_ns)]


def _unreadable(name: str, error: TickvolError) -> list[CheckResult]:
    return [
        CheckResult(each, False, str(error) if each == name else "not judged: the dataset cannot be read")
        for each in (NOT_EMPTY, ONE_SPEC, FRESH)
    ]


def _not_empty(products: Sequence[str], table: FeatureTable) -> CheckResult:
    missing = [name for name in products if name not in table.products]
    if missing:
        reason = f"no row of {', '.join(missing)}; products names it, so capture or replay it, or leave it out there"
        return CheckResult(NOT_EMPTY, False, reason, {"rows": len(table)})
    return CheckResult(NOT_EMPTY, True, f"{len(table)} rows of {', '.join(table.products)}", {"rows": len(table)})


def _of_one_spec(features: FeaturesConfig, table: FeatureTable) -> CheckResult:
    spec = features.spec()
    figures = {"made_by": table.spec.fingerprint(), "configured": spec.fingerprint()}
    if table.spec != spec:
        reason = "made by other feature settings than those of section features; replay the dataset again"
        return CheckResult(ONE_SPEC, False, reason, figures)
    return CheckResult(ONE_SPEC, True, "made by the configured feature settings", figures)


def _fresh(config: VolatilityConfig, table: FeatureTable, now_ns: int) -> CheckResult:
    """Verdict on the age of the product that is furthest behind."""
    newest = {
        name: int(table.bar_end_ns[table.product == place].max())
        for place, name in enumerate(table.products)
        if name in config.products
    }
    if not newest:
        return CheckResult(FRESH, False, "not judged: no row of a configured product")
    name = min(newest, key=lambda each: newest[each])
    age_h, limit_h = (now_ns - newest[name]) / NS_PER_HOUR, config.schedules.max_age_h
    reason = f"the newest row of {name} is {age_h:.1f} h old, schedules.max_age_h is {limit_h:g}"
    if age_h > limit_h:
        reason += "; see that capture and featurizer run"
    return CheckResult(FRESH, age_h <= limit_h, reason, {"age_h": round(age_h, 3), "max_age_h": limit_h})


def bundles_verdict(config: VolatilityConfig) -> CheckResult:
    """Verdict on the saved bundles: each must load and score a synthetic row with finite results."""
    directories = sorted(path.parent for path in config.models.artifacts_dir.glob(f"*/{MANIFEST}"))
    if not directories:
        return CheckResult(
            BUNDLES, False, f"{config.models.artifacts_dir}: holds no bundle; train some by `tickvol train`"
        )
    try:
        with np.errstate(all="ignore"):
            for directory in directories:
                smoke_test(Bundle.load(directory), config.products)
    except TickvolError as error:
        return CheckResult(BUNDLES, False, str(error), {"bundles": len(directories)})
    names = ", ".join(directory.name for directory in directories)
    return CheckResult(BUNDLES, True, f"loaded, finite answers: {names}", {"bundles": len(directories)})


def rows_of_training(models: ModelsConfig) -> tuple[str, ...]:
    """Flags that select the rows of the last training run, as the dataset may have grown since.

    Every training run saves the baselines; if none can be loaded nothing is known, and another check reports that.
    """
    try:
        split = Bundle.load(models.artifacts_dir / next(iter(BASELINES))).manifest.split
    except TickvolError:
        return ()
    return ("--until", exact_iso(split.last_ns))
