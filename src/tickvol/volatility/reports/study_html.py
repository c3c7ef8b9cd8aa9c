"""Walk-forward studies as one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from typing import Any

from tickvol.volatility.evaluation.study import candidates_of
from tickvol.volatility.reports.page import (
    Block,
    Figure,
    Heading,
    Paragraph,
    Table,
    VerdictBox,
    interval_text,
    number_text,
    render_page,
)

_METHOD = (
    "Each fold is trained on all rows before it. Label threshold, calibration, alarm threshold, number of trees and "
    "the choice among candidates are made on the last part of these; the fold's own rows judge. PR-AUC is taken "
    "within folds and averaged by their spikes. Intervals are the middle 95% of block-bootstrap resamples. The best "
    "baseline is the best on the judged rows themselves, the hardest to lead."
)


def render(document: Mapping[str, Any], figures: Sequence[Sequence[tuple[str, bytes]]]) -> str:
    """Render the page.

    Parameters
    ----------
    document : as `tickvol walk-forward` writes it.
    figures : caption and PNG of each figure, for each study that was evaluated.
    """
    judged = [study for study in document["studies"] if study["not_judged_because"] is None]
    blocks: list[Block] = [
        Heading("Spike detectors on days that nobody trained on", level=1),
        Paragraph(_METHOD),
        Heading("All studies side by side"),
        _side_by_side(judged),
    ]
    blocks += [
        Paragraph(f"{study['name']}: not judged: {study['not_judged_because']}", warning=True)
        for study in document["studies"]
        if study["not_judged_because"] is not None
    ]
    for study, drawn in zip(judged, figures, strict=True):
        blocks += [*_study(study), *(Figure(caption, image) for caption, image in drawn)]
    hashes = [[f"features of {study['name']}", study["features"]["fingerprint"]] for study in judged]
    blocks += [
        Heading("Where the figures come from"),
        Table(["what", "hash"], [["configuration", document["config_hash"]], *hashes]),
    ]
    return render_page("tickvol walk-forward", blocks)


def _side_by_side(studies: Sequence[Mapping[str, Any]]) -> Table:
    body = []
    for study in studies:
        chosen, sample = study["detectors"]["selected"], study["sample"]
        best = study["detectors"][study["best_baseline"]]
        body.append(
            [
                study["name"],
                f"{study['days']:.2f}",
                str(sample["events"]),
                number_text(chosen["prevalence"]),
                f"{study['best_baseline']} {number_text(best['pr_auc'])}",
                number_text(chosen["pr_auc"]),
                number_text(chosen["lead"], signed=True),
                interval_text(chosen["lead_interval"]),
                number_text(chosen["calibration_error"]["value"]),
                str(study["trials"]),
                str(len(study["sealed"]["openings"])),
            ]
        )
    header = ["study", "test days", "events", "prevalence", "best baseline", "selected", "lead", "95% interval"]
    header += ["calibration error", "trials", "sealed block opened"]
    return Table(header, body)


def _study(study: Mapping[str, Any]) -> list[Block]:
    simulated = Paragraph("simulated market: these figures say nothing about real markets", warning=True)
    return [
        Heading(study["name"], level=1),
        *([simulated] if study["simulated"] else []),
        verdict_of(study),
        Heading("All candidates"),
        _candidates(study),
        Heading("Lead over each baseline"),
        _leads(study),
        Heading("Folds"),
        _folds(study),
        *(Paragraph(f"left out: {because}", warning=True) for because in study["folds_left_out"]),
        Heading("Events at bearable rates of false alarms: caught, of them early, median lead time"),
        _operating(study),
        Heading("What the forecast loses without a group of inputs"),
        _ablation(study),
        Heading("By product and volatility regime, what was selected"),
        _parts(study),
    ]


def verdict_of(study: Mapping[str, Any]) -> VerdictBox:
    """Verdict on the selected candidate, and on the sealed block."""
    chosen = study["detectors"]["selected"]
    after = chosen["lead_after_trials"]
    if after is None:
        luck = f"no interval: {study['sample']['no_interval_because']}"
    else:
        luck = (
            f"after {after['trials']} trials a lead of {after['luck']:+.3f} would be luck; what is left is "
            f"{after['lead']:+.3f}, above zero with probability {number_text(after['probability_above_zero'])}"
        )
    settled, sealed = chosen["days_to_settle"], study["sealed"]
    about = f"{settled['days']:.2f} days of test rows" if settled["days"] is not None else "no number of days"
    roughly = " (rough: too few blocks for an interval)" if settled["rough"] else ""
    lead = number_text(chosen["lead"], signed=True)
    openings = [
        f"opened {one['date']}: bundle {(one['bundle_hash'] or 'none')[:12]}, PR-AUC {number_text(one['pr_auc'])}"
        for one in sealed["openings"]
    ]
    plain = [
        luck,
        f"{about} would settle a lead of {lead}, with probability 0.8{roughly}",
        f"sealed block from {sealed['from']}, opened {len(sealed['openings'])} times",
        *openings,
    ]
    return VerdictBox([("selected: ", chosen["verdict"]), *((text, "") for text in plain)])


def _candidates(study: Mapping[str, Any]) -> Table:
    header = ["candidate", "kind", "PR-AUC", "95% interval", "lead", "95% interval", "Brier gain on HAR"]
    header += ["log gain on HAR", "calibration error", "95% of the resamples", "verdict"]
    body = [
        [
            name,
            "baseline" if one["baseline"] else "model",
            number_text(one["pr_auc"]),
            interval_text(one["pr_auc_interval"]),
            number_text(one["lead"], signed=True),
            interval_text(one["lead_interval"]),
            _gain(one["brier_gain"]),
            _gain(one["log_score_gain"]),
            number_text(one["calibration_error"]["value"]),
            interval_text(one["calibration_error"]),
            one["verdict"],
        ]
        for name, one in candidates_of(study)
    ]
    return Table(header, body)


def _gain(gain: Mapping[str, Any], digits: int = 4) -> str:
    return f"{number_text(gain['value'], signed=True, digits=digits)} ({interval_text(gain, digits=digits)})"


def _leads(study: Mapping[str, Any]) -> Table:
    baselines = [name for name, one in candidates_of(study) if one["baseline"]]
    body = [
        [
            name,
            *(_gain(one["leads"][other], 3) for other in baselines),
        ]
        for name, one in candidates_of(study)
        if not one["baseline"]
    ]
    return Table(["candidate", *baselines], body)


def _folds(study: Mapping[str, Any]) -> Table:
    header = [
        "fold",
        "trained until",
        "train days",
        "test from",
        "to",
        "rows",
        "spikes",
        "spike from",
        "selected",
        "bundle",
        "PR-AUC",
    ]
    body = [
        [
            str(fold["number"]),
            fold["train_until"],
            f"{fold['train_days']:.2f}",
            fold["test_from"],
            fold["test_to"],
            str(fold["test_rows"]),
            str(fold["test_spikes"]),
            number_text(fold["spike_from"]) if isinstance(fold["spike_from"], float) else "by product",
            fold["selected"],
            fold["bundle_hash"][fold["selected"]][:12],
            number_text(fold["test_pr_auc"][fold["selected"]]),
        ]
        for fold in study["folds"]
    ]
    return Table(header, body)


def _operating(study: Mapping[str, Any]) -> Table:
    """A row for each candidate, the same metrics for each maximum false-alarm rate."""
    rates = [point["at_most"] for point in study["detectors"]["selected"]["operating_points"]]
    header = ["candidate", *(f"{rate:g} an hour: {name}" for rate in rates for name in ("caught", "early", "lead (s)"))]
    body = [
        [
            name,
            *(
                cell
                for point in one["operating_points"]
                for cell in (
                    f"{point['caught']} of {point['events']}",
                    str(point["caught_early"]),
                    number_text(point["median_lead_time_s"], digits=0),
                )
            ),
        ]
        for name, one in candidates_of(study)
    ]
    return Table(header, body)


def _ablation(study: Mapping[str, Any]) -> Table:
    body = [
        [group, number_text(one["loss"], signed=True, digits=4), interval_text(one, digits=4)]
        for group, one in sorted(study["ablation"].items(), key=lambda item: -item[1]["loss"])
    ]
    return Table(["group of inputs", "loss of PR-AUC without it", "95% of the resamples"], body)


def _parts(study: Mapping[str, Any]) -> Table:
    chosen = study["detectors"]["selected"]
    best = study["detectors"][study["best_baseline"]]
    body = [
        [
            part,
            str(one["rows"]),
            number_text(one["prevalence"]),
            number_text(one["pr_auc"]),
            number_text(best[key][part]["pr_auc"]),
            interval_text(one["lead_interval"]),
            number_text(one["brier"]),
            number_text(one["calibration_error"]),
        ]
        for key in ("by_product", "by_regime")
        for part, one in chosen[key].items()
    ]
    header = ["part", "rows", "prevalence", "PR-AUC", "best baseline", "95% interval of the lead", "Brier"]
    return Table([*header, "calibration error"], body)
