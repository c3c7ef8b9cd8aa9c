"""A running capture: feed, live counts, disk watch and publisher, together until something ends it."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tickvol.capture.feed import Feed
from tickvol.capture.live_counts import CaptureCounts
from tickvol.capture.metrics import INGESTOR_METRICS, scrape
from tickvol.capture.publisher_process import PublisherProcess
from tickvol.eventlog.raw_archive import RawArchive
from tickvol.metrics.server import serve_metrics

log = logging.getLogger(__name__)

LIVE_EVERY_S = 0.5
LOG_EVERY_S = 60.0


class Capture:
    """Feed, live counts, archive and, if there is one, the publisher.

    Parameters
    ----------
    metrics_port : 0: no metrics over HTTP.
    """

    def __init__(
        self,
        feed: Feed,
        figures: CaptureCounts,
        archive: RawArchive,
        publisher: PublisherProcess | None,
        metrics_port: int,
    ) -> None:
        self.feed = feed
        self.figures = figures
        self.archive = archive
        self.publisher = publisher
        self._metrics_port = metrics_port

    async def run(self, duration_s: float | None, now_ns: Callable[[], int]) -> str:
        """Run until the feed ends, a signal arrives or the time is over; return the cause.

        The archive is closed before the publisher is asked to finish, so that all of it can be sent.
        """
        stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_signal(name: str) -> None:
            if not stop.done():
                stop.set_result(name)

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, on_signal, number.name)
        read = scrape(self, asyncio.get_running_loop())
        metrics = serve_metrics("ingestion.metrics_port", self._metrics_port, INGESTOR_METRICS, read)
        running = asyncio.create_task(self.feed.run())
        background = [asyncio.create_task(self._report()), asyncio.create_task(self._watch_disk())]
        publishing = None if self.publisher is None else asyncio.create_task(self.publisher.run())
        try:
            either: set[asyncio.Future[Any]] = {running, stop}
            await asyncio.wait(either, timeout=duration_s, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                running.result()
                return "the server's close"
            return stop.result() if stop.done() else "--duration"
        finally:
            await _cancel(running, *background)
            try:
                await asyncio.to_thread(self.archive.stop, now_ns())
            finally:
                if self.publisher is not None and publishing is not None:
                    await self.publisher.stop()
                    await asyncio.wait({publishing}, timeout=LIVE_EVERY_S)  # it records how the process ended
                    await _cancel(publishing)
                if metrics is not None:
                    await asyncio.to_thread(metrics.close)

    async def _report(self) -> None:
        if sys.stderr.isatty():
            await self._show_live()
        while True:
            await asyncio.sleep(LOG_EVERY_S)
            self.figures.settle()
            log.info("%s", self._live_line())

    async def _show_live(self) -> None:
        clear = "\r\033[K"
        try:
            while True:
                await asyncio.sleep(LIVE_EVERY_S)
                self.figures.settle()
                _write(clear + self._live_line())
        finally:
            _write(clear)

    async def _watch_disk(self) -> None:
        while True:
            self.archive.warn_if_short()
            await asyncio.sleep(LOG_EVERY_S)

    def _live_line(self) -> str:
        figures = self.figures
        rates = figures.rates()
        parts = [f"{name} {figures.prices.get(name, '-')} {rates[name]:.1f}/s" for name in figures.ticks]
        reconnects = max(self.feed.counts.opened - 1, 0)
        line = f"{' | '.join(parts)} | gaps {figures.gaps.total():,} | reconnects {reconnects:,}"
        if self.publisher is None:
            return line
        sent = self.publisher.figures
        return f"{line} | {'sent' if sent.connected else 'NOT sent: broker away; sent'} {sent.records:,}"

    def summary(self, raw_dir: Path) -> Iterator[str]:
        """Summary lines, whose counts add up."""
        figures, written, connections = self.figures, self.archive.counts, self.feed.counts
        frames, closed = figures.frames, connections.closed
        still_open = connections.opened - closed.total()
        parts = [f"ticker {frames.tickers:,}", f"heartbeats {frames.heartbeats:,}", f"other {frames.other_channels:,}"]
        parts += [f"rejected as {reason} {count:,}" for reason, count in sorted(frames.rejected.items())]
        parts += [f"waiting {frames.waiting:,}"] if frames.waiting else []
        yield f"  frames       {written.frames:,} = {' + '.join(parts)}"
        yield f"  ticks        {figures.ticks.total():,} = {' + '.join(f'{n} {c:,}' for n, c in figures.ticks.items())}"
        yield f"  sequence     {frames.jumps:,} jumps, {frames.missing:,} numbers missing"
        gaps = " + ".join(f"{reason} {count:,}" for reason, count in sorted(figures.gaps.items())) or "none"
        yield f"  gaps         {figures.gaps.total():,} = {gaps}, each product its own"
        full = f"full disk {closed['capture_down']:,} + " if closed["capture_down"] else ""
        yield (
            f"  connections  {connections.opened:,} = reconnect {closed['reconnect']:,} + silence {closed['silence']:,}"
            f" + {full}open at the end {still_open:,}; {connections.failed:,} could not be made"
        )
        yield f"  lines        {written.lines:,} = frames {written.frames:,} + control lines {written.control_lines:,}"
        yield f"  archive      {written.bytes:,} bytes before packing, in {written.files:,} files in {raw_dir}"
        if self.publisher is not None:
            yield self._published()

    def _published(self) -> str:
        assert self.publisher is not None
        sent = self.publisher.figures
        text = f"  published    {sent.records:,} records, {sent.letters:,} dead letters"
        if self.publisher.complete:
            return f"{text}; all of the archive is with the broker"
        place = f"behind {sent.source}:{sent.line}" if sent.source else "of the archive"
        return f"{text}; lines {place} are not sent: the next start sends them"


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


async def _cancel(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
