"""Hyperparameter searches in MLflow: one run, with a nested run for each trial."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tickvol.tracking.connection import connect, unavailable
from tickvol.tracking.settings import MlflowConfig
from tickvol.volatility.models.manifest import Provenance


class SearchTrial(Protocol):
    """The part of a search's trial that is logged."""

    @property
    def number(self) -> int:
        """Number of the trial, from 0."""

    @property
    def value(self) -> float | None:
        """Result of the trial; None if it was pruned or failed."""

    @property
    def params(self) -> Mapping[str, Any]:
        """Parameters tried."""

    @property
    def state(self) -> Any:
        """Final state, with a `name`."""


def log_search(settings: MlflowConfig, name: str, trials: Sequence[SearchTrial], provenance: Provenance) -> None:
    """Log all trials of a search.

    Raises
    ------
    TrackingUnavailable
        When MLflow cannot be reached or fails meanwhile.
    """
    experiment = connect(settings)
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        with mlflow.start_run(experiment_id=experiment, run_name=f"search {name}"):
            mlflow.log_params({"config_hash": provenance.config_hash, "data_fingerprint": provenance.data_fingerprint})
            known = [trial.value for trial in trials if trial.value is not None]
            mlflow.log_metrics({"trials": len(trials), **({"best": max(known)} if known else {})})
            for trial in trials:
                with mlflow.start_run(experiment_id=experiment, run_name=f"trial {trial.number}", nested=True):
                    mlflow.log_params(dict(trial.params))
                    mlflow.set_tag("state", trial.state.name.lower())
                    if trial.value is not None:
                        mlflow.log_metric("validation_pr_auc", trial.value)
    except MlflowException as error:
        raise unavailable(settings, error) from error
