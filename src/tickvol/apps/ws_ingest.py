"""`tickvol ws-ingest`: capture the exchange's feed into the raw archive and publish it."""

import argparse
import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tickvol.command import command_parser, run_command
from tickvol.core.errors import UsageError

if TYPE_CHECKING:
    from tickvol.capture.feed import Feed
    from tickvol.capture.publisher_process import PublisherProcess
    from tickvol.capture.settings import IngestionConfig
    from tickvol.config import Config
    from tickvol.eventlog.raw_archive import RawArchive

DESCRIPTION = """Capture the exchange's feed into the raw archive and publish it to Kafka.

Writes each frame exactly as received, reconnects forever with jittered exponential backoff, and prints a summary when
SIGINT, SIGTERM or --duration stops it. Shows a status line on a terminal, else logs one line per minute.
A child process publishes the archive to Kafka. While the broker is down, or after a crash, unsent records stay in the
archive.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Capture until stopped."""
    parser = command_parser("ws-ingest", DESCRIPTION)
    parser.add_argument(
        "--products",
        nargs="+",
        metavar="PRODUCT",
        help="products, separated by blanks or commas; overrides products",
    )
    parser.add_argument("--url", help="the feed (wss:// or ws://); overrides ingestion.url")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="stop after this time; default: never")
    parser.add_argument("--raw-dir", type=Path, metavar="DIR", help="archive directory; overrides ingestion.raw_dir")
    parser.add_argument(
        "--sink",
        choices=("file", "kafka", "both"),
        help="file: archive only; kafka: delete each archive file once it is sent; both: keep and send;"
        " overrides ingestion.sink",
    )
    parser.add_argument(
        "--stop-on-close",
        action="store_true",
        help="stop when the server closes the connection normally (1000), as a simulated exchange does at its end",
    )
    return run_command(parser, _work, argv)


def _work(options: argparse.Namespace) -> int:
    from tickvol.config import load_config

    if not options.verbose:
        logging.getLogger("tickvol.capture.feed.socket").setLevel(logging.CRITICAL)
    config = load_config(options.config)
    products, ingestion = _with_flags(config, options)
    from tickvol.capture.capture import Capture
    from tickvol.capture.live_counts import CaptureCounts, TrackerSpec, warm_up
    from tickvol.eventlog.raw_archive import ArchiveSpec, RawArchive
    from tickvol.eventlog.receive_clock import ReceiveClock, last_receive_time_ns

    tracker = TrackerSpec(products, ingestion.max_line_bytes, config.features.grace_ms, ingestion.max_ahead_s)
    warm_up(tracker)
    figures = CaptureCounts(tracker)
    clock = ReceiveClock(last_receive_time_ns(ingestion.raw_dir))
    archive_spec = ArchiveSpec(
        ingestion.raw_dir, ingestion.raw_keep_days, ingestion.min_free_disk_mb, spool=ingestion.sink != "file"
    )
    archive = RawArchive(archive_spec, figures.add)
    archive.start(clock.now_ns(), list(products), alone=ingestion.sink != "file")
    feed = _feed(products, ingestion, archive, clock.now_ns, stop_on_close=options.stop_on_close)
    publisher = None if ingestion.sink == "file" else _publisher(options, products, ingestion)
    capture = Capture(feed, figures, archive, publisher, ingestion.metrics_port)
    started = time.monotonic()
    ended_by = "failure"
    try:
        ended_by = asyncio.run(capture.run(options.duration, clock.now_ns))
    finally:
        figures.settle()
        print(f"capture {archive.capture_id}: {time.monotonic() - started:.1f} s, ended by {ended_by}")
        for line in capture.summary(ingestion.raw_dir):
            print(line)
    return 0


def _with_flags(config: "Config", options: argparse.Namespace) -> "tuple[tuple[str, ...], IngestionConfig]":
    """Products and ingestion settings with the command's flags applied, validated by the same rules."""
    from pydantic import Field, TypeAdapter, ValidationError
    from websockets.exceptions import InvalidURI
    from websockets.uri import parse_uri

    from tickvol.capture.settings import IngestionConfig
    from tickvol.settings.fields import Product

    problems = []
    if options.duration is not None and not 0 < options.duration < float("inf"):
        problems.append(f"--duration: {options.duration:g}: must be above 0 seconds")
    products = config.products
    if options.products:
        names = [name for text in options.products for name in text.split(",") if name]
        products = tuple(dict.fromkeys(names))
        try:
            TypeAdapter(Annotated[tuple[Product, ...], Field(min_length=1)]).validate_python(products)
        except ValidationError:
            problems.append(f"--products: {', '.join(products)}: must be names like BTC-USD, one at least")
    values = config.ingestion.model_dump() | {"url": options.url or config.ingestion.url}
    values["raw_dir"] = options.raw_dir or config.ingestion.raw_dir
    values["sink"] = options.sink or config.ingestion.sink
    ingestion = config.ingestion
    try:
        ingestion = IngestionConfig.model_validate(values)
        parse_uri(ingestion.url)
    except (ValidationError, InvalidURI):
        problems.append(f"--url: {values['url']!r}: must be like wss://host or ws://127.0.0.1:8765")
    if problems:
        raise UsageError(problems)
    return products, ingestion


def _feed(
    products: tuple[str, ...],
    ingestion: "IngestionConfig",
    archive: "RawArchive",
    now_ns: Callable[[], int],
    *,
    stop_on_close: bool,
) -> "Feed":
    from tickvol.capture.feed import Feed, FeedSpec
    from tickvol.capture.reconnect import ConnectLimiter
    from tickvol.core.backoff import Backoff

    reconnect = ingestion.reconnect
    return Feed(
        FeedSpec(
            url=ingestion.url,
            products=products,
            subscribe_timeout_s=ingestion.subscribe_timeout_s,
            feed_silence_s=ingestion.feed_silence_s,
            max_message_bytes=ingestion.max_message_bytes,
        ),
        archive,
        Backoff(
            initial_s=reconnect.initial_backoff_s,
            maximum_s=reconnect.max_backoff_s,
            multiplier=reconnect.multiplier,
            jitter=reconnect.jitter,
            random=random.random,
        ),
        ConnectLimiter(reconnect.max_connects_per_s, time.monotonic),
        stop_on_close=stop_on_close,
        now_ns=now_ns,
    )


def _publisher(
    options: argparse.Namespace, products: tuple[str, ...], ingestion: "IngestionConfig"
) -> "PublisherProcess":
    from tickvol.capture.publisher_process import PublisherProcess

    arguments = ["--config", str(options.config), "--raw-dir", str(ingestion.raw_dir), "--products", *products]
    arguments += ["--delete-sent"] if ingestion.sink == "kafka" else []
    arguments += ["--verbose"] if options.verbose else []
    return PublisherProcess(arguments, ingestion.publish.drain_timeout_s)
