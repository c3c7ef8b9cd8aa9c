"""Versions of the registered model by alias or number, their bundles, and the detectors trained with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tickvol.core.errors import InputError
from tickvol.tracking.bundle_flavor import bundle_directory
from tickvol.tracking.connection import connect, unavailable
from tickvol.tracking.settings import MlflowConfig
from tickvol.volatility.models.bundle import Bundle

CHAMPION = "champion"
CHALLENGER = "challenger"
PREVIOUS = "previous"
"""The former champion, kept as the rollback target."""

_PARENT = "mlflow.parentRunId"


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the registered model."""

    number: str
    run_id: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorRun:
    """A detector as logged by a training run: its run, the location of its bundle, and its logged values."""

    run_id: str
    name: str
    source: str
    params: dict[str, str]
    metrics: dict[str, float]


@contextmanager
def mlflow_client(settings: MlflowConfig) -> Iterator[Any]:
    """Client of the configured store; not-found errors are left to the caller, other errors are raised as unavailable.

    Raises
    ------
    TrackingUnavailable
        When MLflow cannot be reached or fails meanwhile.
    """
    connect(settings)
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        yield mlflow.MlflowClient()
    except MlflowException as error:
        raise unavailable(settings, error) from error


def _absent(error: Any) -> bool:
    return error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND")


def find_version(settings: MlflowConfig, name: str) -> Version:
    """Version by alias or number.

    Raises
    ------
    TrackingUnavailable
        When MLflow cannot be reached.
    InputError
        When the registry has no such alias or version.
    """
    from mlflow.exceptions import MlflowException

    model = settings.registered_model
    with mlflow_client(settings) as client:
        try:
            if name.isdecimal():
                found = client.get_model_version(model, name)
            else:
                found = client.get_model_version_by_alias(model, name)
        except MlflowException as error:
            if not _absent(error):
                raise
            if name.isdecimal():
                raise InputError(f"models:/{model}/{name}: the registry has no such version") from None
            raise InputError(
                f"models:/{model}@{name}: the registry has no such alias; `tickvol train` makes one"
            ) from None
    return Version(str(found.version), str(found.run_id), str(found.source))


def aliases(settings: MlflowConfig) -> dict[str, str]:
    """Version by alias; empty if nothing was registered."""
    from mlflow.exceptions import MlflowException

    with mlflow_client(settings) as client:
        try:
            found = client.get_registered_model(settings.registered_model).aliases
        except MlflowException as error:
            if not _absent(error):
                raise
            return {}
    return {alias: str(version) for alias, version in found.items()}


def directory_of(source: str, named: str) -> Path:
    """Directory of a logged model's bundle, downloaded if the store is remote; `Bundle.load` verifies it.

    Parameters
    ----------
    named : start of the error messages.

    Raises
    ------
    InputError
        When its artifacts are gone or hold no bundle.
    """
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        local = Path(mlflow.artifacts.download_artifacts(source))
    except (MlflowException, OSError) as error:
        raise InputError(f"{named}: its artifacts cannot be read ({error}); train again") from error
    directory = bundle_directory(local)
    if directory is None:
        raise InputError(f"{named}: holds no bundle; train again")
    return directory


def bundle_of(settings: MlflowConfig, version: Version) -> Bundle:
    """Bundle of a version, verified."""
    return Bundle.load(directory_of(version.source, f"models:/{settings.registered_model}/{version.number}"))


def bundle_hash_of(settings: MlflowConfig, version: Version) -> str | None:
    """Hash of the bundle of a version as its run logged it; None if it did not."""
    with mlflow_client(settings) as client:
        found = client.get_run(version.run_id).data.params.get("bundle_hash")
    return None if found is None else str(found)


def baselines_of_run(settings: MlflowConfig, version: Version) -> list[Bundle]:
    """Baselines of the training run that made a version."""
    runs = detector_runs(settings, version.run_id, siblings=True)
    return [Bundle.load(directory_of(run.source, run.name)) for run in runs if run.params.get("baseline") == "True"]


def detector_runs(settings: MlflowConfig, run_id: str, *, siblings: bool = False) -> list[DetectorRun]:
    """Detectors of a run by name: all for a training run, one for a detector's own run.

    Parameters
    ----------
    siblings : for a detector's own run, include the detectors that were trained with it.

    Raises
    ------
    InputError
        When there is no such run, or it trained nothing.
    """
    from mlflow.exceptions import MlflowException

    with mlflow_client(settings) as client:
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            if not _absent(error):
                raise
            raise InputError(f"run {run_id}: MLflow has no such run") from None
        parent = run.data.tags.get(_PARENT)
        runs = [run]
        if parent is None or siblings:
            where = f"tags.`{_PARENT}` = '{parent or run_id}'"
            runs = list(client.search_runs([run.info.experiment_id], where))
    found = [_detector_run(run) for run in runs if run.outputs and run.outputs.model_outputs]
    if not found:
        raise InputError(f"run {run_id}: logged no detector; give a run of `tickvol train`")
    return sorted(found, key=lambda run: run.name)


def run_of_bundle(settings: MlflowConfig, bundle_hash: str) -> str:
    """The newest run that logged a bundle of this hash.

    Raises
    ------
    InputError
        When there is none.
    """
    experiment = connect(settings)
    with mlflow_client(settings) as client:
        found = client.search_runs([experiment], f"params.bundle_hash = '{bundle_hash}'", max_results=1)
    if not found:
        raise InputError(f"bundle {bundle_hash}: no run of experiment {settings.experiment} logged it")
    return str(found[0].info.run_id)


def training_params(settings: MlflowConfig, run_id: str) -> dict[str, str]:
    """Parameters of a training run, by its own run id or by one of its detectors'."""
    with mlflow_client(settings) as client:
        run = client.get_run(run_id)
        parent = run.data.tags.get(_PARENT)
        return dict((client.get_run(parent) if parent else run).data.params)


def _detector_run(run: Any) -> DetectorRun:
    return DetectorRun(
        run_id=str(run.info.run_id),
        name=str(run.data.params.get("detector", run.info.run_name)),
        source=f"models:/{run.outputs.model_outputs[0].model_id}",
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
    )
