"""The only reader of YAML and environment: `config.yaml`, `.env` and `TICKVOL_*` become frozen, validated objects."""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

import yaml
from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from tickvol.core.errors import ConfigError, UsageError
from tickvol.core.records import PRODUCT_PATTERN
from tickvol.risk.settings import RiskSections
from tickvol.settings.dashboard import DashboardConfig
from tickvol.signals.settings import SignalsSections
from tickvol.volatility.settings.profile import VolatilityConfig

DEFAULT_CONFIG = Path("config.yaml")
ENV_PREFIX = "TICKVOL_"
_SECRET = re.compile("secr|passw|token|webhook|sasl|database_url", re.IGNORECASE)
"""Matches names of keys that may hold a secret, which must not appear in a log, misspelt or not."""
CONFIG_VARIABLE = "TICKVOL_CONFIG"
NOT_CONFIGURATION = ("TICKVOL_DATA", "TICKVOL_NOTEBOOK_FEATURES", CONFIG_VARIABLE)
"""Variables that override nothing: directories of the demo, the tests and the notebook, the scheduler's file."""

MOVED = {
    "kafka.topic_ticks": "ingestion.topic",
    "kafka.topic_features": "features.topic",
    "kafka.topic_predictions": "scoring.topic_predictions",
    "kafka.topic_outcomes": "scoring.topic_outcomes",
    "kafka.topic_alerts": "alerts.topic",
}
"""Keys that were renamed."""


class Config(VolatilityConfig, RiskSections, SignalsSections, BaseSettings):
    """All sections of all systems, frozen; `load_config` rejects unknown sections, which are only ignored here.

    To add a system, add the model of the sections that it reads as a further base class.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_prefix=ENV_PREFIX, env_nested_delimiter="__", env_file_encoding="utf-8"
    )

    dashboard: DashboardConfig

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Sources by precedence: environment, `.env`, then the file, which comes in as init values."""
        return env_settings, dotenv_settings, init_settings


AnyConfig = TypeVar("AnyConfig", bound=Config)


@overload
def load_config(path: Path | None = None, *, env_file: Path | None = Path(".env")) -> Config: ...


@overload
def load_config(
    path: Path | None = None, *, env_file: Path | None = Path(".env"), config_type: type[AnyConfig]
) -> AnyConfig: ...


def load_config(
    path: Path | None = None, *, env_file: Path | None = Path(".env"), config_type: type[Config] = Config
) -> Config:
    """Read `path` (default `config.yaml`), `.env` and the environment.

    Parameters
    ----------
    config_type : the model of the sections.

    Raises
    ------
    ConfigError
        With one line for each invalid field, all of them at once.
    """
    chosen = path or DEFAULT_CONFIG
    values = _read_yaml(chosen)
    variables = _variables(env_file)
    sections = config_type.model_fields
    problems = [
        f"{name}: {value!r}: no such key; {chosen} lists those that exist"
        for name, value in values.items()
        if name not in sections
    ]
    problems += [f"{name}: {value}: must be a number or a text" for name, value in _booleans(values)]
    problems += _unknown_variables(variables, sections)
    problems += _written_secrets(values, chosen)
    known = {name: value for name, value in values.items() if name in sections}
    try:
        config = config_type(_env_file=env_file, **known)
    except ValidationError as error:
        found = error.errors()
        inner = {problem["loc"][:-1] for problem in found}
        listed = [problem for problem in found if problem["type"] != "too_short" or problem["loc"] not in inner]
        problems += [line for problem in listed for line in _describe(chosen, problem)]
    except SettingsError as error:
        problems.append(_not_json(error, variables))
    except RecursionError:
        problems.append("environment: nested too deeply")
    if problems:
        raise ConfigError(problems)
    return config


def configured_path() -> Path:
    """The configuration file that the environment names, for processes without a command line of ours."""
    return Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)


