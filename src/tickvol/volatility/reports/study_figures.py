"""Figures of walk-forward studies."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tickvol.volatility.evaluation.judge import JudgedRows, ScoredDetector
from tickvol.volatility.evaluation.metrics import calibration_bins
from tickvol.volatility.evaluation.study import candidates_of
from tickvol.volatility.reports.evaluation_figures import (
    MODEL_COLOURS,
    calibration_figure,
    canvas,
    lead_figure,
    pr_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN_BASELINES = 2


def study_figures(
    document: Mapping[str, Any], rows: JudgedRows, detectors: Sequence[ScoredDetector]
) -> "list[tuple[str, Figure]]":
    """Captions and figures, in display order."""
    best = document["best_baseline"]
    ranked = [name for name, figures in candidates_of(document) if figures["baseline"]][:_SHOWN_BASELINES]
    shown = [one for one in detectors if not one.baseline or one.name in ranked]
    bins = {one.name: calibration_bins(rows.positive, one.probability) for one in shown}
    return [
        ("Lead in PR-AUC over the best baseline, with 95% intervals", lead_figure(document["detectors"], best)),
        ("PR-AUC fold by fold, against prevalence", fold_figure(document)),
        ("Precision and recall over all folds", pr_figure(rows, shown, best)),
        ("Calibration over all folds", calibration_figure(bins, shown, best)),
        ("How much more days would bring", learning_figure(document)),
        ("Spikes caught against false alarms", operating_figure(document)),
        ("Share of spikes missed by day, at a promised level", conformal_figure(document)),
    ]


def fold_figure(document: Mapping[str, Any]) -> "Figure":
    """PR-AUC of each candidate on each fold; the bar at the bottom is the fold's prevalence."""
    folds = document["folds"]
    figure, axes = canvas(8.0, 4.2)
    names = [name for name, _ in candidates_of(document) if name in folds[0]["test_pr_auc"]]
    width = 0.8 / len(names)
    colours = iter(MODEL_COLOURS)
    for place, name in enumerate(names):
        values = [fold["test_pr_auc"][name] or 0.0 for fold in folds]
        colour = "#aaaaaa" if document["detectors"][name]["baseline"] else next(colours, "#222222")
        at = np.arange(len(folds)) - 0.4 + (place + 0.5) * width
        axes.bar(at, values, width * 0.9, color=colour, label=None if colour == "#aaaaaa" else name)
    for number, fold in enumerate(folds):
        share = fold["test_spikes"] / fold["test_rows"]
        axes.plot([number - 0.4, number + 0.4], [share, share], color="#b00020", linewidth=1.5)
    labels = [f"fold {fold['number']}\n{fold['test_from'][:10]} to {fold['test_to'][:10]}" for fold in folds]
    axes.set_xticks(range(len(folds)), labels, fontsize=8)
    axes.set(ylabel="PR-AUC", title="Fold by fold (grey: baselines; red line: prevalence)")
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def learning_figure(document: Mapping[str, Any]) -> "Figure":
    """PR-AUC on the last fold against days of train rows."""
    figure, axes = canvas(7.0, 4.2)
    curve = document["learning_curve"]
    for name, colour in zip(curve[-1]["pr_auc"], ("#777777", "#111111", *MODEL_COLOURS), strict=False):
        known = [(point["days"], point["pr_auc"].get(name)) for point in curve if point["pr_auc"].get(name) is not None]
        axes.plot([days for days, _ in known], [value for _, value in known], marker="o", color=colour, label=name)
    axes.set(xlabel="days of train rows (the latest ones)", ylabel="PR-AUC on the last fold", title="Learning curve")
    axes.set_xscale("log")
    axes.legend(fontsize=8, frameon=False)
    return figure


def operating_figure(document: Mapping[str, Any]) -> "Figure":
    """Share of events caught at the configured false-alarm rates."""
    figure, axes = canvas(7.0, 4.2)
    colours = iter(MODEL_COLOURS)
    for name, figures in candidates_of(document):
        if figures["baseline"] and name != document["best_baseline"]:
            continue
        points = figures["operating_points"]
        rates = [point["at_most"] for point in points]
        caught = [point["caught_share"] or 0.0 for point in points]
        colour = "#111111" if figures["baseline"] else next(colours, "#222222")
        axes.plot(rates, caught, marker="o", color=colour, label=name, linestyle="--" if figures["baseline"] else "-")
    axes.set(
        xlabel="false alarms an hour, at most",
        ylabel="share of events caught",
        ylim=(0, 1.02),
        title="Operating points",
    )
    axes.legend(fontsize=8, frameon=False)
    return figure


def conformal_figure(document: Mapping[str, Any]) -> "Figure":
    """Share of missed spikes per day, for days that hold spikes, with a fixed and an adaptive threshold."""
    figure, axes = canvas(8.0, 4.0)
    folds = document["conformal"]
    for kind, colour in (("fixed", "#aaaaaa"), ("adaptive", MODEL_COLOURS[0])):
        missed = [share for fold in folds for share in fold[kind]["missed_by_day"].values()]
        axes.plot(np.sort(missed)[::-1], np.linspace(0, 1, len(missed)), color=colour, label=kind)
    alpha = folds[0]["alpha"]
    axes.axvline(alpha, color="#b00020", linewidth=1, label=f"promised {alpha:.2f}")
    axes.set(xlabel="share of a day's spike rows missed", ylabel="share of days with more", title="Conformal threshold")
    axes.legend(fontsize=8, frameon=False)
    return figure
