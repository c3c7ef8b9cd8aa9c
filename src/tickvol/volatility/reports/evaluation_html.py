"""The evaluation report as one self-contained HTML page: tables from the JSON, figures as data URIs."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 84rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; margin: .6rem 0; font-size: .86em; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; height: auto; }
.verdict { border-left: 4px solid #555; padding: .4rem 1rem; background: #f5f5f5; }
.warning { border-left: 4px solid #b00020; padding: .4rem 1rem; background: #fdecee; font-weight: 600; }
code { font-size: .85em; overflow-wrap: anywhere; }
"""

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
    parts = [
        "<h1>Evaluation of spike detectors</h1>",
        _warning(report),
        _summary(report),
        "<h2>All detectors on the same rows</h2>",
        _overall(report),
        "<h2>Lead over the best baseline</h2>",
        _leads(report),
        "<h2>Events and alarms</h2>",
        _events(report["detectors"]),
        *(figure_of(caption, image) for caption, image in figures),
        "<h2>By product</h2>",
        _breakdown(report["detectors"], "by_product", "product"),
        "<h2>By volatility regime</h2>",
        _breakdown(report["detectors"], "by_regime", "regime"),
        "<h2>Confusion matrices and classification reports</h2>",
        _classification(report["detectors"]),
        "<h2>Where the figures come from</h2>",
        _identity(report),
    ]
    return page_of("tickvol evaluation", parts)


def page_of(title: str, parts: Sequence[str]) -> str:
    """A self-contained HTML page; empty parts are left out."""
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _warning(report: Mapping[str, Any]) -> str:
    return f'<p class="warning">{escape(report["warning"])}</p>' if report["warning"] else ""


def _summary(report: Mapping[str, Any]) -> str:
    rows, sample = report["rows"], report["sample"]
    because = sample["no_interval_because"]
    lines = [
        f"{escape(name)}: <strong>{escape(text)}</strong>" for name, text in sorted(report["verdicts"].items())
    ] or ["no model among the detectors, baselines only"]
    return (
        f'<p class="verdict">{"<br>".join(lines)}</p>'
        f"<p>{escape(rows['scope'])}, {escape(rows['from'])} to {escape(rows['to'])} UTC: {sample['rows']} rows, "
        f"of them {sample['positives']} spikes in {sample['events']} events; {sample['blocks']} bootstrap blocks of "
        f"{sample['block_s']} s{f' (no interval: {escape(because)})' if because else ''}.</p>"
    )


def _overall(report: Mapping[str, Any]) -> str:
    header = ["detector", "prevalence", *(title for title, _ in _OVERALL)]
    body = [
        [name, number_of(figures["prevalence"]), *(number_of(figures[key]) for _, key in _OVERALL)]
        for name, figures in _by_pr_auc(report["detectors"])
    ]
    return table_of(header, body)


def _leads(report: Mapping[str, Any]) -> str:
    body = [
        [
            name,
            number_of(figures["lead"], signed=True),
            interval_of(figures["lead_interval"]),
            interval_of(figures["pr_auc_interval"]),
            figures["verdict"],
        ]
        for name, figures in _by_pr_auc(report["detectors"])
    ]
    best = escape(str(report["best_baseline"]))
    return f"<p>Best baseline on these rows: {best}.</p>" + table_of(
        ["detector", "lead in PR-AUC", "95% interval of the lead", "95% interval of PR-AUC", "verdict"], body
    )


def _events(detectors: Mapping[str, Any]) -> str:
    body = []
    for name, figures in _by_pr_auc(detectors):
        found = figures["events"]
        body.append(
            [
                name,
                f"{found['caught']} of {found['events']}",
                str(found["caught_early"]),
                number_of(found["lead_time_s"]["median"], digits=0),
                number_of(found["lead_time_s"]["max"], digits=0),
                str(found["alarms"]),
                str(found["false_alarms"]),
                number_of(found["false_alarms_per_hour"], digits=2),
            ]
        )
    titles = ["detector", "caught", "before the onset", "median lead (s)", "longest lead (s)", "alarms", "false"]
    return table_of([*titles, "false an hour"], body)


def _breakdown(detectors: Mapping[str, Any], key: str, title: str) -> str:
    body = [
        [part, name, *(number_of(values[field]) for _, field in _PART)]
        for name, figures in _by_pr_auc(detectors)
        for part, values in figures[key].items()
    ]
    body.sort(key=lambda line: line[0])
    return table_of([title, "detector", *(heading for heading, _ in _PART)], body)


def _classification(detectors: Mapping[str, Any]) -> str:
    body = []
    for name, figures in _by_pr_auc(detectors):
        counts, classes = figures["confusion_matrix"], figures["classification_report"]
        body.append(
            [
                name,
                *(str(counts[f"{kind}_{sign}"]) for sign in ("positives", "negatives") for kind in ("true", "false")),
                *(number_of(classes[kind][key]) for kind in ("calm", "spike") for key in ("precision", "recall", "f1")),
                number_of(classes["macro_average"]["f1"]),
                number_of(classes["accuracy"]),
            ]
        )
    matrix = ["true spikes", "false spikes", "true calm", "false calm"]
    report = [f"{kind} {key}" for kind in ("calm", "spike") for key in ("precision", "recall", "F1")]
    return table_of(["detector", *matrix, *report, "macro F1", "accuracy"], body)


def _identity(report: Mapping[str, Any]) -> str:
    lines = [
        ["configuration", report["config_hash"]],
        ["features", report["features"]["fingerprint"]],
        *([f"bundle {name}", figures["bundle_hash"]] for name, figures in sorted(report["detectors"].items())),
    ]
    body = "".join(f"<tr><td>{escape(name)}</td><td><code>{escape(value)}</code></td></tr>" for name, value in lines)
    return f'<div class="wide"><table>{body}</table></div>'


def figure_of(caption: str, image: bytes) -> str:
    """A PNG under its caption."""
    encoded = base64.b64encode(image).decode()
    return f'<h2>{escape(caption)}</h2>\n<img alt="{escape(caption)}" src="data:image/png;base64,{encoded}">'


def _by_pr_auc(detectors: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(detectors.items(), key=lambda item: (-(item[1]["pr_auc"] or 0.0), item[0]))


def interval_of(interval: Mapping[str, Any], *, digits: int = 3) -> str:
    """Both ends, or `none`; the page gives the reason once."""
    if interval["low"] is None:
        return "none"
    return f"{interval['low']:+.{digits}f} to {interval['high']:+.{digits}f}"


def number_of(value: float | None, *, digits: int = 3, signed: bool = False) -> str:
    """A formatted number, or a dash where it is undefined."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return str(value)
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"


def table_of(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """An HTML table of text cells."""
    head = "".join(f"<th>{escape(title)}</th>" for title in header)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in body)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'
