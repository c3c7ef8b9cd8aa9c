"""`tickvol score`: predict spikes for live feature rows, and record each outcome when its horizon has passed."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from tickvol.command import command_parser, run_command

DESCRIPTION = """Score ticks.features as it grows, until SIGINT or SIGTERM. Each row gives a prediction in
ticks.predictions and, once its horizon has passed, an outcome in ticks.outcomes, each exactly once, also after a crash.

The bundle is --bundle, else serving.bundle_dir, else the registry's champion. A new bundle replaces the current one
within scoring.reload_interval_s; each prediction carries the version of its bundle. Without a bundle the scorer waits
for the first one.

Several instances share the products; each needs its own scoring.instance_id. `tickvol performance` evaluates the
predictions."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol score`."""
    parser = command_parser("score", DESCRIPTION)
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="DIR",
        help="bundle directory; overrides serving.bundle_dir and the registry's champion",
    )
    parser.add_argument("--until-end", action="store_true", help="stop at the topic's end offset at the start")
    return run_command(parser, _score, argv)


def _score(options: argparse.Namespace) -> int:
    if options.bundle is not None:
        os.environ["TICKVOL_SERVING__BUNDLE_DIR"] = str(options.bundle.absolute())
    from tickvol.config import load_config
    from tickvol.core.memory import collect_garbage_rarely
    from tickvol.metrics.server import serve_metrics
    from tickvol.volatility.scorer.bundle_watch import CurrentBundle
    from tickvol.volatility.scorer.kafka_worker import ScoreRun
    from tickvol.volatility.scorer.metrics import SCORER_METRICS, scorer_values

    config = load_config(options.config)
    bundles = CurrentBundle(config)
    run = ScoreRun(config, bundles, until_end=options.until_end)
    run.stop_on_signals()
    collect_garbage_rarely()
    metrics = serve_metrics(
        "scoring.metrics_port",
        config.scoring.metrics_port,
        SCORER_METRICS,
        lambda: scorer_values(
            run.counts,
            bundle_loaded=bundles.is_there,
            bundle_changes=bundles.changes,
            bundle_failures=bundles.failures,
        ),
    )
    try:
        if options.until_end:
            bundles.open()
        else:
            bundles.wait(lambda: run.is_stopped)
        if bundles.is_there:
            bundles.follow()
            run.work()
    finally:
        bundles.close()
        if metrics is not None:
            metrics.close()
        if run.counts.transactions or run.is_over:
            print("\n".join(run.counts.summary()))
    print(f"predictions topic {config.scoring.topic_predictions}\noutcomes    topic {config.scoring.topic_outcomes}")
    return 0
