"""Walk-forward studies as one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tickvol.volatility.evaluation.study import candidates_of
from tickvol.volatility.reports.evaluation_html import figure_of, interval_of, number_of, page_of, table_of


def render(document: Mapping[str, Any], figures: Sequence[Sequence[tuple[str, bytes]]]) -> str:
    """Render the page.

    Parameters
    ----------
    document : as `tickvol walk-forward` writes it.
    figures : caption and PNG of each figure, for each study that was evaluated.
    """
    judged = [study for study in document["studies"] if study["not_judged_because"] is None]
    parts = ["<h1>Spike detectors on days that nobody trained on</h1>", _how(), _side_by_side(judged)]
    parts += [
        f'<p class="warning">{escape(study["name"])}: not judged: {escape(study["not_judged_because"])}</p>'
        for study in document["studies"]
        if study["not_judged_because"] is not None
    ]
    for study, drawn in zip(judged, figures, strict=True):
        parts += [*_study(study), *(figure_of(caption, image) for caption, image in drawn)]
    parts += [
        "<h2>Where the figures come from</h2>",
        table_of(
            ["what", "hash"],
            [
                ["configuration", document["config_hash"]],
                *([f"features of {study['name']}", study["features"]["fingerprint"]] for study in judged),
            ],
        ),
    ]
    return page_of("tickvol walk-forward", parts)


def _how() -> str:
    return (
        "<p>Each fold is trained on all rows before it. Label threshold, calibration, alarm threshold, number of trees "
        "and the choice among candidates are made on the last part of these; the fold's own rows judge. PR-AUC is "
        "taken within folds and averaged by their spikes. Intervals are the middle 95% of block-bootstrap resamples. "
        "The best baseline is the best on the judged rows themselves, the hardest to lead.</p>"
    )


def _side_by_side(studies: Sequence[Mapping[str, Any]]) -> str:
    body = []
    for study in studies:
        chosen, sample = study["detectors"]["selected"], study["sample"]
        best = study["detectors"][study["best_baseline"]]
        body.append(
            [
                study["name"],
                f"{study['days']:.2f}",
                str(sample["events"]),
                number_of(chosen["prevalence"]),
                f"{study['best_baseline']} {number_of(best['pr_auc'])}",
                number_of(chosen["pr_auc"]),
                number_of(chosen["lead"], signed=True),
                interval_of(chosen["lead_interval"]),
                number_of(chosen["calibration_error"]["value"]),
                str(study["trials"]),
                str(len(study["sealed"]["openings"])),
            ]
        )
    header = ["study", "test days", "events", "prevalence", "best baseline", "selected", "lead", "95% interval"]
    header += ["calibration error", "trials", "sealed block opened"]
    return "<h2>All studies side by side</h2>" + table_of(header, body)


def _study(study: Mapping[str, Any]) -> list[str]:
    simulated = '<p class="warning">simulated market: these figures say nothing about real markets</p>'
    return [
        f"<h1>{escape(study['name'])}</h1>",
        simulated if study["simulated"] else "",
        verdict_of(study),
        "<h2>All candidates</h2>",
        _candidates(study),
        "<h2>Lead over each baseline</h2>",
        _leads(study),
        "<h2>Folds</h2>",
        _folds(study),
        *(f'<p class="warning">left out: {escape(because)}</p>' for because in study["folds_left_out"]),
        "<h2>Events at bearable rates of false alarms: caught, of them early, median lead time</h2>",
        _operating(study),
        "<h2>What the forecast loses without a group of inputs</h2>",
        _ablation(study),
        "<h2>By product and volatility regime, what was selected</h2>",
        _parts(study),
    ]


def verdict_of(study: Mapping[str, Any]) -> str:
    """Verdict on the selected candidate, and on the sealed block."""
    chosen = study["detectors"]["selected"]
    after = chosen["lead_after_trials"]
    words = [f"selected: <strong>{escape(chosen['verdict'])}</strong>"]
    if after is None:
        words.append(f"no interval: {escape(str(study['sample']['no_interval_because']))}")
    else:
        words.append(
            f"after {after['trials']} trials a lead of {after['luck']:+.3f} would be luck; what is left is "
            f"{after['lead']:+.3f}, above zero with probability {number_of(after['probability_above_zero'])}"
        )
    settled = chosen["days_to_settle"]
    about = f"{settled['days']:.2f} days of test rows" if settled["days"] is not None else "no number of days"
    roughly = " (rough: too few blocks for an interval)" if settled["rough"] else ""
    words.append(
        f"{about} would settle a lead of {number_of(chosen['lead'], signed=True)}, with probability 0.8{roughly}"
    )
    sealed = study["sealed"]
    words.append(f"sealed block from {escape(sealed['from'])}, opened {len(sealed['openings'])} times")
    for one in sealed["openings"]:
        bundle = (one["bundle_hash"] or "none")[:12]
        words.append(f"opened {escape(one['date'])}: bundle {escape(bundle)}, PR-AUC {number_of(one['pr_auc'])}")
    return f'<p class="verdict">{"<br>".join(words)}</p>'


def _candidates(study: Mapping[str, Any]) -> str:
    header = ["candidate", "kind", "PR-AUC", "95% interval", "lead", "95% interval", "Brier gain on HAR"]
    header += ["log gain on HAR", "calibration error", "95% of the resamples", "verdict"]
    body = [
        [
            name,
            "baseline" if one["baseline"] else "model",
            number_of(one["pr_auc"]),
            interval_of(one["pr_auc_interval"]),
            number_of(one["lead"], signed=True),
            interval_of(one["lead_interval"]),
            _gain(one["brier_gain"]),
            _gain(one["log_score_gain"]),
            number_of(one["calibration_error"]["value"]),
            interval_of(one["calibration_error"]),
            one["verdict"],
        ]
        for name, one in candidates_of(study)
    ]
    return table_of(header, body)


def _gain(gain: Mapping[str, Any], digits: int = 4) -> str:
    return f"{number_of(gain['value'], signed=True, digits=digits)} ({interval_of(gain, digits=digits)})"


def _leads(study: Mapping[str, Any]) -> str:
    baselines = [name for name, one in candidates_of(study) if one["baseline"]]
    body = [
        [
            name,
            *(_gain(one["leads"][other], 3) for other in baselines),
        ]
        for name, one in candidates_of(study)
        if not one["baseline"]
    ]
    return table_of(["candidate", *baselines], body)


def _folds(study: Mapping[str, Any]) -> str:
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
            number_of(fold["spike_from"]) if isinstance(fold["spike_from"], float) else "by product",
            fold["selected"],
            fold["bundle_hash"][fold["selected"]][:12],
            number_of(fold["test_pr_auc"][fold["selected"]]),
        ]
        for fold in study["folds"]
    ]
    return table_of(header, body)


def _operating(study: Mapping[str, Any]) -> str:
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
                    number_of(point["median_lead_time_s"], digits=0),
                )
            ),
        ]
        for name, one in candidates_of(study)
    ]
    return table_of(header, body)


def _ablation(study: Mapping[str, Any]) -> str:
    body = [
        [group, number_of(one["loss"], signed=True, digits=4), interval_of(one, digits=4)]
        for group, one in sorted(study["ablation"].items(), key=lambda item: -item[1]["loss"])
    ]
    return table_of(["group of inputs", "loss of PR-AUC without it", "95% of the resamples"], body)


def _parts(study: Mapping[str, Any]) -> str:
    chosen = study["detectors"]["selected"]
    best = study["detectors"][study["best_baseline"]]
    body = [
        [
            part,
            str(one["rows"]),
            number_of(one["prevalence"]),
            number_of(one["pr_auc"]),
            number_of(best[key][part]["pr_auc"]),
            interval_of(one["lead_interval"]),
            number_of(one["brier"]),
            number_of(one["calibration_error"]),
        ]
        for key in ("by_product", "by_regime")
        for part, one in chosen[key].items()
    ]
    header = ["part", "rows", "prevalence", "PR-AUC", "best baseline", "95% interval of the lead", "Brier"]
    return table_of([*header, "calibration error"], body)
