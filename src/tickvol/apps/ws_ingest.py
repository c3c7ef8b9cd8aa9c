"""`tickvol ws-ingest`: capture the exchange's feed into the raw archive."""

import argparse
import asyncio
import logging
import random
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tickvol.apps.command import command_parser, run_command
from tickvol.core.errors import UsageError

if TYPE_CHECKING:
    from tickvol.config import Config
    from tickvol.config_sections import IngestionConfig
    from tickvol.ingest.capture_figures import CaptureFigures
    from tickvol.ingest.feed import Feed, FeedCounts
    from tickvol.ingest.raw_archive import ArchiveCounts, RawArchive

log = logging.getLogger(__name__)

LIVE_EVERY_S = 0.5
LOG_EVERY_S = 60.0
DESCRIPTION = """Capture the exchange's feed into the raw archive.

Writes each frame as it was received, connects again for ever with growing, jittered pauses, and prints a summary when
it is stopped by SIGINT, SIGTERM or --duration. On a terminal it shows a live line, else it logs one a minute.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Capture until stopped."""
    parser = command_parser("ws-ingest", DESCRIPTION)
    parser.add_argument(
        "--products",
        nargs="+",
        metavar="PRODUCT",
        help="products, by blanks or commas; None: products of the configuration",
    )
    parser.add_argument("--url", help="the feed (wss:// or ws://); None: ingestion.url")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="stop after this many seconds; None: never")
    parser.add_argument("--raw-dir", type=Path, metavar="DIR", help="where the archive is; None: ingestion.raw_dir")
    parser.add_argument(
        "--stop-on-close",
        action="store_true",
        help="stop when the server closes normally (1000), as a simulated exchange does at its end",
    )
    return run_command(parser, _work, argv)


def _work(options: argparse.Namespace) -> int:
    from tickvol.config import load_config

    if not options.verbose:
        logging.getLogger("tickvol.ingest.feed.socket").setLevel(logging.CRITICAL)
    config = load_config(options.config)
    products, ingestion = _with_flags(config, options)
    from tickvol.ingest.capture_figures import CaptureFigures, TrackerSpec, warm_up
    from tickvol.ingest.raw_archive import ArchiveSpec, RawArchive

    tracker = TrackerSpec(products, ingestion.max_line_bytes, config.features.grace_ms, ingestion.max_ahead_s)
    warm_up(tracker)
    figures = CaptureFigures(tracker)
    archive_spec = ArchiveSpec(ingestion.raw_dir, ingestion.raw_keep_days, ingestion.min_free_disk_mb)
    archive = RawArchive(archive_spec, figures.add)
    archive.start(time.time_ns(), list(products))
    feed = _feed(products, ingestion, archive, stop_on_close=options.stop_on_close)
    started = time.monotonic()
    ended_by = "failure"
    try:
        ended_by = asyncio.run(_capture(feed, figures, archive, options.duration))
    finally:
        archive.stop(time.time_ns())
        figures.settle()
        print(f"capture {archive.capture_id}: {time.monotonic() - started:.1f} s, ended by {ended_by}")
        for line in _summary(archive.counts, feed.counts, figures, ingestion.raw_dir):
            print(line)
    return 0


def _with_flags(config: "Config", options: argparse.Namespace) -> "tuple[tuple[str, ...], IngestionConfig]":
    """Products and section with the command's flags in them, under the same rules."""
    from pydantic import Field, TypeAdapter, ValidationError
    from websockets.exceptions import InvalidURI
    from websockets.uri import parse_uri

    from tickvol.config_sections import IngestionConfig, Product

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
    products: tuple[str, ...], ingestion: "IngestionConfig", archive: "RawArchive", *, stop_on_close: bool
) -> "Feed":
    from tickvol.ingest.feed import Feed, FeedSpec
    from tickvol.ingest.reconnect import Backoff, ConnectLimiter

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
    )


async def _capture(feed: "Feed", figures: "CaptureFigures", archive: "RawArchive", duration_s: float | None) -> str:
    """Run until the feed ends, a signal comes or the time is over; says which."""
    stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_signal(name: str) -> None:
        if not stop.done():
            stop.set_result(name)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal, number.name)
    running = asyncio.create_task(feed.run())
    watching = [asyncio.create_task(_report(feed, figures)), asyncio.create_task(_watch_disk(archive))]
    try:
        either: set[asyncio.Future[Any]] = {running, stop}
        await asyncio.wait(either, timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
            return "the server's close"
        return stop.result() if stop.done() else "--duration"
    finally:
        for task in (running, *watching):
            task.cancel()
        await asyncio.gather(running, *watching, return_exceptions=True)


async def _report(feed: "Feed", figures: "CaptureFigures") -> None:
    if sys.stderr.isatty():
        await _show_live(feed, figures)
    while True:
        await asyncio.sleep(LOG_EVERY_S)
        figures.settle()
        log.info("%s", _live_line(feed.counts, figures))


async def _show_live(feed: "Feed", figures: "CaptureFigures") -> None:
    clear = "\r\033[K"
    try:
        while True:
            await asyncio.sleep(LIVE_EVERY_S)
            figures.settle()
            print(clear + _live_line(feed.counts, figures), end="", file=sys.stderr, flush=True)
    finally:
        print(clear, end="", file=sys.stderr, flush=True)


async def _watch_disk(archive: "RawArchive") -> None:
    while True:
        archive.warn_if_short()
        await asyncio.sleep(LOG_EVERY_S)


def _live_line(connections: "FeedCounts", figures: "CaptureFigures") -> str:
    rates = figures.rates()
    parts = [f"{name} {figures.prices.get(name, '-')} {rates[name]:.1f}/s" for name in figures.ticks]
    reconnects = max(connections.opened - 1, 0)
    return f"{' | '.join(parts)} | gaps {figures.gaps.total():,} | reconnects {reconnects:,}"


def _summary(
    written: "ArchiveCounts", connections: "FeedCounts", figures: "CaptureFigures", raw_dir: Path
) -> Iterator[str]:
    frames = figures.frames
    closed = connections.closed
    still_open = connections.opened - closed.total()
    parts = [f"ticker {frames.tickers:,}", f"heartbeats {frames.heartbeats:,}", f"other {frames.other_channels:,}"]
    parts += [f"rejected as {reason} {count:,}" for reason, count in sorted(frames.rejected.items())]
    parts += [f"waiting {frames.waiting:,}"] if frames.waiting else []
    yield f"  frames       {written.frames:,} = {' + '.join(parts)}"
    yield f"  ticks        {figures.ticks.total():,} = {' + '.join(f'{n} {c:,}' for n, c in figures.ticks.items())}"
    yield f"  sequence     {frames.jumps:,} jumps, {frames.missing:,} numbers missing"
    gaps = " + ".join(f"{reason} {count:,}" for reason, count in sorted(figures.gaps.items())) or "none"
    yield f"  gaps         {figures.gaps.total():,} = {gaps}, each product its own"
    yield (
        f"  connections  {connections.opened:,} = reconnect {closed['reconnect']:,} + silence {closed['silence']:,} "
        f"+ open at the end {still_open:,}; {connections.failed:,} could not be made"
    )
    yield f"  lines        {written.lines:,} = frames {written.frames:,} + control lines {written.control_lines:,}"
    yield f"  archive      {written.bytes:,} bytes before packing, in {written.files:,} files in {raw_dir}"
