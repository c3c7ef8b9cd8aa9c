"""`tickvol drift`: Evidently's drift report of two samples, and its relevance to a bundle."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tickvol.command import command_parser, run_command
from tickvol.core.errors import NotEnoughData, UsageError
from tickvol.storage.files import write_report

if TYPE_CHECKING:
    from tickvol.config import Config
    from tickvol.volatility.drift.sides import DriftSides
    from tickvol.volatility.drift.summary import DriftReport, DriftSummary
    from tickvol.volatility.models.bundle import Bundle
    from tickvol.volatility.schema.feature_table import FeatureTable

_DESCRIPTION = """Compare the features of two samples, reference and current. Writes evidently_report.html and
evidently_report.json (Evidently's own) and drift_summary.json, which adds the relevance to the bundle: which important
inputs moved, and whether a classifier can separate the two sides. The sides are:

  --recent                      the newest hours against the same hours of the preceding days
  --compare-train-test          the bundle's train split against its test split
  --reference-*, --current-*    two time ranges; a missing bound is open
  none of these                 the first half of the rows by time against the second

Times are ISO 8601, UTC if no offset is given; a range includes its start and excludes its end. On a schedule:

  tickvol drift --recent --served --alert
"""

_SHOWN = 10
_BOUNDS = ("reference_from", "reference_to", "current_from", "current_to")


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol drift`."""
    parser = command_parser("drift", _DESCRIPTION)
    parser.add_argument("--features", type=Path, help="feature dataset; overrides features.dataset_dir")
    parser.add_argument(
        "--bundle",
        type=Path,
        help="bundle that scores both sides; default: serving.bundle_dir, else the bundle of models.model_type, if any",
    )
    parser.add_argument(
        "--served", action="store_true", help="use the served bundle: serving.bundle_dir, else the champion"
    )
    parser.add_argument("--compare-train-test", action="store_true", help="compare the bundle's own splits")
    parser.add_argument(
        "--recent", action="store_true", help="the newest monitoring.recent_s against monitoring.reference_days before"
    )
    for bound in _BOUNDS:
        side, _, end = bound.partition("_")
        rule = "first time" if end == "from" else "time after the last row"
        parser.add_argument(f"--{side}-{end}", metavar="TIME", help=f"{rule} of the {side} side; default: open")
    parser.add_argument(
        "--same-hours", action="store_true", help="use only the hours of the UTC day that the current side covers"
    )
    parser.add_argument(
        "--performance", type=Path, metavar="FILE", help="performance report; overrides scoring.report_json"
    )
    parser.add_argument(
        "--alert", action="store_true", help="raise, repeat or clear alerts on important inputs and on performance"
    )
    parser.add_argument("--products", nargs="+", metavar="PRODUCT", help="products; default: all of the dataset")
    parser.add_argument("--report-dir", type=Path, help="output directory; overrides monitoring.report_dir")
    return run_command(parser, _drift, argv)


def _drift(options: argparse.Namespace) -> int:
    from tickvol.alerts.configured import open_dispatcher
    from tickvol.config import load_config
    from tickvol.core.times import NS_PER_S
    from tickvol.volatility.dataset import read_features
    from tickvol.volatility.drift.alarms import compare_served, raise_alerts, raise_performance_alerts
    from tickvol.volatility.drift.evidently_report import DriftRules
    from tickvol.volatility.drift.quality import side_rows
    from tickvol.volatility.drift.sides import same_hours_only
    from tickvol.volatility.drift.summary import drift_report

    config = load_config(options.config)
    monitoring = config.monitoring
    bundle = _bundle(options, config)
    if options.alert:
        _check_sinks(config)
    features = options.features or config.features.dataset_dir
    from_ns = _recent_from_ns(config, features, options.products) if options.recent else None
    table = read_features(features, products=options.products, from_ns=from_ns)
    try:
        sides = _sides(options, config, table, bundle)
        if options.same_hours:
            sides = same_hours_only(sides)
        served = None if bundle is None else compare_served(config, sides, bundle, options.performance)
    except NotEnoughData:
        if options.alert and bundle is not None and len(table):
            since_ns = int(table.bar_end_ns.max()) - monitoring.recent_s * NS_PER_S
            with open_dispatcher(config.alerts, config.kafka) as dispatcher:
                lines = raise_performance_alerts(config, dispatcher, bundle, options.performance, since_ns)
            print("\n".join(lines))
        raise
    report = drift_report(
        sides,
        side_rows(sides.reference, bundle),
        side_rows(sides.current, bundle),
        DriftRules(monitoring.drift_method, monitoring.drift_threshold, monitoring.drift_share),
        min_rows=monitoring.min_rows,
        max_rows=monitoring.max_rows,
        bundle=None if bundle is None else bundle.version,
        served=served,
    )
    directory: Path = options.report_dir or monitoring.report_dir
    _write(directory, report)
    print("\n".join(_summary_lines(report.summary, directory)))
    if options.alert and served is not None:
        with open_dispatcher(config.alerts, config.kafka) as dispatcher:
            to_ns = report.summary.current.to_ns
            print("\n".join(raise_alerts(config, dispatcher, served, to_ns, is_served=options.served)))
    return 0


def _recent_from_ns(config: "Config", features: Path, products: "Sequence[str] | None") -> int:
    """Earliest bar end that `--recent` needs; the dataset may hold years."""
    from tickvol.core.times import DAY_S, NS_PER_S
    from tickvol.volatility.dataset import newest_file_ns

    seconds = config.monitoring.recent_s + config.monitoring.reference_days * DAY_S
    return newest_file_ns(features, products) - seconds * NS_PER_S


def _check_sinks(config: "Config") -> None:
    """Report wrong sink settings before a minute is spent on a comparison."""
    from tickvol.alerts.configured import open_dispatcher

    with open_dispatcher(config.alerts, config.kafka):
        pass


def _bundle(options: argparse.Namespace, config: "Config") -> "Bundle | None":
    from tickvol.volatility.models.bundle import Bundle

    if options.served:
        from tickvol.volatility.scorer.bundle_source import bundle_directory

        if options.bundle is not None:
            raise UsageError(f"--served: goes without --bundle {options.bundle}")
        return Bundle.load(bundle_directory(config))
    named = options.bundle or (Path(config.serving.bundle_dir) if config.serving.bundle_dir else None)
    usual = config.models.usual_bundle
    if named is None and usual.is_dir():
        named = usual
    for flag in ("--compare-train-test", "--alert"):
        if named is None and getattr(options, flag.strip("-").replace("-", "_")):
            raise UsageError(f"{flag}: needs --bundle (or one in {usual}); train one with `tickvol train`")
    return None if named is None else Bundle.load(named)


def _sides(
    options: argparse.Namespace, config: "Config", table: "FeatureTable", bundle: "Bundle | None"
) -> "DriftSides":
    from tickvol.core.times import parse_time_ns
    from tickvol.volatility.drift import sides as drift_sides

    texts = {bound: getattr(options, bound) for bound in _BOUNDS}
    given = {bound: text for bound, text in texts.items() if text is not None}
    if options.compare_train_test or options.recent:
        flag = "--compare-train-test" if options.compare_train_test else "--recent"
        others = {f"--{bound.replace('_', '-')}" for bound in given} | ({"--recent"} if options.recent else set())
        if others - {flag}:
            raise UsageError(f"{flag}: goes without {min(others - {flag})}")
    if options.recent:
        return drift_sides.recent_against_earlier(
            table, recent_s=config.monitoring.recent_s, reference_days=config.monitoring.reference_days
        )
    if options.compare_train_test:
        assert bundle is not None
        return drift_sides.train_against_test(table, bundle)
    if not given:
        return drift_sides.early_against_late(table)
    times = {bound: parse_time_ns(f"--{bound.replace('_', '-')}", text) for bound, text in given.items()}
    return drift_sides.two_stretches(table, **times)


def _write(directory: Path, report: "DriftReport") -> None:
    import msgspec

    summary = msgspec.json.format(msgspec.json.encode(report.summary), indent=2)
    write_report(directory / "evidently_report.html", report.html)
    write_report(directory / "evidently_report.json", report.json)
    write_report(directory / "drift_summary.json", summary + b"\n")


def _summary_lines(summary: "DriftSummary", directory: Path) -> list[str]:
    from tickvol.core.times import iso
    from tickvol.volatility.drift.alarms import served_drift_lines

    lines = [summary.note] if summary.note else []
    lines.append(f"compared   {summary.comparison}")
    for name, side in (("reference", summary.reference), ("current", summary.current)):
        line = f"{name:<10} {iso(side.from_ns)} to {iso(side.to_ns)}: {side.scorable_rows} of {side.rows} rows scorable"
        quality = side.quality
        if quality is not None and quality.pr_auc is not None:
            line += f", PR-AUC {quality.pr_auc:.4f} at prevalence {quality.prevalence:.4f}"
        lines.append(line)
    verdict = "drifted" if summary.drifted else "did not drift"
    lines.append(
        f"verdict    the whole {verdict}: {summary.drifted_features} of {summary.judged_features} features "
        f"({summary.drifted_share:.2f}, limit {summary.drift_share_threshold})"
    )
    drifted = sorted((f for f in summary.features if f.drifted), key=lambda f: -(f.value or 0.0))
    lines += [f"  {feature.feature:<22} {feature.value:.3f}" for feature in drifted[:_SHOWN]]
    if len(drifted) > _SHOWN:
        lines.append(f"  and {len(drifted) - _SHOWN} more")
    if summary.served is not None:
        lines += served_drift_lines(summary.served)
    return [*lines, f"written    {directory}: evidently_report.html, evidently_report.json, drift_summary.json"]
