"""YAML files of metrics, strategies and risk profiles, and those that ship with the product."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from tickvol.core.errors import InputError, UsageError
from tickvol.signals.indicators.registry import Indicator
from tickvol.signals.metrics.rows import SeriesType

_SHIPPED = ("metrics", "strategies", "risk_profiles")


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, which YAML's own loader overwrites silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        repeated = sorted({str(key) for key in keys if keys.count(key) > 1})
        if repeated:
            raise UsageError(f"line {node.start_mark.line + 1}: {', '.join(repeated)}: stands twice: remove one")
        return super().construct_mapping(node, deep)


def read_rows(path: Path) -> object:
    """Content of a YAML file, for `parse_metrics`, `parse_profiles` or `parse_strategies`.

    Raises
    ------
    InputError
        If the file cannot be read.
    UsageError
        If it is no YAML, or a mapping has a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}: give a YAML file in UTF-8") from error
    return _loaded(text, str(path))


def shipped_rows(kind: str) -> object:
    """Rows that ship with the product: `metrics`, `strategies` or `risk_profiles`."""
    if kind not in _SHIPPED:
        raise UsageError(f"kind: {kind}: must be one of {', '.join(_SHIPPED)}")
    text = files("tickvol.signals").joinpath("shipped", f"{kind}.yaml").read_text(encoding="utf-8")
    return _loaded(text, f"{kind}.yaml")


def series_types(indicators: Iterable[Indicator]) -> dict[str, SeriesType]:
    """Indicators as the rows of metrics may name them; columns of the bar and scores of news limit no window."""
    return {
        one.code: SeriesType(
            one.code,
            one.unit,
            one.lowest,
            one.highest,
            one.memory_bars if one.source == "stored" and one.has_kernel else 0,
        )
        for one in indicators
    }


def _loaded(text: str, name: str) -> object:
    try:
        return yaml.load(text, Loader=_Loader)
    except UsageError as error:
        raise UsageError([f"{name}: {problem}" for problem in error.problems]) from error
    except yaml.YAMLError as error:
        raise UsageError(f"{name}: is no YAML: {' '.join(str(error).split())}") from error
