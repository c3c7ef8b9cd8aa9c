"""Evidently's drift report on two sets of columns, without console output or network, byte-identical on each run."""

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tickvol.core.errors import WorkError

Columns = Mapping[str, NDArray[np.float64]]
"""Feature name to its known values; lengths may differ."""

# Evidently draws these at random in each run; nothing else in its HTML changes.
_RANDOM_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|metric_[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class DriftRules:
    """Evidently's decision rules: method name, threshold on the method's value, minimum share of drifted features."""

    method: str
    threshold: float
    drift_share: float


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """Evidently's verdict on one feature."""

    method: str
    value: float
    threshold: float
    drifted: bool


@dataclass(frozen=True, slots=True)
class EvidentlyRun:
    """Evidently's two documents and their verdicts, by feature and overall."""

    html: str
    json: str
    verdicts: Mapping[str, FeatureDrift]
    drifted: bool


def run_evidently(reference: Columns, current: Columns, rules: DriftRules, notes: Sequence[str]) -> EvidentlyRun:
    """Compare each column of `current` with the one of `reference`.

    The drift verdict of a feature is the status of its test: the value of some methods is a distance (large is drift),
    of others a p-value (small is drift).

    Parameters
    ----------
    reference, current : known (finite) values of the same features, none of them empty.
    rules : method, threshold and share.
    notes : lines shown at the top of the HTML.
    """
    scales = {name: scale_of(values) for name, values in reference.items()}
    snapshot = _quietly(_snapshot, _frame(reference, scales), _frame(current, scales), rules)
    html = _numbered_ids(snapshot.get_html_str(as_iframe=False))
    document = snapshot.dict()
    whole, verdicts = _read_tests(document["tests"], document["metrics"])
    if verdicts.keys() != reference.keys():
        raise WorkError(f"Evidently judged {sorted(verdicts)}, not the features it was given: {sorted(reference)}")
    return EvidentlyRun(_with_notes(html, notes), snapshot.json() + "\n", verdicts, whole)


def scale_of(reference: NDArray[np.float64]) -> float:
    """Power of ten that brings the spread of the reference to [1, 10), at least 1.

    Evidently's normed Wasserstein distance divides by max(spread, 0.001): log-returns of a second have a spread of
    0.0001 and would never drift. Such columns are multiplied by this factor first, on both sides.
    """
    spread = float(np.std(reference))
    if spread <= 0.0 or spread >= 1.0:
        return 1.0
    return float(10.0 ** np.ceil(-np.log10(spread)))


def _frame(columns: Columns, scales: Mapping[str, float]) -> Any:
    import pandas as pd

    return pd.DataFrame({name: pd.Series(values * scales[name]) for name, values in columns.items()})


def _quietly(work: Any, *arguments: Any) -> Any:
    # Evidently's imports warn of numpy.core and litestar, its histograms of constant columns (0/0): not ours to fix.
    os.environ["DO_NOT_TRACK"] = "1"
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return work(*arguments)


def _snapshot(reference: Any, current: Any, rules: DriftRules) -> Any:
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    names = list(reference.columns)
    definition = DataDefinition(numerical_columns=names)  # else a column with few distinct values is categorical
    preset = DataDriftPreset(
        columns=names, drift_share=rules.drift_share, num_method=rules.method, num_threshold=rules.threshold
    )
    report = Report([preset], include_tests=True)
    return report.run(
        Dataset.from_pandas(current, data_definition=definition),
        Dataset.from_pandas(reference, data_definition=definition),
    )


def _read_tests(tests: Sequence[Any], metrics: Sequence[Any]) -> tuple[bool, dict[str, FeatureDrift]]:
    values = {metric["id"]: metric["value"] for metric in metrics}
    whole, verdicts = False, {}
    for test in tests:
        params = test["metric_config"]["params"]
        drifted = str(getattr(test["status"], "value", test["status"])) == "FAIL"
        if params["type"].endswith(":ValueDrift"):
            value = float(values[test["metric_config"]["metric_id"]])
            verdicts[params["column"]] = FeatureDrift(params["method"], value, float(params["threshold"]), drifted)
        else:
            whole = drifted
    return whole, verdicts


def _numbered_ids(html: str) -> str:
    numbers: dict[str, str] = {}
    return _RANDOM_ID.sub(lambda found: numbers.setdefault(found[0], f"id_{len(numbers):06d}"), html)


def _with_notes(html: str, notes: Sequence[str]) -> str:
    lines = "".join(f"<p>{escape(note)}</p>" for note in notes)
    banner = f'<div style="font: 14px sans-serif; margin: 16px 32px">{lines}</div>'
    return html.replace("<body>", f"<body>{banner}", 1)
