"""`tickvol publish`: send the raw archive to Kafka, from the last acknowledged line on."""

import argparse
import contextlib
import os
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tickvol.command import command_parser, run_command

if TYPE_CHECKING:
    from tickvol.capture.publish_counts import PublishCounts

DESCRIPTION = """Send the raw archive's records to ingestion.topic and rejected input to kafka.topic_deadletter.

Resumes after the last line that the broker acknowledged. `tickvol ws-ingest` starts this command itself; run it alone
to publish an archive that was captured without Kafka. Exit code 3: stopped before everything was acknowledged; run it
again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol publish`."""
    parser = command_parser("publish", DESCRIPTION)
    parser.add_argument("--raw-dir", type=Path, metavar="DIR", help="archive directory; overrides ingestion.raw_dir")
    parser.add_argument("--products", nargs="+", metavar="P", help="products to publish; overrides products")
    parser.add_argument("--follow", action="store_true", help="follow the archive as it grows, until SIGINT or SIGTERM")
    parser.add_argument(
        "--until-closed",
        type=int,
        metavar="FD",
        help="with --follow: stop at the archive's end once the other end of this pipe is closed; default: never",
    )
    parser.add_argument(
        "--delete-sent", action="store_true", help="delete packed files once all their lines are acknowledged"
    )
    parser.add_argument("--figures", action="store_true", help="print metrics as JSON lines while publishing")
    return run_command(parser, _publish, argv)


def _publish(options: argparse.Namespace) -> int:
    from tickvol.capture.publisher import Publisher
    from tickvol.config import check_products, load_config
    from tickvol.core.errors import InputError
    from tickvol.core.memory import collect_garbage_rarely

    config = load_config(options.config)
    raw_dir: Path = options.raw_dir or config.ingestion.raw_dir
    if not raw_dir.is_dir():
        raise InputError(f"--raw-dir: {raw_dir}: no such directory; capture something by `tickvol ws-ingest` first")
    products = check_products(options.products) if options.products else config.products
    stop = _Stop()
    pipe = options.until_closed
    publisher = Publisher(
        config.kafka,
        config.ingestion.model_copy(update={"raw_dir": raw_dir}),
        products,
        grace_ms=config.features.grace_ms,
        batch_size=config.features.batch_size,
        follow=lambda: options.follow and not (pipe is not None and _is_closed(pipe)),
        stopped=lambda: stop.asked,
        on_counts=_show if options.figures else lambda _: None,
        delete_sent=options.delete_sent,
    )
    collect_garbage_rarely()
    try:
        complete = publisher.run()
    finally:
        publisher.close()
    if not options.figures:
        for line in _summary(publisher.figures, complete=complete):
            print(line)
    return 0 if complete else 3


class _Stop:
    """Stop flag, set by SIGINT or SIGTERM."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        self.asked = True


def _is_closed(pipe: int) -> bool:
    return bool(select.select([pipe], [], [], 0)[0]) and not os.read(pipe, 1)


def _show(figures: "PublishCounts") -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(figures.as_json().decode() + "\n")
        sys.stdout.flush()


def _summary(figures: "PublishCounts", *, complete: bool) -> list[str]:
    rejected = ", ".join(f"{name} {count}" for name, count in sorted(figures.rejected.items())) or "none"
    gaps = ", ".join(f"{name} {count}" for name, count in sorted(figures.gaps.items())) or "none"
    return [
        f"records     {figures.records:,} sent; gaps {gaps}",
        f"rejected    {sum(figures.rejected.values()):,} ({rejected}), {figures.letters:,} dead-letter records sent",
        f"acknowledged up to {figures.source}:{figures.line}" if figures.source else "nothing acknowledged",
        "complete    all lines of the archive are with the broker" if complete else "incomplete  run again to continue",
    ]
