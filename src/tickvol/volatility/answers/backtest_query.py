"""GET /backtest: its parameters, validated, and the stored rows that they select."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tickvol.core.errors import RequestError, UsageError
from tickvol.core.times import parse_span_ns
from tickvol.volatility.dataset import HOUR_NS, dataset_files, file_end_ns, read_features
from tickvol.volatility.evaluation.backtest import backtest
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.schema.feature_table import FeatureTable

_SINGLE = ("from", "to", "threshold")
_REPEATED = "product"


@dataclass(frozen=True, slots=True)
class BacktestRules:
    """Location of the rows, maximum number of rows, and the cool-down of alarms."""

    dataset_dir: Path
    max_rows: int
    alarm_cooldown_s: int


def answer_backtest(bundle: Bundle, rules: BacktestRules, parameters: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Alarms against spikes of the stored rows that the parameters select, or of all rows.

    Parameters
    ----------
    parameters : `from`, `to` (ISO 8601 or ns since the epoch), `product` (may be repeated), `threshold`.

    Raises
    ------
    RequestError
        422 for an invalid parameter and for too many rows.
    WorkError
        When the dataset cannot be read or holds no such row.
    """
    single, products = _sorted_out(parameters)
    threshold = _threshold(single.get("threshold"))
    try:
        from_ns, to_ns = parse_span_ns(single.get("from"), single.get("to"))
    except UsageError as error:
        field, _, rule = error.problems[0].partition(": ")
        raise RequestError(422, field, single.get(field), rule) from None
    table = _read(bundle, rules, products, from_ns, to_ns)
    return backtest(table, bundle, threshold, alarm_cooldown_s=rules.alarm_cooldown_s)


def _sorted_out(parameters: Sequence[tuple[str, str]]) -> tuple[Mapping[str, str], list[str] | None]:
    single: dict[str, str] = {}
    products: list[str] = []
    for name, value in parameters:
        if name == _REPEATED:
            products.append(value)
        elif name not in _SINGLE:
            raise RequestError(422, name, value, f"no such parameter; there are {', '.join((*_SINGLE, _REPEATED))}")
        elif name in single:
            raise RequestError(422, name, value, "is given twice")
        else:
            single[name] = value
    return single, products or None


def _threshold(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        threshold = float(text)
    except ValueError:
        threshold = float("nan")
    if not 0.0 <= threshold <= 1.0:
        raise RequestError(422, "threshold", text, "must be a probability from 0 to 1")
    return threshold


def _read(
    bundle: Bundle, rules: BacktestRules, products: list[str] | None, from_ns: int | None, to_ns: int | None
) -> FeatureTable:
    """Read the selected rows, or refuse by the number of hours before reading any."""
    bars_an_hour = HOUR_NS // bundle.spec.bar_ns
    files = [
        (hour, file_end_ns(hour, path))
        for _, hour, path in dataset_files(rules.dataset_dir, products)
        if to_ns is None or hour * HOUR_NS < to_ns
    ]
    hours = sum(end_ns // HOUR_NS - hour for hour, end_ns in files if from_ns is None or end_ns > from_ns)
    if hours * bars_an_hour > rules.max_rows:
        rule = (
            f"{hours} hours of rows are asked for, at most {rules.max_rows // bars_an_hour} at once "
            "(serving.max_backtest_rows); narrow from, to or product"
        )
        raise RequestError(422, "from", None, rule)
    return read_features(rules.dataset_dir, products=products, from_ns=from_ns, to_ns=to_ns)
