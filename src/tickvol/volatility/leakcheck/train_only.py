"""Check that fitted parameters depend only on the rows they may see: replace the others by noise and fit again."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tickvol.volatility.labels.spikes import fit_thresholds
from tickvol.volatility.leakcheck.result import CheckResult, Fit
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.manifest import Manifest
from tickvol.volatility.models.training import Prepared

NAME = "train_only_fits"

OF_TRAIN = ("spike_thresholds", "regime_boundaries", "missing", "estimator", "files")
"""Fields of the manifest that depend on train rows alone, unless validation influences the detector."""

NOT_FITTED = ("metrics", "split")
"""Fields that describe the rows and the detector's performance on them; they may depend on all rows."""

DECIDED_ON_VALIDATION = ("boosted", "average")
"""Families whose number of rounds, or whose members' scale, is chosen on validation: they depend on both."""

_SPIKE_SHARE, _UNKNOWN_SHARE = 0.3, 0.2


def check_train_only_fits(prepared: Prepared, bundles: Sequence[Bundle], fit: Fit, seed: int) -> CheckResult:
    """Check that every fitted parameter is the same, bit for bit, when the rows that it must not depend on are noise.

    It does so three times: the label's thresholds are fitted on train and compared with those that labelled the rows.
    Each detector is refitted with all rows outside train and validation replaced by noise (features, labels, futures,
    references): nothing in its manifest but metrics may differ. Detectors that do not depend on validation are
    refitted with validation replaced too: nothing that train alone decides may differ.
    """
    train, both = prepared.split.train, prepared.split.train | prepared.split.validation
    random = np.random.default_rng(seed)
    problems = _label_problems(prepared, bundles)
    for allowed, rows, fields in (
        ("train and validation", both, lambda name: name not in NOT_FITTED),
        ("train", train, lambda name: name in OF_TRAIN),
    ):
        hidden = noise_other_rows(prepared, rows, random)
        for bundle in bundles:
            if allowed == "train" and bundle.manifest.family in DECIDED_ON_VALIDATION:
                continue
            found = _differences(bundle.manifest, fit(bundle.name, hidden).manifest, fields)
            problems += [f"{bundle.name}: {place} depends on rows outside {allowed}" for place in found[:1]]
    names = [bundle.name for bundle in bundles]
    figures = {"detectors": names, "problems": problems}
    clean = f"label thresholds and {len(names)} detectors come out the same with all other rows replaced by noise"
    return CheckResult(name=NAME, passed=not problems, reason="; ".join(problems[:4]) or clean, figures=figures)


def noise_other_rows(prepared: Prepared, kept: NDArray[np.bool_], random: np.random.Generator) -> Prepared:
    """The same dataset with noise in place of every row that is not `kept`; keys and splits stay."""
    values = _noised(prepared.sample.values, kept, random)
    positive = np.where(kept, prepared.positive, random.random(len(kept)) < _SPIKE_SHARE)
    sample = replace(
        prepared.sample,
        values=values,
        reference=_noised(prepared.sample.reference, kept, random),
        future=_noised(prepared.sample.future, kept, random),
        positive=positive,
    )
    return replace(
        prepared,
        table=replace(prepared.table, values=values),
        label_values=_noised(prepared.label_values, kept, random),
        positive=positive,
        sample=sample,
    )


def _noised(values: NDArray[np.float64], kept: NDArray[np.bool_], random: np.random.Generator) -> NDArray[np.float64]:
    """Replace rows that are not kept by positive numbers of the kept rows' magnitude; some features unknown."""
    columns = values.reshape(len(values), -1)
    size = np.ones(columns.shape[1])
    for place, column in enumerate(columns.T):
        known = np.abs(column[kept & np.isfinite(column)])
        size[place] = np.median(known) if len(known) else 1.0
    others = np.flatnonzero(~kept)
    noise = random.standard_exponential((len(others), len(size))) * size
    if values.ndim > 1:
        noise[random.random(noise.shape) < _UNKNOWN_SHARE] = np.nan
    hidden = columns.copy()
    hidden[others] = noise
    return hidden.reshape(values.shape)


def _label_problems(prepared: Prepared, bundles: Sequence[Bundle]) -> list[str]:
    train = prepared.split.train
    expected = fit_thresholds(prepared.table, prepared.label, np.where(train, prepared.label_values, np.nan), train)
    holders = [("the labels", prepared.thresholds)]
    holders += [(bundle.name, bundle.manifest.spike_thresholds) for bundle in bundles]
    return [
        f"{holder}: spike threshold {_plain(found)}, train rows alone give {_plain(expected)}"
        for holder, found in holders
        if found != expected
    ]


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def _differences(one: Manifest, two: Manifest, wanted: Callable[[str], bool]) -> list[str]:
    """Fields that differ, as the path of the first difference in each."""
    left, right = _plain(one), _plain(two)
    return [_first_place(name, left[name], right[name]) for name in left if wanted(name) and left[name] != right[name]]


def _first_place(where: str, one: Any, two: Any) -> str:
    if isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        name = next(name for name in one if one[name] != two[name])
        return _first_place(f"{where}.{name}", one[name], two[name])
    if isinstance(one, list | tuple) and isinstance(two, list | tuple) and len(one) == len(two):
        place = next(place for place, pair in enumerate(zip(one, two, strict=True)) if pair[0] != pair[1])
        return _first_place(f"{where}[{place}]", one[place], two[place])
    return where
