"""Figures of an evaluation: PR curves, calibration, leads with intervals, scores against spikes.

Each function returns a Matplotlib figure outside pyplot's global state; the caller saves it. Models are drawn in
colour, baselines in grey, the best baseline in black.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tickvol.core.times import NS_PER_S
from tickvol.volatility.evaluation.events import find_alarms, find_events
from tickvol.volatility.evaluation.judge import JudgedRows, ScoredDetector
from tickvol.volatility.evaluation.metrics import judgeable, precision_recall

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MODEL_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#882255", "#44aa99")
_BASELINE_DASHES = ("--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 3)))
_SPIKE_COLOUR = "#f3b6a5"
_DPI = 110


def png(figure: "Figure") -> bytes:
    """The figure as PNG without date or software metadata: the same figure gives the same bytes."""
    page = io.BytesIO()
    figure.savefig(page, format="png", dpi=_DPI, metadata={"Software": None})
    return page.getvalue()


def pr_figure(rows: JudgedRows, detectors: Sequence[ScoredDetector], best_baseline: str | None) -> "Figure":
    """Precision against recall at every threshold, with the prevalence as the no-skill line."""
    figure, axes = canvas(7.0, 5.0)
    for detector, style in _styled(detectors, best_baseline):
        if judgeable(rows.positive, detector.margin):
            precision, recall, _ = precision_recall(rows.positive, detector.margin)
            axes.step(np.append(0.0, recall), np.append(precision[0], precision), where="pre", **style)
    prevalence = float(rows.positive.mean())
    axes.axhline(prevalence, color="#999999", linewidth=0.8, label=f"prevalence {prevalence:.3f}")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02), title="Precision and recall")
    axes.legend(fontsize=8, frameon=False)
    return figure


def calibration_figure(
    bins: Mapping[str, Sequence[Mapping[str, float]]], detectors: Sequence[ScoredDetector], best_baseline: str | None
) -> "Figure":
    """Reliability diagram: share of spikes against mean probability in bins of equal mass; calibrated on the diagonal.

    Parameters
    ----------
    bins : `calibration_bins` of each detector by name.
    """
    figure, axes = canvas(5.5, 5.0)
    top = 0.05
    for detector, style in _styled(detectors, best_baseline):
        found = bins.get(detector.name, ())
        said = [part["mean_probability"] for part in found]
        was = [part["spike_share"] for part in found]
        top = max([top, *said, *was])
        axes.plot(said, was, marker="o", markersize=3, **style)
    axes.plot([0, top], [0, top], color="#999999", linewidth=0.8, label="calibrated")
    axes.set(xlabel="mean probability of the bin", ylabel="share of spikes", title="Calibration")
    axes.legend(fontsize=8, frameon=False)
    return figure


def lead_figure(figures: Mapping[str, Mapping[str, Any]], best_baseline: str | None) -> "Figure":
    """Lead in PR-AUC over the best baseline with its 95% interval; hollow markers have no interval.

    Parameters
    ----------
    figures : `detectors` of the report.
    """
    names = sorted(figures, key=lambda name: figures[name]["lead"] if figures[name]["lead"] is not None else -np.inf)
    figure, axes = canvas(7.0, 1.2 + 0.4 * len(names))
    for place, name in enumerate(names):
        lead, interval = figures[name]["lead"], figures[name]["lead_interval"]
        if lead is None:
            continue
        colour = "#777777" if figures[name]["baseline"] else MODEL_COLOURS[0]
        if interval["low"] is not None:
            axes.plot([interval["low"], interval["high"]], [place, place], color=colour, linewidth=2)
        axes.plot(lead, place, "o", color=colour, markerfacecolor="white" if interval["low"] is None else colour)
    axes.axvline(0, color="#999999", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel=f"PR-AUC minus that of {best_baseline or 'no baseline'}", title="Lead over the best baseline")
    return figure


def timeline_figure(rows: JudgedRows, detector: ScoredDetector, *, horizon_s: int, cooldown_s: int) -> "Figure":
    """Probability over time with spikes shaded and alarms marked, one panel per product.

    Breaks in the recording are left out (marked by a vertical line each), so that sessions of different days fit one
    axis.
    """
    shown = np.unique(rows.product)
    figure, panels = _panels(11.0, 1.0 + 2.2 * len(shown), len(shown))
    for number, axes in zip(shown, panels, strict=True):
        _timeline_panel(axes, rows, detector, int(number), horizon_s * NS_PER_S, cooldown_s * NS_PER_S)
    panels[-1].set_xlabel("UTC; silences of the recording left out")
    return figure


def _timeline_panel(
    axes: "Axes", rows: JudgedRows, detector: ScoredDetector, product: int, horizon_ns: int, cooldown_ns: int
) -> None:
    mine = rows.product == product
    owner, times, probability = rows.product[mine], rows.bar_end_ns[mine], detector.probability[mine]
    place = np.searchsorted(rows.axis.bar_end_ns, times)
    events = find_events(owner, times, rows.positive[mine], horizon_ns)
    for onset, end in zip(events.onset_ns, events.end_ns, strict=True):
        left, right = np.searchsorted(rows.axis.bar_end_ns, [onset, end])
        axes.axvspan(left - 0.5, right + 0.5, color=_SPIKE_COLOUR, linewidth=0)
    whole = np.full(len(rows.axis.bar_end_ns), np.nan)
    whole[place] = probability
    axes.plot(whole, color=MODEL_COLOURS[0], linewidth=0.8)
    threshold = np.broadcast_to(detector.threshold_of(mine), times.shape)
    level = np.full(len(whole), np.nan)
    level[place] = threshold
    axes.plot(level, color="#555555", linewidth=0.8, linestyle="--")
    alarms = find_alarms(owner, times, probability >= threshold, cooldown_ns)
    axes.plot(place[alarms], probability[alarms], "v", color="#111111", markersize=4)
    for start in rows.axis.run_start[1:]:
        axes.axvline(start, color="#bbbbbb", linewidth=0.6)
    ticks = _tick_places(rows.axis.run_start, len(rows.axis.bar_end_ns))
    axes.set_xticks(ticks, [_minute(rows.axis.bar_end_ns[tick]) for tick in ticks], fontsize=7)
    axes.set(ylabel="probability", xlim=(0, max(1, len(whole) - 1)))
    axes.set_title(f"{rows.products[product]}: {detector.name}, spikes shaded, alarms marked", fontsize=9)


def _tick_places(run_start: NDArray[np.intp], bars: int) -> NDArray[np.intp]:
    regular = np.linspace(0, bars - 1, min(8, bars)).astype(np.intp)
    if len(run_start) > 8 or len(run_start) == 1:
        return regular
    return run_start


def _minute(time_ns: np.int64) -> str:
    return str(np.datetime64(int(time_ns), "ns").astype("datetime64[m]")).replace("T", "\n")


def _styled(
    detectors: Sequence[ScoredDetector], best_baseline: str | None
) -> list[tuple[ScoredDetector, dict[str, Any]]]:
    styled: list[tuple[ScoredDetector, dict[str, Any]]] = []
    baselines = [detector for detector in detectors if detector.baseline]
    for number, detector in enumerate(baselines):
        colour = "#111111" if detector.name == best_baseline else "#999999"
        dashes = _BASELINE_DASHES[number % len(_BASELINE_DASHES)]
        styled.append((detector, {"color": colour, "linestyle": dashes, "linewidth": 1.0, "label": detector.name}))
    models = [detector for detector in detectors if not detector.baseline]
    for number, detector in enumerate(models):
        colour = MODEL_COLOURS[number % len(MODEL_COLOURS)]
        styled.append((detector, {"color": colour, "linewidth": 1.8, "label": detector.name}))
    return styled


def canvas(width: float, height: float) -> "tuple[Figure, Axes]":
    """A figure with one pair of axes, size in inches."""
    figure, panels = _panels(width, height, 1)
    return figure, panels[0]


def _panels(width: float, height: float, panels: int) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, list(figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0])
