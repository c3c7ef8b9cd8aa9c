"""`tickvol backtest`: compare a bundle's alarms with the spikes in stored features."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tickvol.command import command_parser, run_command

_DESCRIPTION = """Recompute a bundle's alarms on stored features and compare them with the spikes: spikes caught, lead
times and false alarms per hour, together with the metrics that the bundle recorded on its own test rows."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol backtest`."""
    parser = command_parser("backtest", _DESCRIPTION)
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="bundle directory; default: serving.bundle_dir, else the bundle of models.model_type",
    )
    parser.add_argument("--features", type=Path, metavar="DIR", help="dataset; overrides features.dataset_dir")
    parser.add_argument(
        "--from", dest="from_", metavar="T", help="first bar end, ISO 8601 or ns since the epoch; default: all"
    )
    parser.add_argument("--to", metavar="T", help="exclusive end, ISO 8601 or ns since the epoch; default: all")
    parser.add_argument("--product", nargs="+", metavar="P", help="products; default: all of the dataset")
    parser.add_argument("--threshold", type=float, metavar="X", help="alarm threshold; default: the bundle's")
    parser.add_argument("--json", action="store_true", help="print the full report as JSON")
    return run_command(parser, _backtest, argv)


def _backtest(options: argparse.Namespace) -> int:
    from tickvol.config import load_config
    from tickvol.core.times import parse_span_ns
    from tickvol.volatility.dataset import read_features
    from tickvol.volatility.evaluation.backtest import backtest
    from tickvol.volatility.models.bundle import Bundle

    config = load_config(options.config)
    from_ns, to_ns = parse_span_ns(options.from_, options.to)
    served = Path(config.serving.bundle_dir) if config.serving.bundle_dir else config.models.usual_bundle
    bundle = Bundle.load(options.bundle or served)
    table = read_features(
        options.features or config.features.dataset_dir, products=options.product, from_ns=from_ns, to_ns=to_ns
    )
    found = backtest(table, bundle, options.threshold, alarm_cooldown_s=config.evaluation.alarm_cooldown_s)
    if options.json:
        print(json.dumps(found, indent=2, sort_keys=True, allow_nan=False))
    else:
        _summarise(found)
    return 0


def _summarise(found: dict[str, Any]) -> None:
    from tickvol.volatility.evaluation.report import in_words

    if found["warning"]:
        print(found["warning"])
    rows = found["rows"]
    counts = {name: rows[name] for name in rows if name not in ("from", "to", "from_ns", "to_ns")}
    print(f"model      {found['model']} {found['model_version'][:12]}, alarm from {found['threshold']:.4f}")
    print(f"rows       {rows['from']} to {rows['to']}: {in_words(counts)}")
    if rows["trained_on"]:
        print("           some of them are train rows: the metrics are in-sample")
    for name, part in [("all", found), *found["by_product"].items()]:
        print(f"{name:<10} {_line(part['metrics'], part['events'])}")
    for spike in found["spikes"]:
        lead = spike["lead_time_s"]
        said = "missed" if lead is None else f"alarm {abs(lead):.0f} s {'before' if lead > 0 else 'after'} the onset"
        print(f"  {spike['product_id']:<10} {spike['onset']} to {spike['end']}  {said}")
    if found["bundle_test"]:
        print(f"own test   {', '.join(f'{key} {_short(value)}' for key, value in found['bundle_test'].items())}")


def _line(metrics: dict[str, Any], events: dict[str, Any]) -> str:
    lead_s, false = events["lead_time_s"]["median"], events["false_alarms_per_hour"]
    return (
        f"{events['caught']} of {events['events']} spikes caught, {events['caught_early']} before the onset, "
        f"median lead {_short(lead_s)} s; {_short(false)} false alarms an hour in {events['hours']:.2f} h; "
        f"PR-AUC {_short(metrics['pr_auc'])} at prevalence {_short(metrics['prevalence'])}"
    )


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
