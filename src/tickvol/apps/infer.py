"""`tickvol infer`: score the rows of a dataset with a bundle, or measure inference speed."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tickvol.command import command_parser, run_command

if TYPE_CHECKING:
    import pandas as pd

    from tickvol.volatility.evaluation.inference_speed import Speed
    from tickvol.volatility.models.bundle import Bundle
    from tickvol.volatility.schema.feature_table import FeatureTable

DESCRIPTION = """Score feature rows with a bundle.

A row with insufficient history is reported as unknown with the reason, never scored. With --benchmark, inference speed
is measured instead and compared with the bundle's bare estimator in the same run."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol infer`."""
    parser = command_parser("infer", DESCRIPTION)
    parser.add_argument(
        "--model-path", type=Path, metavar="BUNDLE", help="bundle directory; default: the bundle of models.model_type"
    )
    parser.add_argument(
        "--scaler-path", type=Path, metavar="P", help="path inside the bundle; default: the bundle's scaling"
    )
    parser.add_argument("--features", type=Path, metavar="DIR", help="dataset; default: features.dataset_dir")
    parser.add_argument("--products", nargs="+", metavar="P", help="products to score; default: all of the dataset")
    parser.add_argument("--output", type=Path, metavar="F", help="file for the scores, .parquet or .csv; default: none")
    parser.add_argument(
        "--benchmark",
        action="store_true",
        help="measure microseconds per row and rows per second at batches of 1, 100 and 10,000 rows",
    )
    return run_command(parser, _infer, argv)


def _infer(options: argparse.Namespace) -> int:
    from tickvol.config import load_config
    from tickvol.core.errors import UsageError
    from tickvol.volatility.dataset import read_features
    from tickvol.volatility.models.bundle import Bundle

    config = load_config(options.config)
    output: Path | None = options.output
    if output is not None and output.suffix not in (".parquet", ".csv"):
        raise UsageError(f"--output: {output}: must end in .parquet or .csv")
    directory: Path = options.model_path or config.models.usual_bundle
    bundle = Bundle.load(directory)
    if options.scaler_path is not None:
        _require_own_scaler(options.scaler_path, directory)
    table = read_features(options.features or config.features.dataset_dir, products=options.products)
    if bundle.simulated or table.simulated:
        print("simulated market: these figures say nothing about real markets")
    print(f"bundle      {directory}, {bundle.name}, {bundle.version[:12]}")
    if options.benchmark:
        from tickvol.volatility.evaluation.inference_speed import measure_inference

        boosted = bundle.manifest.family == "boosted"
        print("\n".join(speed_table(measure_inference(bundle, table), boosted=boosted)))
        return 0
    scores = score_table(bundle, table)
    print("\n".join(_summary(scores)))
    if output is not None:
        _write(scores, output)
        print(f"scores      {output}")
    return 0


def _require_own_scaler(path: Path, bundle: Path) -> None:
    from tickvol.core.errors import UsageError
    from tickvol.volatility.models.bundle_files import refuse_pickle

    refuse_pickle(path, "--scaler-path")
    if not path.exists() or not path.resolve().is_relative_to(bundle.resolve()):
        raise UsageError(
            f"--scaler-path: {path}: must lie in the bundle {bundle}, which holds its own scaling; omit the flag"
        )


def score_table(bundle: "Bundle", table: "FeatureTable") -> "pd.DataFrame":
    """Score table, one line per row: product_id, bar_end_ns, status, reason, score, probability, signal."""
    import numpy as np
    import pandas as pd

    probability = bundle.probability(table)
    scored = np.isfinite(probability)
    levels = np.searchsorted([bundle.watch_threshold, bundle.alert_threshold], probability, side="right")
    signals = np.array(["CALM", "WATCH", "ALERT"], object)[np.minimum(levels, 2)]
    return pd.DataFrame(
        {
            "product_id": np.array(table.products, object)[table.product],
            "bar_end_ns": table.bar_end_ns,
            "status": np.where(scored, "scored", "unknown"),
            "reason": bundle.unscorable_reasons(table),
            "score": bundle.score(table),
            "probability": probability,
            "signal": pd.Series(signals).where(scored),
        }
    )


def _summary(scores: "pd.DataFrame") -> list[str]:
    known = scores["status"] == "scored"
    lines = [f"rows        {len(scores)}: {int(known.sum())} scored, {int((~known).sum())} unknown"]
    signals = Counter(scores.loc[known, "signal"])
    lines.append("signals     " + ", ".join(f"{signals[name]} {name}" for name in ("CALM", "WATCH", "ALERT")))
    why = Counter(reason.partition(" ")[0] for reason in scores.loc[~known, "reason"])
    return lines + [f"unknown     {count} for {name}" for name, count in why.most_common()]


def _write(scores: "pd.DataFrame", output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix == ".csv":
        scores.to_csv(output, index=False)
    else:
        scores.to_parquet(output, index=False)


def speed_table(speeds: "Sequence[Speed]", *, boosted: bool) -> list[str]:
    """Table of microseconds per row, rows per second, and the goals, which apply to boosters only."""
    lines = [
        "",
        f"{'batch':>6}{'p50 us':>10}{'p95 us':>10}{'p99 us':>10}{'rows/s':>13}{'bare us':>10}{'ratio':>8}  goal",
    ]
    for speed in speeds:
        goal = "100 us per row over bare" if speed.batch == 1 else "1.5 times bare"
        verdict = f"{goal}: {'met' if speed.met else 'not met'}" if boosted else "none, not a booster"
        lines.append(
            f"{speed.batch:>6}{speed.p50_us:>10.3f}{speed.p95_us:>10.3f}{speed.p99_us:>10.3f}{speed.rows_per_s:>13,.0f}"
            f"{speed.bare_p50_us:>10.3f}{speed.ratio:>8.2f}  {verdict}"
        )
    return [*lines, "microseconds per row; bare is the estimator alone on prepared inputs", ""]
