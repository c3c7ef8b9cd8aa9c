"""The only reader of YAML and environment: `config.yaml`, `.env` and `TICKVOL_*` become frozen, validated objects."""

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from dotenv import dotenv_values
from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from tickvol.config_sections import (
    PRODUCT_PATTERN,
    AlertsConfig,
    CandlesConfig,
    EvaluationConfig,
    FeaturesConfig,
    IngestionConfig,
    KafkaConfig,
    LabelsConfig,
    LeakcheckConfig,
    MlflowConfig,
    ModelsConfig,
    MonitoringConfig,
    Product,
    PromotionConfig,
    RetrainConfig,
    SchedulesConfig,
    ScoringConfig,
    ServingConfig,
    WalkForwardConfig,
)
from tickvol.core.errors import ConfigError, UsageError

DEFAULT_CONFIG = Path("config.yaml")
ENV_PREFIX = "TICKVOL_"
_SECRET = re.compile("secr|passw|token|webhook|sasl", re.IGNORECASE)
"""In the name of a key that may hold what nobody should read in a log, misspelt or not."""
CONFIG_VARIABLE = "TICKVOL_CONFIG"
NOT_CONFIGURATION = ("TICKVOL_DATA", "TICKVOL_NOTEBOOK_FEATURES", CONFIG_VARIABLE)
"""Variables that override nothing: directories of the demo, the tests and the notebook, the scheduler's file."""


class Config(BaseSettings):
    """All of it, frozen; `load_config` refuses unknown sections, which are only ignored here."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_prefix=ENV_PREFIX, env_nested_delimiter="__", env_file_encoding="utf-8"
    )

    products: Annotated[tuple[Product, ...], Field(min_length=1)]
    kafka: KafkaConfig
    ingestion: IngestionConfig
    features: FeaturesConfig
    candles: CandlesConfig
    labels: LabelsConfig
    models: ModelsConfig
    evaluation: EvaluationConfig
    walk_forward: WalkForwardConfig
    leakcheck: LeakcheckConfig
    mlflow: MlflowConfig
    promotion: PromotionConfig
    retrain: RetrainConfig
    schedules: SchedulesConfig
    serving: ServingConfig
    scoring: ScoringConfig
    monitoring: MonitoringConfig
    alerts: AlertsConfig

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before `.env` before the file; the file comes in as init values."""
        return env_settings, dotenv_settings, init_settings

    @model_validator(mode="after")
    def _products_differ(self) -> "Config":
        twice = [name for name, count in Counter(self.products).items() if count > 1]
        if twice:
            raise ValueError(f"products: {', '.join(twice)}: named twice")
        return self

    @model_validator(mode="after")
    def _horizon_is_whole_bars(self) -> "Config":
        if self.labels.horizon_s * 1000 % self.features.bar_ms:
            raise ValueError(
                f"labels.horizon_s: {self.labels.horizon_s}:"
                f" must be a multiple of features.bar_ms ({self.features.bar_ms})"
            )
        return self

    def of_candles(self) -> "Config":
        """The configuration as closed candles want it: with their bars, windows, horizon, dataset, bundles and
        registered model."""
        own, spec = self.candles, self.candles.spec()
        features = {name: getattr(spec, name) for name in spec.__struct_fields__} | {"dataset_dir": own.dataset_dir}
        return self.model_copy(
            update={
                "features": self.features.model_copy(update=features),
                "labels": self.labels.model_copy(update={"horizon_s": own.horizon_s}),
                "models": self.models.model_copy(update={"artifacts_dir": own.artifacts_dir}),
                "mlflow": self.mlflow.model_copy(
                    update={"registered_model": f"{self.mlflow.registered_model}-candles"}
                ),
                "evaluation": self.evaluation.model_copy(update={"alarm_cooldown_s": own.alarm_cooldown_s}),
            }
        )

    def fingerprint(self) -> str:
        """SHA-256 over what decides results: features, labels, models and evaluation rules; places do not count."""
        decisive = self.model_dump(mode="json", include={"labels", "models", "evaluation", "walk_forward", "candles"})
        decisive["features"] = self.features.spec().fingerprint()
        for section, places in (
            ("models", ("artifacts_dir", "model_type")),
            ("evaluation", ("report_json", "report_html")),
            ("walk_forward", ("report_json", "report_html")),
            ("candles", ("dataset_dir", "artifacts_dir")),
        ):
            for place in places:
                decisive[section].pop(place)
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def load_config(path: Path | None = None, *, env_file: Path | None = Path(".env")) -> Config:
    """Read `path` (default `config.yaml`), `.env` and the environment.

    Raises
    ------
    ConfigError
        With one line for each field that does not hold, all of them at once.
    """
    chosen = path or DEFAULT_CONFIG
    values = _read_yaml(chosen)
    variables = _variables(env_file)
    problems = [f"{name}: {values[name]!r}: no such key; {chosen} lists those that exist" for name in _unknown(values)]
    problems += [f"{name}: {value}: must be a number or a text" for name, value in _truths(values)]
    problems += _unknown_variables(variables)
    problems += _written_secrets(values, chosen)
    known = {name: value for name, value in values.items() if name in Config.model_fields}
    try:
        config = Config(_env_file=env_file, **known)
    except ValidationError as error:
        found = error.errors()
        inner = {problem["loc"][:-1] for problem in found}
        told = [problem for problem in found if problem["type"] != "too_short" or problem["loc"] not in inner]
        problems += [line for problem in told for line in _describe(chosen, problem)]
    except SettingsError as error:
        problems.append(_not_json(error, variables))
    except RecursionError:
        problems.append("environment: nested too deeply")
    if problems:
        raise ConfigError(problems)
    return config