def check_products(texts: Sequence[str]) -> tuple[str, ...]:
    """Parse products given on a command line, separated by blanks or commas; duplicates are dropped.

    Raises
    ------
    UsageError
        With one line for each invalid product.
    """
    names = tuple(dict.fromkeys(name for text in texts for name in text.split(",") if name))
    problems = [
        f"--products: {name!r}: must be like BTC-USD" for name in names if not re.fullmatch(PRODUCT_PATTERN, name)
    ]
    if problems or not names:
        raise UsageError(problems or f"--products: {' '.join(texts)!r}: must name one product at least")
    return names


def _variables(env_file: Path | None) -> dict[str, str]:
    """Variables with our prefix, from the environment and `.env`."""
    try:
        from_file = dotenv_values(env_file) if env_file is not None and env_file.exists() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{env_file}: cannot be read: {error}") from None
    merged: dict[str, str | None] = {**from_file, **os.environ}
    return {name: value or "" for name, value in merged.items() if name.upper().startswith(ENV_PREFIX)}


def _unknown_variables(variables: Mapping[str, str], sections: Collection[str]) -> list[str]:
    return [
        f"{name}: {_shown(name, value)}: no such section; {ENV_PREFIX}<SECTION>__<KEY> with one of"
        f" {', '.join(sections)}"
        for name, value in sorted(variables.items())
        if name not in NOT_CONFIGURATION
        and name.upper().removeprefix(ENV_PREFIX).partition("__")[0].lower() not in sections
    ]


def _booleans(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, bool]]:
    """Booleans in the YAML, such as yes and true, which would pass for the number 1."""
    found: list[tuple[str, bool]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _booleans(value, f"{prefix}{name}.")
        elif isinstance(value, bool):
            found.append((f"{prefix}{name}", value))
    return found


def _written_secrets(values: Mapping[str, Any], path: Path) -> list[str]:
    """Reject secrets in the file, which is shared and kept under version control."""
    problems = []
    if _value(values, "alerts", "webhook", "secret"):
        problems.append(
            f"alerts.webhook.secret: (not shown): must be empty in {path}; set {ENV_PREFIX}ALERTS__WEBHOOK__SECRET"
        )
    for names in (("risk", "database_url"), ("warehouse", "url")):
        url = _value(values, *names)
        if isinstance(url, str) and re.search("//[^/@]*:[^/@]+@", url):
            variable = ENV_PREFIX + "__".join(names).upper()
            problems.append(f"{'.'.join(names)}: (not shown): must have no password in {path}; set {variable}")
    return problems


def _value(values: Mapping[str, Any], *names: str) -> Any:
    place: Any = values
    for name in names:
        place = place.get(name) if isinstance(place, dict) else None
    return place


def _not_json(error: SettingsError, variables: Mapping[str, str]) -> str:
    text = getattr(error.__cause__, "doc", None)
    for name, value in variables.items():
        if value == text:
            shown = "(not shown)" if _SECRET.search(value) else _shown(name, value)
            return f'{name}: {shown}: must be JSON, such as ["BTC-USD"], [10, 60] or {{"bar_ms": 1000}}'
    return f"environment: {error}"


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"--config: {path}: no such file; run from the project's root or name one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config: {path}: cannot be read: {error}") from None
    except RecursionError:
        raise ConfigError(f"--config: {path}: nested too deeply") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"--config: {path}: is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"--config: {path}: must be a mapping of sections")
    return values


def _describe(path: Path, problem: Any) -> list[str]:
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "value_error":
        lines = str(problem["ctx"]["error"]).splitlines()
        return [line if line.count(": ") > 1 else f"{where}: {line}" for line in lines]
    if problem["type"] == "extra_forbidden" and where in MOVED:
        return [f"{where}: {_shown(where, problem['input'])}: this key is now {MOVED[where]}; rename it"]
    if problem["type"] == "extra_forbidden":
        return [f"{where}: {_shown(where, problem['input'])}: no such key; {path} lists those that exist"]
    if problem["type"] == "missing":
        return [f"{where}: missing in {path}"]
    rule = problem["msg"].replace("Input should", "should")
    return [f"{where}: {_shown(where, problem['input'])}: {rule}"]


def _shown(where: str, value: object) -> str:
    """A value for a message, hidden if its key may hold a secret, misspelt or not."""
    return "(not shown)" if _SECRET.search(where) else repr(value)
