"""`tickvol featurize`: compute features from the log as it grows; resumable after a stop or kill at any point."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tickvol.command import command_parser, run_command

if TYPE_CHECKING:
    from tickvol.config import Config

DESCRIPTION = """Compute features from the log as it grows, until SIGINT or SIGTERM.

From Kafka (the default): reads ticks.raw and writes ticks.features, each row exactly once and in order, and the dataset
directory. Several instances share the products; each needs its own features.instance_id. From the archive: reads its
files from the oldest on and writes the dataset only; with --follow it follows the archive as it grows.

After a stop or kill at any point, the next start rewinds the log by the look-back, recomputes up to the committed
offset without producing, and continues. The result has the same bytes as `tickvol replay`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol featurize`."""
    parser = command_parser("featurize", DESCRIPTION)
    parser.add_argument("--source", choices=("kafka", "archive"), help="source of the log; overrides features.source")
    parser.add_argument("--out", type=Path, metavar="DIR", help="dataset directory; overrides features.dataset_dir")
    parser.add_argument("--products", nargs="+", metavar="P", help="products to compute; overrides products")
    kafka = parser.add_argument_group("from Kafka")
    kafka.add_argument("--until-end", action="store_true", help="stop at the log's end offset at the start")
    kafka.add_argument(
        "--start",
        choices=("committed", "earliest"),
        default="committed",
        help="earliest: if the committed offset is lost, accept the gap and begin at the oldest record",
    )
    archive = parser.add_argument_group("from the archive")
    archive.add_argument("--raw-dir", type=Path, metavar="DIR", help="archive directory; overrides ingestion.raw_dir")
    archive.add_argument("--follow", action="store_true", help="follow the archive until SIGINT or SIGTERM")
    archive.add_argument(
        "--batch-size", type=int, metavar="N", help="frames per micro-batch; overrides features.batch_size"
    )
    return run_command(parser, _featurize, argv)


def _featurize(options: argparse.Namespace) -> int:
    from tickvol.core.memory import collect_garbage_rarely, give_memory_back

    give_memory_back()
    from tickvol.config import check_products, load_config
    from tickvol.core.errors import UsageError
    from tickvol.volatility.dataset import looks_like_dataset
    from tickvol.volatility.featurizer.frame_featurizer import deadletter_dir

    config = load_config(options.config)
    source = options.source or config.features.source
    _check(options, source)
    target = Path(os.path.abspath(options.out or config.features.dataset_dir))
    if target.exists() and not (target.is_dir() and looks_like_dataset(target)):
        raise UsageError(f"--out: {target}: exists and is no feature dataset; name another directory")
    products = check_products(options.products) if options.products else config.products
    collect_garbage_rarely()
    if source == "kafka":
        return _from_kafka(options, config, products, target)
    from tickvol.volatility.featurizer.archive_worker import featurize_archive

    batch_size = config.features.batch_size if options.batch_size is None else options.batch_size
    raw_dir = options.raw_dir or config.ingestion.raw_dir
    summary = featurize_archive(config, products, raw_dir, target, batch_size=batch_size, follow=options.follow)
    print("\n".join(summary))
    print(f"dataset     {target}\nrejected    {deadletter_dir(target)}")
    return 0


def _check(options: argparse.Namespace, source: str) -> None:
    """Refuse options of the other source, which would be silently ignored."""
    from tickvol.core.errors import UsageError

    if options.batch_size is not None and options.batch_size < 1:
        raise UsageError(f"--batch-size: {options.batch_size}: must be at least 1 frame")
    if source == "kafka":
        given = {"--raw-dir": options.raw_dir, "--follow": options.follow, "--batch-size": options.batch_size}
        other = "archive"
    else:
        given = {"--until-end": options.until_end, "--start": options.start != "committed"}
        other = "kafka"
    problems = [
        f"{name}: {value}: requires --source {other}; the source is {source}" for name, value in given.items() if value
    ]
    if problems:
        raise UsageError(problems)


def _from_kafka(options: argparse.Namespace, config: "Config", products: Sequence[str], target: Path) -> int:
    from tickvol.volatility.featurizer.kafka_worker import featurize_kafka

    featurize_kafka(
        config,
        products,
        target,
        until_end=options.until_end,
        accept_gap=options.start == "earliest",
        on_summary=lambda lines: print("\n".join(lines)),
    )
    print(f"dataset     {target}\nrejected    topic {config.kafka.topic_deadletter}")
    return 0
