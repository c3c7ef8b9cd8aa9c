"""Training in MLflow: one run per command, one nested run per detector, and the registry's aliases (never stages)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickvol.tracking.connection import connect, unavailable
from tickvol.tracking.settings import MlflowConfig
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.registry.champions import BOOTSTRAP, changing, make_champion
from tickvol.volatility.registry.versions import CHALLENGER, CHAMPION, directory_of, find_version

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_REQUIREMENTS = ["tickvol"]
"""Passed to `log_model`, which otherwise spends seconds on inferring the imports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorRecord:
    """A trained detector to be logged.

    Attributes
    ----------
    directory : saved bundle.
    metrics : flat names to values; undefined ones are left out, since the store cannot hold them.
    figures : file names to figures.
    """

    bundle: Bundle
    directory: Path
    metrics: Mapping[str, float | None]
    figures: "Mapping[str, Figure]"


@dataclass(frozen=True, slots=True)
class Registered:
    """A version in the registry and the aliases that it was given."""

    name: str
    version: str
    aliases: tuple[str, ...]


def log_training(
    settings: MlflowConfig,
    *,
    params: Mapping[str, Any],
    figures: "Mapping[str, Figure]",
    records: Sequence[DetectorRecord],
    best: Bundle,
    at: str,
) -> Registered:
    """Log everything of one training command and register its best bundle.

    Parameters
    ----------
    at : time for the ledger of champions, ISO 8601.

    Raises
    ------
    TrackingUnavailable
        When MLflow cannot be reached or fails meanwhile.
    """
    experiment = connect(settings)
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        with mlflow.start_run(experiment_id=experiment, run_name="train"):
            mlflow.log_params(dict(params))
            mlflow.set_tags({"simulated": str(best.simulated).lower(), "best_on_validation": best.name})
            for name, figure in figures.items():
                mlflow.log_figure(figure, f"figures/{name}")
            uris = {record.bundle.name: _log_detector(record, experiment) for record in records}
            return register(settings, uris[best.name], simulated=best.simulated, at=at)
    except MlflowException as error:
        raise unavailable(settings, error) from error


def _log_detector(record: DetectorRecord, experiment: str) -> str:
    import mlflow

    manifest = record.bundle.manifest
    with mlflow.start_run(experiment_id=experiment, run_name=record.bundle.name, nested=True):
        mlflow.log_params(
            {
                "detector": manifest.name,
                "baseline": manifest.baseline,
                "seed": manifest.seed,
                "config_hash": manifest.provenance.config_hash,
                "data_fingerprint": manifest.provenance.data_fingerprint,
                "bundle_hash": record.bundle.version,
            }
        )
        mlflow.log_metrics({name: float(value) for name, value in record.metrics.items() if value is not None})
        for name, figure in record.figures.items():
            mlflow.log_figure(figure, f"figures/{name}")
        logged = mlflow.pyfunc.log_model(
            name=manifest.name,
            loader_module="tickvol.tracking.bundle_flavor",
            data_path=str(record.directory),
            pip_requirements=_REQUIREMENTS,
        )
    return str(logged.model_uri)


def register(settings: MlflowConfig, uri: str, *, simulated: bool, at: str) -> Registered:
    """Register a logged model as a new version: `challenger`, and `champion` if there is none that may stay.

    A champion trained on the simulated market gives way to the first version trained on real data. Every other change
    of the champion is a promotion or a rollback.

    Parameters
    ----------
    at : time for the ledger, ISO 8601.
    """
    import mlflow

    client, name = mlflow.MlflowClient(), settings.registered_model
    version = str(mlflow.register_model(uri, name, tags={"simulated": str(simulated).lower()}).version)
    client.set_registered_model_alias(name, CHALLENGER, version)
    with changing(settings):
        served = client.get_registered_model(name).aliases.get(CHAMPION)
        if served is None:
            reason = "the first version, nobody served"
        elif not simulated and client.get_model_version(name, str(served)).tags.get("simulated") == "true":
            reason = "the first version of real data, the champion was of the simulated market"
        else:
            return Registered(name, version, (CHALLENGER,))
        make_champion(settings, version, kind=BOOTSTRAP, content={"at": at, "reason": reason})
    return Registered(name, version, (CHALLENGER, CHAMPION))


def resolve_alias(settings: MlflowConfig, alias: str = CHAMPION) -> Path:
    """Directory of the bundle that a registry alias names; `Bundle.load` verifies it.

    Raises
    ------
    TrackingUnavailable
        When MLflow cannot be reached.
    InputError
        When the registry has no such alias, or its artifacts hold no bundle.
    """
    version = find_version(settings, alias)
    return directory_of(version.source, f"models:/{settings.registered_model}@{alias}")


def alias_source(settings: MlflowConfig, alias: str = CHAMPION) -> str:
    """Location of the artifacts that an alias names, without fetching them: it changes when the alias moves.

    Raises
    ------
    TrackingUnavailable, InputError
        As `resolve_alias`.
    """
    return find_version(settings, alias).source
