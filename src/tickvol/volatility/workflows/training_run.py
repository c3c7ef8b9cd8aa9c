"""MLflow record of a training run: parameters, metrics by product and regime, figures, bundles."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tickvol.core.times import now_iso
from tickvol.volatility.evaluation.judge import JudgedRows, ScoredDetector
from tickvol.volatility.evaluation.lead import best_baseline
from tickvol.volatility.evaluation.metrics import calibration_bins, ranking
from tickvol.volatility.evaluation.regimes import REGIMES
from tickvol.volatility.evaluation.selection import Selection, select
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.training import Prepared
from tickvol.volatility.registry.runs import DetectorRecord, log_training
from tickvol.volatility.reports.evaluation_figures import calibration_figure, pr_figure, timeline_figure
from tickvol.volatility.settings.profile import MarketProfile

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def log_run(profile: MarketProfile, prepared: Prepared, bundles: Sequence[Bundle], best: Bundle) -> list[str]:
    """Log and register a training run; returns lines for the user.

    Raises
    ------
    TrackingUnavailable
        When MLflow cannot be reached; bundles on disk are complete then.
    """
    selection = select(prepared.table, bundles)
    rows, scored = selection.rows, selection.detectors
    baselines = [bundle for bundle in bundles if bundle.manifest.baseline]
    yardstick = best_baseline({bundle.name: _pr_auc(bundle) for bundle in baselines})
    bins = {detector.name: calibration_bins(rows.positive, detector.probability) for detector in scored}
    metrics = logged_metrics(selection)
    records = [
        DetectorRecord(
            bundle=selection.bundles[detector.name],
            directory=profile.models.artifacts_dir / detector.name,
            metrics=metrics[detector.name],
            figures={"timeline.png": _timeline(profile, rows, detector)},
        )
        for detector in scored
    ]
    registered = log_training(
        profile.mlflow,
        params=_params(profile, prepared, best),
        figures={
            "pr_curves.png": pr_figure(rows, scored, yardstick),
            "calibration.png": calibration_figure(bins, scored, yardstick),
        },
        records=records,
        best=best,
        at=now_iso(),
    )
    aliases = " and ".join(registered.aliases)
    what = "the baseline " if best.manifest.baseline else ""
    return [
        f"tracking    {profile.mlflow.tracking_uri}, experiment {profile.mlflow.experiment}",
        f"registered  {registered.name} version {registered.version}: {what}{best.name}, as {aliases}",
    ]


def _pr_auc(bundle: Bundle) -> float | None:
    return bundle.manifest.metrics["test"]["pr_auc"]


def _timeline(profile: MarketProfile, rows: JudgedRows, detector: ScoredDetector) -> "Figure":
    return timeline_figure(
        rows, detector, horizon_s=profile.labels.horizon_s, cooldown_s=profile.evaluation.alarm_cooldown_s
    )


def _params(profile: MarketProfile, prepared: Prepared, best: Bundle) -> Mapping[str, Any]:
    """Parameters named as in the configuration, so that a run can be compared with the file."""
    manifest = best.manifest
    params: dict[str, Any] = {
        f"{section}.{key}": value
        for section, values in (
            ("labels", profile.labels.model_dump(mode="json")),
            ("models", profile.models.model_dump(mode="json")),
            ("features", msgspec.to_builtins(profile.spec) | {"dataset_dir": str(profile.dataset_dir)}),
        )
        for key, value in values.items()
    }
    rows = {f"rows.{part}": count for part, count in manifest.split.rows.items()}
    spikes = {f"spikes.{part}": count for part, count in manifest.split.spikes.items()}
    return (
        params
        | rows
        | spikes
        | {
            "products": ",".join(prepared.table.products),
            "config_hash": manifest.provenance.config_hash,
            "code_version": manifest.provenance.code_version,
            "data_fingerprint": manifest.provenance.data_fingerprint,
            "simulated": prepared.table.simulated,
        }
    )


def logged_metrics(selection: Selection) -> dict[str, dict[str, float | None]]:
    """Logged metrics of each detector, by its name: those of its bundle, and those by product and regime."""
    return {
        detector.name: _flat(selection.bundles[detector.name]) | _by_group(selection.rows, detector)
        for detector in selection.detectors
    }


def _flat(bundle: Bundle) -> dict[str, float | None]:
    return {
        f"{part}.{name}": value for part, figures in bundle.manifest.metrics.items() for name, value in figures.items()
    }


def _by_group(rows: JudgedRows, detector: ScoredDetector) -> dict[str, float | None]:
    """PR-AUC and prevalence on test, by product and by volatility regime."""
    groups = {f"product.{name}": rows.product == place for place, name in enumerate(rows.products)}
    groups |= {f"regime.{name}": rows.regime == place for place, name in enumerate(REGIMES)}
    flat: dict[str, float | None] = {}
    for name, inside in groups.items():
        figures = ranking(rows.positive[inside], detector.margin[inside])
        flat |= {f"test.{name}.{key}": figures[key] for key in ("pr_auc", "prevalence", "rows")}
    return flat
