"""Studies in MLflow: one run, with a nested run for each candidate."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tickvol.tracking.connection import connect, unavailable
from tickvol.tracking.settings import MlflowConfig
from tickvol.volatility.models.walk_forward import FoldResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIGURES = ("pr_auc", "lead", "brier", "log_score", "prevalence", "precision", "recall", "f1")


def log_study(
    settings: MlflowConfig,
    document: Mapping[str, Any],
    results: Sequence[FoldResult],
    figures: "Mapping[str, Figure]",
) -> None:
    """Log a study's document, its figures and, nested, the metrics of each candidate.

    Raises
    ------
    TrackingUnavailable
        When MLflow cannot be reached or fails meanwhile.
    """
    experiment = connect(settings)
    import mlflow
    from mlflow.exceptions import MlflowException

    provenance = next(iter(results[0].bundles.values())).manifest.provenance
    try:
        with mlflow.start_run(experiment_id=experiment, run_name=f"walk-forward {document['name']}"):
            mlflow.log_params(
                {
                    "source": document["source"],
                    "horizon_s": document["label"]["horizon_s"],
                    "folds": len(results),
                    "config_hash": provenance.config_hash,
                    "code_version": provenance.code_version,
                    "data_fingerprint": provenance.data_fingerprint,
                    "best_baseline": document["best_baseline"],
                    "trials": document["trials"],
                }
            )
            mlflow.log_dict(dict(document), "study.json")
            for caption, figure in figures.items():
                mlflow.log_figure(figure, f"figures/{caption.split(',')[0].lower().replace(' ', '_')}.png")
            for name, of in document["detectors"].items():
                with mlflow.start_run(experiment_id=experiment, run_name=name, nested=True):
                    mlflow.log_metrics(_flat(of))
    except MlflowException as error:
        raise unavailable(settings, error) from error


def _flat(figures: Mapping[str, Any]) -> dict[str, float]:
    flat = {name: figures[name] for name in _FIGURES}
    flat |= {f"lead_{end}": figures["lead_interval"][end] for end in ("low", "high")}
    flat["calibration_error"] = figures["calibration_error"]["value"]
    return {name: float(value) for name, value in flat.items() if value is not None}
