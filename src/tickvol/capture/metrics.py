"""Metrics of the capture and its publisher."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from tickvol.eventlog.raw_archive import ArchiveCounts
from tickvol.metrics.server import Metric, Values, by_label

if TYPE_CHECKING:
    from tickvol.capture.capture import Capture

TIMEOUT_S = 5.0
_P = "tickvol_ingestor_"

INGESTOR_METRICS = (
    Metric(_P + "frames_received_total", "Frames received and written to the archive"),
    Metric(_P + "frames_rejected_total", "Frames that gave no record, by reason; each is dead-lettered", ("reason",)),
    Metric(_P + "ticks_total", "Ticks received", ("product",)),
    Metric(_P + "gaps_total", "Gaps in the received data, by reason, counted for each product", ("reason",)),
    Metric(_P + "last_frame_age_seconds", "Time since the last frame, or since the start if there was none"),
    Metric(_P + "connections_opened_total", "Connections to the exchange that were opened"),
    Metric(_P + "connections_failed_total", "Connections to the exchange that failed to open"),
    Metric(_P + "connections_closed_total", "Connections to the exchange that ended, by reason", ("reason",)),
    Metric(_P + "disk_free_bytes", "Free disk space at the archive"),
    Metric(_P + "records_published_total", "Records sent to ticks.raw, including resends"),
    Metric(_P + "dead_letters_total", "Dead-letter records sent, including resends"),
    Metric(_P + "publisher_connected", "1 while the publisher reaches the broker, else 0"),
    Metric(_P + "publisher_restarts_total", "Restarts of the publisher's process"),
    Metric(_P + "records_in_flight", "Records sent and not acknowledged"),
    Metric(_P + "spool_files", "Files of the archive behind the one that holds the last acknowledged line"),
    Metric(_P + "spool_lines", "Lines written by this capture and not acknowledged"),
)


def scrape(capture: "Capture", loop: asyncio.AbstractEventLoop) -> Callable[[], Values]:
    """Make the reader of a scrape; it reads on the event loop, which owns the counts, not on the scrape's thread."""

    async def on_loop() -> dict[str, dict[tuple[str, ...], float]]:
        return _values(capture)

    def read() -> Values:
        values = asyncio.run_coroutine_threadsafe(on_loop(), loop).result(TIMEOUT_S)
        values["disk_free_bytes"] = {(): capture.archive.free_disk_mb() * 1e6}
        return {_P + name: by_labels for name, by_labels in values.items()}

    return read


def _values(capture: "Capture") -> dict[str, dict[tuple[str, ...], float]]:
    figures, connections = capture.figures, capture.feed.counts
    figures.settle()
    values: dict[str, dict[tuple[str, ...], float]] = {
        "frames_received_total": {(): capture.archive.counts.frames},
        "frames_rejected_total": by_label(figures.frames.rejected),
        "ticks_total": by_label(figures.ticks),
        "gaps_total": by_label(figures.gaps),
        "last_frame_age_seconds": {(): capture.feed.frame_age_s},
        "connections_opened_total": {(): connections.opened},
        "connections_failed_total": {(): connections.failed},
        "connections_closed_total": by_label(connections.closed),
    }
    if capture.publisher is not None:
        sent = capture.publisher.figures
        files, lines = spool(capture.archive.counts, sent.source, sent.line)
        values |= {
            "records_published_total": {(): sent.records},
            "dead_letters_total": {(): sent.letters},
            "publisher_connected": {(): float(sent.connected)},
            "publisher_restarts_total": {(): capture.publisher.restarts},
            "records_in_flight": {(): sent.in_flight},
            "spool_files": {(): max(files, sent.files_behind)},
            "spool_lines": {(): lines},
        }
    return values


def spool(counts: ArchiveCounts, source: str, line: int) -> tuple[int, int]:
    """Number of this capture's files and lines after the last acknowledged line."""
    before = counts.lines_before
    files = sum(name > source for name in before)
    if source in before:
        return files, max(0, counts.lines - before[source] - line)
    return files, counts.lines if files else 0
