"""Publisher of the archive to Kafka: follow its lines, track them, send the records, and store the progress.

There is one path for everything. Live frames, the backlog of an outage and the rest of a killed run are all lines of
the archive after the last acknowledged one; they are sent in order, so none overtakes another and none becomes late.
After a failure or a restart everything after that line is sent again: records may appear twice, with the same
connection and sequence number, and none is missing.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from tickvol.bus.log_writer import LogWriter, check_topics, last_connections
from tickvol.bus.messages import Message, dead_letter_message, record_message
from tickvol.bus.settings import KafkaConfig
from tickvol.capture.publish_counts import PublishCounts, added
from tickvol.capture.publish_progress import ProgressFile, Published
from tickvol.capture.settings import IngestionConfig
from tickvol.core.errors import BrokerUnavailable, LogLost, WorkError
from tickvol.eventlog.archive_follow import FollowedArchive, LinePosition
from tickvol.eventlog.frame_columns import Reject
from tickvol.eventlog.frames import FrameDecoder
from tickvol.eventlog.record_text import records_of
from tickvol.eventlog.tracker import FrameTracker, Tracked
from tickvol.eventlog.tracker_snapshot import TrackerSnapshot, restore_snapshot, take_snapshot

logger = logging.getLogger(__name__)

POLL_S = 0.01
"""Interval of polls for new lines. A poll costs the same for one line or many, here and at each reader of the topic:
at 1,000 ticks a second, continuous polling takes twice the CPU time and makes rows later, not sooner."""
CHECKPOINT_S = 0.05
COMMIT_S = 1.0
RETRY_S = 1.0
SILENCE_S = 3.0
"""The producer waits for a broker for ever; if nothing is acknowledged for this long, the broker counts as down."""


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """A point of progress: once `sent` messages are acknowledged, everything up to `place` is."""

    sent: int
    place: LinePosition
    tracker: TrackerSnapshot


class Publisher:
    """Publishes one archive; holds its lock until `close`.

    Parameters
    ----------
    ingestion : location of the archive and settings of publishing.
    grace_ms : time that the tracker waits for a lost frame, in event time.
    batch_size : maximum number of lines in a batch.
    follow : returns True while the archive may still grow.
    stopped : returns True if publishing must end with what is sent so far.
    on_counts : called with the counts from time to time.
    delete_sent : True to delete packed files once all their lines are acknowledged.
    progress : the archive's progress file, already locked; None: this takes the lock as soon as it is free.
    """

    def __init__(
        self,
        kafka: KafkaConfig,
        ingestion: IngestionConfig,
        products: tuple[str, ...],
        *,
        grace_ms: int,
        batch_size: int,
        follow: Callable[[], bool],
        stopped: Callable[[], bool],
        on_counts: Callable[[PublishCounts], None] = lambda _: None,
        delete_sent: bool = False,
        progress: ProgressFile | None = None,
    ) -> None:
        self.figures = PublishCounts()
        self._kafka = kafka
        self._ingestion = ingestion
        self._raw_dir = raw_dir = ingestion.raw_dir
        self._grace_ms = grace_ms
        self._batch_size = batch_size
        self._products = products
        self._follow = follow
        self._stopped = stopped
        self._on_counts = on_counts
        self._delete_sent = delete_sent
        self._progress = progress or ProgressFile(raw_dir)
        self._noter = ThreadPoolExecutor(1, thread_name_prefix="progress")
        self._noting: Future[None] | None = None
        self._due: Published | None = None
        self._noted_at = 0.0
        self._heard = (0, 0.0)
        while progress is None and not self._progress.lock():
            if not follow() or stopped():
                self._progress.close()
                raise WorkError(f"raw_dir: {raw_dir}: another process publishes it; stop that one first")
            time.sleep(CHECKPOINT_S)

    def close(self) -> None:
        """Release the archive for the next publisher."""
        self._noter.shutdown()
        self._progress.close()

    def run(self) -> bool:
        """Publish to the end of the archive, or until stopped; True if all of it is acknowledged.

        While the broker is down, this retries for as long as the archive is followed.

        Raises
        ------
        BrokerUnavailable
            If the broker is down and the archive is not followed.
        LogLost, TopicMismatch, CorruptFile
            If continuing would hide a gap.
        """
        while True:
            try:
                return self._session()
            except BrokerUnavailable as error:
                if self.figures.connected or not self.figures.source:
                    logger.warning("not published, kept in the archive until the broker is back: %s", error)
                self.figures.connected = False
                self._on_counts(self.figures)
                waited_until = time.monotonic() + RETRY_S
                while time.monotonic() < waited_until:
                    if self._stopped() or not self._follow():
                        raise
                    time.sleep(CHECKPOINT_S)

    def _session(self) -> bool:
        """Publish everything after the last acknowledged line, over one connection."""
        published = self._progress.read()
        topic = self._ingestion.topic
        same = published if published is not None and published.topic == topic else None
        topic_id = check_topics(self._kafka, topic, same.ends if same else {}, same.topic_id if same else "")
        decoder = FrameDecoder(self._products, self._ingestion.max_line_bytes)
        tracker = FrameTracker(self._products, grace_ms=self._grace_ms, max_ahead_s=self._ingestion.max_ahead_s)
        session = _Session(self._kafka, self._ingestion, decoder, tracker, self._batch_size, published, topic_id)
        try:
            if published is None:
                self._refuse_second_publication(session.archive)
                self._progress.write(session.beginning(topic))
            if not self.figures.connected:
                logger.info("publishing to %s from %s", topic, session.place or "the first line")
            self.figures.connected, self._heard = True, (0, time.monotonic())
            self._follow_archive(session, published)
            return self._drain(session)
        finally:
            session.writer.close()
            self._due = None
            self._settle_note()

    def _refuse_second_publication(self, archive: FollowedArchive) -> None:
        captures = {name.partition("_")[0] for name in archive.files()}
        own = {
            name for name in last_connections(self._kafka, self._ingestion.topic) if name.rpartition("-")[0] in captures
        }
        if own:
            raise LogLost(
                f"{self._raw_dir}: topic {self._ingestion.topic} holds records of this archive ({min(own)}),"
                " but how far it is published is not known; `tickvol kafka rebuild` recreates the topics from the"
                " archive"
            )

    def _follow_archive(self, session: "_Session", published: Published | None) -> None:
        after = None if published is None else published.place
        full, looked_at = self._batch_size, time.monotonic()
        for item in session.archive.batches(None, follow=self._follow, stopped=self._stopped, after=after):
            session.writer.settle()
            if item is None:
                session.take_checkpoint(session.place)
                self._note(session)
                looked_at = _wait_for_lines(looked_at)
                continue
            place, batch = item
            self._send(session, session.tracker.push(batch.frames, bare=False))
            session.take_checkpoint(place)
            self._note(session)
            while session.writer.in_flight > self._ingestion.publish.max_in_flight_records:
                if self._stopped():
                    return
                time.sleep(POLL_S)
                session.writer.settle()
                self._note(session)
            if len(batch.frames) < full:
                looked_at = _wait_for_lines(looked_at)

    def _send(self, session: "_Session", tracked: Tracked) -> None:
        figures = self.figures
        before = session.writer.sent
        records = records_of(tracked, self._products, session.decoder.connection_id)
        session.writer.send_records(map(record_message, records))
        figures.records += session.writer.sent - before
        figures.gaps = added(figures.gaps, Counter(gap.reason for gap in tracked.gaps))
        figures.rejected = added(figures.rejected, Counter(item.reason.label for item in tracked.rejected))
        for item in tracked.rejected:
            if item.reason is Reject.UNKNOWN_PRODUCT:  # not subscribed to; counted, but no dead-letter record
                continue
            figures.letters += 1
            session.writer.send_dead_letter(session.letter(tracked, item.row, item.reason))

    def _drain(self, session: "_Session") -> bool:
        """Wait for acknowledgements; True if all lines of the archive are acknowledged."""
        session.take_checkpoint(session.place, force=True)
        until = time.monotonic() + self._ingestion.publish.drain_timeout_s
        while session.writer.in_flight and time.monotonic() < until:
            time.sleep(POLL_S)
            session.writer.settle()
        self._note(session, force=True)
        return not session.writer.in_flight and not self._stopped()

    def _note(self, session: "_Session", *, force: bool = False) -> None:
        """Store the acknowledged progress, at most once a second."""
        if not force and time.monotonic() - self._noted_at < COMMIT_S:
            return
        self._noted_at = time.monotonic()
        self._update_connected(session.writer)
        reached = session.reached()
        if reached is not None:
            self.figures.source, self.figures.line = reached.place.source, reached.place.line
            self._due = session.note(reached, self._ingestion.topic)
        if force or self._noting is None or self._noting.done():
            self._settle_note()
            if self._due is not None:
                self._noting, self._due = self._noter.submit(self._write, self._due, session.archive), None
        if force:
            self._settle_note()
        files = session.archive.files()
        self.figures.files_behind = sum(name > self.figures.source for name in files)
        self.figures.in_flight = session.writer.in_flight
        self._on_counts(self.figures)

    def _write(self, note: Published, archive: FollowedArchive) -> None:
        """Store progress on a thread of its own: a busy disk takes longer than a tick may be in flight."""
        try:
            self._progress.write(note)
        except WorkError as error:
            logger.error("%s; after a restart more is sent again", error)
        else:
            if self._delete_sent:
                self._delete(archive, note.source)

    def _settle_note(self) -> None:
        """Wait for the write in progress, and raise its unexpected errors."""
        writing, self._noting = self._noting, None
        if writing is not None:
            writing.result()

    def _update_connected(self, writer: LogWriter) -> None:
        acknowledged, heard_at = self._heard
        if not writer.in_flight or writer.acknowledged != acknowledged:
            self._heard = writer.acknowledged, time.monotonic()
            if not self.figures.connected:
                logger.warning("the broker answers again; publishing goes on behind the last acknowledged line")
            self.figures.connected = True
        elif self.figures.connected and time.monotonic() - heard_at > SILENCE_S:
            logger.warning("not published, kept in the archive until the broker is back: nothing is acknowledged")
            self.figures.connected = False

    def _delete(self, archive: FollowedArchive, source: str) -> None:
        for name, path in archive.files().items():
            if name < source and path.name != name and name not in archive.unreadable:
                path.unlink(missing_ok=True)


def _wait_for_lines(looked_at: float) -> float:
    """Wait until the next poll is due; return its time."""
    time.sleep(max(0.0, looked_at + POLL_S - time.monotonic()))
    return time.monotonic()


class _Session:
    """Decoder, tracker and writer over one connection, from the state at the last acknowledged line."""

    def __init__(
        self,
        kafka: KafkaConfig,
        ingestion: IngestionConfig,
        decoder: FrameDecoder,
        tracker: FrameTracker,
        batch_size: int,
        published: Published | None,
        topic_id: str,
    ) -> None:
        self.topic_id = topic_id
        self.sources: list[str] = []
        self.decoder = decoder
        self.tracker = tracker
        self.archive = FollowedArchive(ingestion.raw_dir, decoder, self.sources, batch_size=batch_size)
        self.place: LinePosition | None = None
        self.ends_before: dict[int, int] = {}
        self._checkpoints: deque[_Checkpoint] = deque()
        self._taken: LinePosition | None = None
        self._taken_at = 0.0
        if published is not None:
            self.place = published.place
            self.ends_before = published.ends if published.topic == ingestion.topic else {}
            self.archive.unreadable.update(published.unreadable)
            restore_snapshot(published.tracker, tracker, decoder, self.sources)
        self.writer = LogWriter(
            kafka, ingestion.topic, linger_ms=ingestion.publish.linger_ms, ends_before=self.ends_before
        )

    def beginning(self, topic: str) -> Published:
        """Progress before the first line is sent: it shows from now on that some lines may have been sent."""
        return Published("", 0, topic, {}, take_snapshot(self.tracker, self.decoder, self.sources), self.topic_id)

    def take_checkpoint(self, place: LinePosition | None, *, force: bool = False) -> None:
        """Keep the state after a batch; not after each of them, as that is costly."""
        self.place = place
        if place is None or place == self._taken:
            return
        if force or time.monotonic() - self._taken_at > CHECKPOINT_S:
            self._taken, self._taken_at = place, time.monotonic()
            snapshot = take_snapshot(self.tracker, self.decoder, self.sources)
            self._checkpoints.append(_Checkpoint(self.writer.sent, place, snapshot))

    def reached(self) -> _Checkpoint | None:
        """The last acknowledged checkpoint, if it is a new one."""
        reached = None
        while self._checkpoints and self._checkpoints[0].sent <= self.writer.acknowledged:
            reached = self._checkpoints.popleft()
        return reached

    def note(self, reached: _Checkpoint, topic: str) -> Published:
        """Progress to store for a checkpoint."""
        return Published(
            reached.place.source,
            reached.place.line,
            topic,
            self.ends_before | self.writer.ends,
            reached.tracker,
            self.topic_id,
            sorted(self.archive.unreadable),
        )

    def letter(self, tracked: Tracked, row: int, reason: Reject) -> Message:
        """Dead-letter record of a line that gave no record."""
        frames = tracked.frames
        source = f"{self.sources[int(frames.source[row])]}:{int(frames.line_number[row])}"
        return dead_letter_message(source, reason.label, max(int(frames.receive_time_ns[row]), 0), frames.lines[row])
