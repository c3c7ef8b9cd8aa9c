"""`tickvol replay`: compute a new feature dataset from recorded frames and swap it in."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tickvol.command import command_parser, run_command

if TYPE_CHECKING:
    from tickvol.config import Config
    from tickvol.core.records import Record

DESCRIPTION = """Compute a feature dataset from recorded frames, from the whole tick topic, or from closed candles.

Files may be wrapped archives, bare frames or recorder lines, plain, .gz or .zst; they are merged in time order.
The complete dataset then replaces the old one. Any --batch-size gives the same bytes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol replay`."""
    parser = command_parser("replay", DESCRIPTION)
    parser.add_argument(
        "--data-file",
        nargs="+",
        type=Path,
        metavar="F",
        help="files or directories; default: the newest capture in ingestion.raw_dir",
    )
    parser.add_argument(
        "--from-kafka", action="store_true", help="read the whole tick topic instead of files; default: files"
    )
    parser.add_argument(
        "--klines",
        nargs="+",
        metavar="FILE",
        help="closed candles (.feather, .parquet, .csv), one file per product, as FILE or PRODUCT=FILE; default: none",
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="dataset directory; default: features.dataset_dir, candles.dataset_dir"
    )
    parser.add_argument(
        "--batch-size", type=int, metavar="N", help="frames per micro-batch; default: features.batch_size"
    )
    parser.add_argument(
        "--sequence",
        choices=("trust", "report"),
        help="sequence gaps in bare recordings: trust them as data loss, or only report; default: ingestion.sequence",
    )
    parser.add_argument("--products", nargs="+", metavar="P", help="products to compute; default: products")
    parser.add_argument(
        "--records",
        type=Path,
        metavar="FILE",
        help="also write the log's ticks, heartbeats and gaps to FILE as JSON lines; default: not written",
    )
    return run_command(parser, _replay, argv)


def _replay(options: argparse.Namespace) -> int:
    from tickvol.config import check_products, load_config
    from tickvol.core.errors import InputError, UsageError
    from tickvol.core.memory import collect_garbage_rarely
    from tickvol.eventlog.archive_reader import MergedLog, archive_files, newest_capture, source_names
    from tickvol.volatility.dataset import looks_like_dataset, remove_tree
    from tickvol.volatility.featurizer.frame_featurizer import Featurizer, Store, deadletter_dir

    config = load_config(options.config)
    batch_size = config.features.batch_size if options.batch_size is None else options.batch_size
    if batch_size < 1:
        raise UsageError(f"--batch-size: {batch_size}: must be at least 1 frame")
    products = check_products(options.products) if options.products else config.products
    default = config.candles.dataset_dir if options.klines else config.features.dataset_dir
    target = Path(os.path.abspath(options.out or default))
    if target.exists() and not (target.is_dir() and looks_like_dataset(target)):
        raise UsageError(f"--out: {target}: exists and is no feature dataset; name another directory")
    started = time.monotonic()
    collect_garbage_rarely()
    new = target.with_name(f".new.{target.name}")
    remove_tree(new)
    remove_tree(deadletter_dir(new))
    if options.klines:
        return _replay_klines(options, config, target, new)
    if options.from_kafka:
        return _replay_topic(options, config, products, target, new)
    files = archive_files(options.data_file) if options.data_file else newest_capture(config.ingestion.raw_dir)
    ingestion = config.ingestion.model_copy(update={"sequence": options.sequence or config.ingestion.sequence})
    featurizer = Featurizer(config.features.spec(), ingestion, products, source_names(files))
    store = Store(new, featurizer.engine.spec, products)
    log = MergedLog(files, featurizer.decoder, batch_size=batch_size)
    progress = Progress(sum(path.stat().st_size for path in files))
    with contextlib.ExitStack() as stack:
        if options.records is not None:
            featurizer.on_records = RecordFile(stack.enter_context(options.records.open("wb"))).write
        for batch in log:
            featurizer.take(batch.frames, bare=batch.bare)
            store.write(featurizer.drain(), only_complete=True)
            progress.show(featurizer.tracker.counts.frames)
    progress.end()
    counts = featurizer.tracker.counts
    if counts.frames == counts.rejected.total():
        reasons = ", ".join(f"{name} {count}" for name, count in sorted(counts.rejected.items())) or "empty"
        named = f"{files[0]}{' and others' if len(files) > 1 else ''}"
        raise InputError(
            f"--data-file: {named}: not a single frame that can be used ({reasons}); {target} is unchanged"
        )
    store.write(featurizer.drain())
    _swap_in(new, target)
    print("\n".join(featurizer.summary()))
    for problem in log.unreadable:
        print(f"unreadable  {problem}; the lines before it were used")
    seconds = time.monotonic() - started
    print(f"files       {len(files)}, {seconds:.1f} s, {featurizer.tracker.counts.frames / seconds:.0f} frames/s")
    print(f"dataset     {target}\nrejected    {deadletter_dir(target)}")
    return 0


def _replay_klines(options: argparse.Namespace, config: "Config", target: Path, new: Path) -> int:
    from tickvol.core.errors import UsageError
    from tickvol.volatility.featurizer.replay_klines import replay_klines

    others = {name: getattr(options, name) for name in ("data_file", "from_kafka", "sequence", "records", "products")}
    problems = [
        f"--{name.replace('_', '-')}: {value}: does not go with --klines" for name, value in others.items() if value
    ]
    if problems:
        raise UsageError(problems)
    lines = replay_klines(config.candles.spec(), options.klines, new)
    _swap_in(new, target)
    print("\n".join(lines))
    print(f"dataset     {target}")
    return 0


def _replay_topic(
    options: argparse.Namespace, config: "Config", products: Sequence[str], target: Path, new: Path
) -> int:
    from tickvol.core.errors import UsageError
    from tickvol.volatility.featurizer.frame_featurizer import deadletter_dir
    from tickvol.volatility.featurizer.replay_topic import replay_topic

    files_only = {"--data-file": options.data_file, "--sequence": options.sequence, "--records": options.records}
    problems = [
        f"{name}: {value}: goes with files, not with --from-kafka" for name, value in files_only.items() if value
    ]
    if problems:
        raise UsageError(problems)
    progress = Progress(0)
    started = time.monotonic()
    counts = replay_topic(config, products, new, on_progress=progress.show_records)
    progress.end()
    _swap_in(new, target)
    seconds = time.monotonic() - started
    print("\n".join(counts.summary(products)))
    print(f"topic       {config.ingestion.topic}, {seconds:.1f} s, {counts.records / seconds:.0f} records/s")
    print(f"dataset     {target}\nrejected    {deadletter_dir(target)}")
    return 0


def _swap_in(new: Path, target: Path) -> None:
    """Replace the old dataset and dead-letter records with the new ones."""
    from tickvol.storage.files import replace_directory
    from tickvol.volatility.featurizer.frame_featurizer import deadletter_dir, progress_path

    new.mkdir(parents=True, exist_ok=True)
    replace_directory(new, target)
    progress_path(target).unlink(missing_ok=True)
    replace_directory(deadletter_dir(new), deadletter_dir(target))


class RecordFile:
    """JSON Lines file of the log's records."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink

    def write(self, records: "Iterator[Record]") -> None:
        """Append records."""
        import msgspec

        encode = msgspec.json.Encoder().encode
        for record in records:
            self._sink.write(encode(record) + b"\n")


class Progress:
    """Progress line on a terminal; silent in a pipe."""

    def __init__(self, total_bytes: int) -> None:
        self._total = total_bytes
        self._on = sys.stderr.isatty()
        self._shown = 0.0

    def show(self, frames: int) -> None:
        """Show the number of frames read, at most five times a second."""
        now = time.monotonic()
        if self._on and now - self._shown > 0.2:
            self._shown = now
            print(f"\r{frames:>12,} frames of {self._total / 1e6:,.1f} MB input", end="", file=sys.stderr, flush=True)

    def show_records(self, done: int, total: int) -> None:
        """Show the number of messages read, at most five times a second."""
        now = time.monotonic()
        if self._on and now - self._shown > 0.2:
            self._shown = now
            print(f"\r{done:>12,} of {total:,} messages", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the line."""
        if self._on:
            print("\r" + " " * 60 + "\r", end="", file=sys.stderr)
