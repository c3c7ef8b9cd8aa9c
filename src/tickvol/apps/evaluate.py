"""`tickvol evaluate`: evaluate all detectors on the same unseen rows, as JSON and an HTML page."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tickvol.command import command_parser, run_command
from tickvol.storage.files import write_report

if TYPE_CHECKING:
    from tickvol.config import Config
    from tickvol.volatility.evaluation.judge import JudgingRules
    from tickvol.volatility.evaluation.selection import Selection
    from tickvol.volatility.models.bundle import Bundle

_DESCRIPTION = """Evaluate bundles on rows that none of them was trained on: the test split of their own dataset, or all
unseen rows of another one. Writes a JSON report (docs/evaluation.md) and a self-contained HTML page.

A PR-AUC above evaluation.max_pr_auc indicates a leak: the metrics are printed, no report is written, exit code 1."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol evaluate`."""
    parser = command_parser("evaluate", _DESCRIPTION)
    parser.add_argument(
        "--bundle",
        type=Path,
        nargs="+",
        action="extend",
        metavar="DIR",
        help="bundles to evaluate, together with the baselines in the same directory; default: all of"
        " models.artifacts_dir",
    )
    parser.add_argument("--features", type=Path, metavar="DIR", help="dataset; overrides features.dataset_dir")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="JSON report; the page gets the suffix .html; overrides evaluation.report_json and evaluation.report_html",
    )
    return run_command(parser, _evaluate, argv)


def _evaluate(options: argparse.Namespace) -> int:
    from tickvol import __version__
    from tickvol.config import load_config
    from tickvol.volatility.dataset import read_features
    from tickvol.volatility.evaluation.report import evaluation_report
    from tickvol.volatility.workflows.terms import judging_rules

    config = load_config(options.config)
    profile = config.profile()
    bundles = find_bundles(options.bundle, config.models.artifacts_dir)
    json_path, html_path = _outputs(options.output, config)
    table = read_features(options.features or config.features.dataset_dir)
    rules = judging_rules(profile, bundles[0].spec, bundles[0].label.horizon_s)
    document, selection = evaluation_report(
        table, bundles, rules, config_hash=profile.fingerprint(), tickvol_version=__version__
    )
    write_report(json_path, json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n")
    write_report(html_path, _page(document, selection, rules))
    _summarise(document)
    print(f"report   {json_path}\npage     {html_path}")
    return 0


def find_bundles(named: Sequence[Path] | None, artifacts_dir: Path) -> "list[Bundle]":
    """Load the named bundles and the baselines in the same directories, or all bundles of `artifacts_dir`.

    Raises
    ------
    InputError
        If there is no bundle.
    """
    from tickvol.core.errors import InputError
    from tickvol.volatility.models.bundle import Bundle
    from tickvol.volatility.models.bundle_files import MANIFEST

    if named:
        asked = [Bundle.load(path) for path in named]
        beside = sorted({found.parent for path in named for found in path.resolve().parent.glob(f"*/{MANIFEST}")})
        already = {path.resolve() for path in named}
        joining = [Bundle.load(path) for path in beside if path not in already]
        return asked + [bundle for bundle in joining if bundle.manifest.baseline]
    found = sorted(path.parent for path in artifacts_dir.glob(f"*/{MANIFEST}"))
    if not found:
        raise InputError(f"models.artifacts_dir: {artifacts_dir}: holds no bundle; train some by `tickvol train`")
    return [Bundle.load(path) for path in found]


def _outputs(output: Path | None, config: "Config") -> tuple[Path, Path]:
    from tickvol.core.errors import UsageError

    if output is None:
        return config.evaluation.report_json, config.evaluation.report_html
    if output.suffix != ".json":
        raise UsageError(f"--output: {output}: must end in .json; the page is written next to it as .html")
    return output, output.with_suffix(".html")


def _page(document: dict[str, Any], selection: "Selection", rules: "JudgingRules") -> str:
    from tickvol.volatility.reports import evaluation_figures as figures
    from tickvol.volatility.reports.evaluation_html import render

    rows, detectors, best = selection.rows, selection.detectors, document["best_baseline"]
    bins = {name: found["calibration_bins"] for name, found in document["detectors"].items()}
    models = [detector for detector in detectors if not detector.baseline] or list(detectors)
    drawn = [
        ("Precision and recall", figures.pr_figure(rows, detectors, best)),
        ("Lead in PR-AUC with 95% interval", figures.lead_figure(document["detectors"], best)),
        ("Calibration", figures.calibration_figure(bins, detectors, best)),
    ]
    drawn += [
        (
            f"Scores of {model.name} against spikes",
            figures.timeline_figure(rows, model, horizon_s=rules.horizon_s, cooldown_s=rules.alarm_cooldown_s),
        )
        for model in models
    ]
    return render(document, [(caption, figures.png(figure)) for caption, figure in drawn])


def _summarise(document: dict[str, Any]) -> None:
    rows, sample = document["rows"], document["sample"]
    if document["warning"]:
        print(document["warning"])
    print(f"rows     {rows['scope']}, {rows['from']} to {rows['to']}: {sample['rows']} judged")
    print(f"         {sample['positives']} of them spikes in {sample['events']} events; {sample['blocks']} blocks")
    print(f"{'detector':<20} {'PR-AUC':>7} {'lead':>8}  {'95% interval':<18} {'caught':>8} {'false/h':>8}  verdict")
    detectors = document["detectors"].items()
    for name, found in sorted(detectors, key=lambda item: -(item[1]["pr_auc"] or 0.0)):
        interval, events = found["lead_interval"], found["events"]
        low, high = interval["low"], interval["high"]
        between = "none" if low is None else f"{low:+.3f} to {high:+.3f}"
        print(
            f"{name:<20} {_figure(found['pr_auc'], '.3f'):>7} {_figure(found['lead'], '+.3f'):>8}  {between:<18} "
            f"{events['caught']:>3} of {events['events']:<3} {_figure(events['false_alarms_per_hour'], '.2f'):>6}"
            f"  {found['verdict']}"
        )
    prevalence = sample["positives"] / sample["rows"]
    print(f"prevalence {prevalence:.3f}; no interval because: {sample['no_interval_because'] or '-'}")


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
