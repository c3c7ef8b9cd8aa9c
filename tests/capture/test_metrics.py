"""What of a capture is not acknowledged yet, in files and lines."""

import asyncio
import threading

import pytest

from tickvol.capture.feed import Feed, FeedCounts, FeedSpec
from tickvol.capture.live_counts import CaptureCounts, TrackerSpec
from tickvol.capture.metrics import INGESTOR_METRICS, scrape, spool
from tickvol.capture.publish_counts import PublishCounts
from tickvol.capture.reconnect import ConnectLimiter
from tickvol.core.backoff import Backoff
from tickvol.eventlog.raw_archive import ArchiveCounts, ArchiveSpec, RawArchive

OLD, FIRST, SECOND = "20260101T000000Z_x", "20260102T000000Z_a", "20260102T000000Z_b"
HOUR_NS = 3600 * 1_000_000_000


@pytest.mark.parametrize(
    ("source", "line", "files", "lines", "why"),
    [
        ("", 0, 2, 100, "nothing is acknowledged"),
        (OLD, 7, 2, 100, "the publisher is in an older capture"),
        (FIRST, 40, 1, 60, "40 of the first file"),
        (SECOND, 0, 0, 30, "all of the first file"),
        (SECOND, 30, 0, 0, "everything"),
        (SECOND, 31, 0, 0, "figures of the publisher are newer than ours"),
    ],
)
def test_spool_counts_what_is_behind_the_acknowledged_place(source, line, files, lines, why):
    counts = ArchiveCounts(frames=90, control_lines=10, files=2, lines_before={FIRST: 0, SECOND: 70})
    assert spool(counts, source, line) == (files, lines), why


def test_archive_notes_the_lines_before_each_of_its_files(tmp_path):
    archive = RawArchive(ArchiveSpec(tmp_path, 30, 1))
    archive.start(0, ["BTC-USD"])
    for number in range(5):
        archive.write_frame(number, "c", "{}")
    archive.write_frame(HOUR_NS, "c", "{}")
    archive.stop(HOUR_NS)
    (first, none), (second, lines) = archive.counts.lines_before.items()
    assert (none, lines) == (0, 6)
    assert archive.counts.lines - lines == 2
    assert sorted(path.name for path in tmp_path.glob("*.gz")) == [f"{first}.gz", f"{second}.gz"]


def test_age_of_the_last_frame_goes_on_over_connections_and_begins_with_the_capture():
    now = [100.0]
    spec = FeedSpec("ws://127.0.0.1:9", ("BTC-USD",), 1.0, 5.0, 1 << 20)
    backoff, limiter = Backoff(initial_s=1, maximum_s=1, multiplier=1, jitter=0, random=float), ConnectLimiter(8, float)
    feed = Feed(spec, None, backoff, limiter, monotonic=lambda: now[0])
    now[0] = 160.0
    assert feed.frame_age_s == 60.0


class _Publisher:
    figures = PublishCounts(connected=True, records=5, letters=1)
    restarts = 2


class _Feed:
    counts = FeedCounts(opened=1)
    frame_age_s = 0.5


class _Capture:
    """What a scrape reads of a capture; `settled_on` notes the threads that counted."""

    def __init__(self, directory, publisher):
        self.settled_on = []
        self.archive = RawArchive(ArchiveSpec(directory, 30, 1))
        self.feed, self.publisher = _Feed(), publisher
        self.figures = CaptureCounts(TrackerSpec(("BTC-USD",), 1 << 20, 250, 5.0))
        self.figures.settle = lambda: self.settled_on.append(threading.get_ident())


@pytest.mark.parametrize("publisher", [_Publisher(), None])
def test_scrape_counts_on_the_thread_of_the_event_loop(tmp_path, publisher):
    capture = _Capture(tmp_path, publisher)

    async def run():
        return await asyncio.to_thread(scrape(capture, asyncio.get_running_loop()))

    values = asyncio.run(run())
    assert capture.settled_on == [threading.get_ident()]
    without = {
        name
        for name in (metric.name for metric in INGESTOR_METRICS)
        if any(part in name for part in ("publish", "letters", "flight", "spool"))
    }
    declared = {metric.name for metric in INGESTOR_METRICS}
    assert set(values) == (declared if publisher else declared - without)
