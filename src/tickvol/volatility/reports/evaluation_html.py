"""The evaluation report as one self-contained HTML page: tables from the JSON, figures as data URIs."""

from collections.abc import Mapping, Sequence
from typing import Any

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

_OVERALL = (
    ("PR-AUC", "pr_auc"),
    ("skill", "pr_auc_skill"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("F1", "f1"),
    ("Brier", "brier"),
    ("log score", "log_score"),
    ("calibration error", "calibration_error"),
    ("threshold", "threshold"),
)
_PART = (("rows", "rows"), ("spike rows", "positives"), ("prevalence", "prevalence"), *_OVERALL[:7])


def render(report: Mapping[str, Any], figures: Sequence[tuple[str, bytes]]) -> str:
    """Render the page.

    Parameters
    ----------
    report : the document of `docs/evaluation.md`.
    figures : caption and PNG of each figure, in the order to show.
    """
    detectors = report["detectors"]
    blocks: list[Block] = [
        Heading("Evaluation of spike detectors", level=1),
        *([Paragraph(report["warning"], warning=True)] if report["warning"] else []),
        *_summary(report),
        Heading("All detectors on the same rows"),
        _overall(report),
        Heading("Lead over the best baseline"),
        Paragraph(f"Best baseline on these rows: {report['best_baseline']}."),
        _leads(report),
        Heading("Events and alarms"),
        _events(detectors),
        *(Figure(caption, image) for caption, image in figures),
        Heading("By product"),
        _breakdown(detectors, "by_product", "product"),
        Heading("By volatility regime"),
        _breakdown(detectors, "by_regime", "regime"),
        Heading("Confusion matrices and classification reports"),
        _classification(detectors),
        Heading("Where the figures come from"),
        _identity(report),
    ]
    return render_page("tickvol evaluation", blocks)


def _summary(report: Mapping[str, Any]) -> list[Block]:
    rows, sample = report["rows"], report["sample"]
    because = sample["no_interval_because"]
    verdicts = [(f"{name}: ", text) for name, text in sorted(report["verdicts"].items())]
    return [
        VerdictBox(verdicts or [("no model among the detectors, baselines only", "")]),
        Paragraph(
            f"{rows['scope']}, {rows['from']} to {rows['to']} UTC: {sample['rows']} rows, "
            f"of them {sample['positives']} spikes in {sample['events']} events; {sample['blocks']} bootstrap blocks "
            f"of {sample['block_s']} s{f' (no interval: {because})' if because else ''}."
        ),
    ]


def _overall(report: Mapping[str, Any]) -> Table:
    header = ["detector", "prevalence", *(title for title, _ in _OVERALL)]
    body = [
        [name, number_text(figures["prevalence"]), *(number_text(figures[key]) for _, key in _OVERALL)]
        for name, figures in _by_pr_auc(report["detectors"])
    ]
    return Table(header, body)


def _leads(report: Mapping[str, Any]) -> Table:
    body = [
        [
            name,
            number_text(figures["lead"], signed=True),
            interval_text(figures["lead_interval"]),
            interval_text(figures["pr_auc_interval"]),
            figures["verdict"],
        ]
        for name, figures in _by_pr_auc(report["detectors"])
    ]
    titles = ["detector", "lead in PR-AUC", "95% interval of the lead", "95% interval of PR-AUC", "verdict"]
    return Table(titles, body)


def _events(detectors: Mapping[str, Any]) -> Table:
    body = []
    for name, figures in _by_pr_auc(detectors):
        found = figures["events"]
        body.append(
            [
                name,
                f"{found['caught']} of {found['events']}",
                str(found["caught_early"]),
                number_text(found["lead_time_s"]["median"], digits=0),
                number_text(found["lead_time_s"]["max"], digits=0),
                str(found["alarms"]),
                str(found["false_alarms"]),
                number_text(found["false_alarms_per_hour"], digits=2),
            ]
        )
    titles = ["detector", "caught", "before the onset", "median lead (s)", "longest lead (s)", "alarms", "false"]
    return Table([*titles, "false an hour"], body)


def _breakdown(detectors: Mapping[str, Any], key: str, title: str) -> Table:
    body = [
        [part, name, *(number_text(values[field]) for _, field in _PART)]
        for name, figures in _by_pr_auc(detectors)
        for part, values in figures[key].items()
    ]
    body.sort(key=lambda line: line[0])
    return Table([title, "detector", *(heading for heading, _ in _PART)], body)


def _classification(detectors: Mapping[str, Any]) -> Table:
    body = []
    for name, figures in _by_pr_auc(detectors):
        counts, classes = figures["confusion_matrix"], figures["classification_report"]
        body.append(
            [
                name,
                *(str(counts[f"{kind}_{sign}"]) for sign in ("positives", "negatives") for kind in ("true", "false")),
                *(
                    number_text(classes[kind][key])
                    for kind in ("calm", "spike")
                    for key in ("precision", "recall", "f1")
                ),
                number_text(classes["macro_average"]["f1"]),
                number_text(classes["accuracy"]),
            ]
        )
    matrix = ["true spikes", "false spikes", "true calm", "false calm"]
    report = [f"{kind} {key}" for kind in ("calm", "spike") for key in ("precision", "recall", "F1")]
    return Table(["detector", *matrix, *report, "macro F1", "accuracy"], body)


def _identity(report: Mapping[str, Any]) -> Table:
    lines = [
        ["configuration", report["config_hash"]],
        ["features", report["features"]["fingerprint"]],
        *([f"bundle {name}", figures["bundle_hash"]] for name, figures in sorted(report["detectors"].items())),
    ]
    return Table((), lines)


def _by_pr_auc(detectors: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(detectors.items(), key=lambda item: (-(item[1]["pr_auc"] or 0.0), item[0]))