def configured_path() -> Path:
    """The file that the environment names, for processes that have no command line of ours."""
    return Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)


def check_products(texts: Sequence[str]) -> tuple[str, ...]:
    """Products named on a command line, by blanks or commas, each once.

    Raises
    ------
    UsageError
        With one line for each that is no product.
    """
    names = tuple(dict.fromkeys(name for text in texts for name in text.split(",") if name))
    problems = [
        f"--products: {name!r}: must be like BTC-USD" for name in names if not re.fullmatch(PRODUCT_PATTERN, name)
    ]
    if problems or not names:
        raise UsageError(problems or f"--products: {' '.join(texts)!r}: must name one product at least")
    return names


def _variables(env_file: Path | None) -> dict[str, str]:
    """All that the environment and `.env` say under our prefix."""
    try:
        from_file = dotenv_values(env_file) if env_file is not None and env_file.exists() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{env_file}: cannot be read: {error}") from None
    merged: dict[str, str | None] = {**from_file, **os.environ}
    return {name: value or "" for name, value in merged.items() if name.upper().startswith(ENV_PREFIX)}


def _unknown(values: Mapping[str, object]) -> list[str]:
    return [name for name in values if name not in Config.model_fields]


def _unknown_variables(variables: Mapping[str, str]) -> list[str]:
    sections = ", ".join(Config.model_fields)
    return [
        f"{name}: {_shown(name, value)}: no such section; {ENV_PREFIX}<SECTION>__<KEY> with one of {sections}"
        for name, value in sorted(variables.items())
        if name not in NOT_CONFIGURATION
        and name.upper().removeprefix(ENV_PREFIX).partition("__")[0].lower() not in Config.model_fields
    ]


def _truths(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, bool]]:
    """Where YAML's yes and true stand, which would pass for the number 1."""
    found: list[tuple[str, bool]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _truths(value, f"{prefix}{name}.")
        elif isinstance(value, bool):
            found.append((f"{prefix}{name}", value))
    return found


def _written_secrets(values: Mapping[str, Any], path: Path) -> list[str]:
    """A webhook's secret in the file, which is shared and kept under version control."""
    place: Any = values
    for name in ("alerts", "webhook", "secret"):
        place = place.get(name) if isinstance(place, dict) else None
    if not place:
        return []
    return [f"alerts.webhook.secret: (not shown): must be empty in {path}; set {ENV_PREFIX}ALERTS__WEBHOOK__SECRET"]


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
    if problem["type"] == "extra_forbidden":
        return [f"{where}: {_shown(where, problem['input'])}: no such key; {path} lists those that exist"]
    if problem["type"] == "missing":
        return [f"{where}: missing in {path}"]
    rule = problem["msg"].replace("Input should", "should")
    return [f"{where}: {_shown(where, problem['input'])}: {rule}"]


def _shown(where: str, value: object) -> str:
    """A value, but not of a place that may hold a secret, misspelt or not."""
    return "(not shown)" if _SECRET.search(where) else repr(value)
