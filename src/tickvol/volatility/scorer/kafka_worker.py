"""The scorer on Kafka: exactly one prediction per feature row and one outcome per prediction, through every crash.

The loop is `bus/exactly_once.py`. Rows waiting for their outcome are not stored: a note with each offset names the
earliest such row of each product. After a start or failure, the features topic is re-read from there without producing,
together with the predictions made for these rows, because an outcome is determined by the terms of its prediction.
"""

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tickvol.bus.consume import Group, GroupConsumer, Partition, holds_messages
from tickvol.bus.dead_letters import dead_letter_topic
from tickvol.bus.exactly_once import ExactlyOnce, ResumePoint, Work
from tickvol.bus.messages import partition_of
from tickvol.bus.offset_note import ALL, Note
from tickvol.bus.reading import Stored, TopicReader
from tickvol.bus.transactions import Outgoing
from tickvol.core.errors import LogLost, SchemaMismatch
from tickvol.core.times import NS_PER_MS
from tickvol.volatility.messages import PredictionMessage, decode_prediction
from tickvol.volatility.scorer.bundle_watch import CurrentBundle
from tickvol.volatility.scorer.counts import ScorerCounts
from tickvol.volatility.scorer.row_scorer import Key, RowScorer
from tickvol.volatility.settings.profile import VolatilityConfig
from tickvol.volatility.topics import features_topic, outcomes_topic, predictions_topic

logger = logging.getLogger(__name__)

MADE_POLL_S = 0.2
CHOICES = (
    "`tickvol kafka rebuild` recreates the topics from the archive, including predictions and outcomes; these are late"
    " then and not graded"
)


class ScoreRun(ExactlyOnce):
    """One run of the scorer.

    Attributes
    ----------
    counts : progress so far; may be read by other threads.
    """

    def __init__(self, config: VolatilityConfig, bundles: CurrentBundle, *, until_end: bool) -> None:
        kafka, scoring = config.kafka, config.scoring
        self.counts = ScorerCounts()
        group = Group(
            section="scoring",
            group_id=scoring.group_id,
            instance_id=scoring.instance_id,
            session_timeout_ms=scoring.session_timeout_ms,
            max_poll_records=scoring.max_poll_records,
            reads=features_topic(config),
            writes=(predictions_topic(config), outcomes_topic(config), dead_letter_topic(kafka)),
            choices=CHOICES,
        )
        super().__init__(
            kafka,
            group,
            _Scoring(config, bundles, self.counts),
            self.counts,
            transaction_interval_ms=scoring.transaction_interval_ms,
            until_end=until_end,
        )

    @property
    def is_stopped(self) -> bool:
        """True if a stop was requested."""
        return self._stopped


class _Scoring(Work):
    """Rows to predictions and outcomes."""

    def __init__(self, config: VolatilityConfig, bundles: CurrentBundle, counts: ScorerCounts) -> None:
        self._kafka = config.kafka
        self._features = config.features.topic
        self._predictions = config.scoring.topic_predictions
        self._outcomes = config.scoring.topic_outcomes
        self._fingerprint = config.features.spec().fingerprint()
        self._bundles = bundles
        self._counts = counts
        self._scorer = RowScorer(config, time.time_ns)
        self._taken = ScorerCounts()
        self._since_ns: dict[int, Mapping[str, int]] = {}
        self._made: dict[Key, PredictionMessage] = {}

    def begin(self, states: Sequence[Partition], consumer: GroupConsumer) -> Mapping[int, ResumePoint]:
        """Rewind to the earliest row waiting for its outcome."""
        self._since_ns = {state.number: self._waiting_since(state) for state in states}
        places = {}
        for state in states:
            since = self._since_ns[state.number].values()
            start = consumer.offset_at(state.number, min(since) // NS_PER_MS) if since else None
            committed = state.begin if state.committed is None else state.committed
            places[state.number] = ResumePoint(committed if start is None else min(start, committed), committed)
        self._read_made()
        logger.info("assigned partitions=%s", [state.number for state in states])
        return places

    def replay_records(self, partition: int, messages: Sequence[Any]) -> None:
        """Rebuild the state from rows that already have a prediction."""
        self._scorer.remember(messages, lambda key: self._waits(partition, key), self._made_for)

    def end_replay(self, partition: int) -> None:
        """Drop the re-read predictions, which are now stored with their rows."""
        del self._since_ns[partition]
        if not self._since_ns:
            self._made.clear()

    def take(self, partition: int, messages: Sequence[Any]) -> list[Outgoing]:
        """Predictions of the current bundle, and outcomes."""
        said = self._scorer.take(messages, self._bundles.now())
        self._taken.add(said.counts)
        written = [Outgoing(self._predictions, partition, message) for message in said.predictions]
        written += [Outgoing(self._outcomes, partition, message) for message in said.outcomes]
        return written + [Outgoing(self._kafka.topic_deadletter, None, letter) for letter in said.letters]

    def note(self, partition: int) -> str:
        """Note for the committed offset: earliest waiting row of each product."""
        count = self._kafka.partitions
        own = {name: since for name, since in self._scorer.since_ns().items() if partition_of(name, count) == partition}
        return Note(self._fingerprint, own).encode()

    def committed(self) -> None:
        """Update the counts."""
        self._counts.add(self._taken)
        self._taken = ScorerCounts()

    def drop(self) -> None:
        """Reset to the initial state."""
        self._taken = ScorerCounts()
        self._scorer.reset()
        self._made.clear()

    def _waits(self, partition: int, key: Key) -> bool:
        since = self._since_ns[partition]
        since_ns = since.get(key[0], since.get(ALL))
        return since_ns is not None and key[1] >= since_ns

    def _read_made(self) -> None:
        """Read the predictions of all rows waiting for their outcome."""
        since = [since_ns for by_product in self._since_ns.values() for since_ns in by_product.values()]
        if not since:
            return
        with TopicReader(self._kafka, self._predictions, client_id="tickvol-scorer-made") as reader:
            for messages in reader.whole(since_ms=min(since) // NS_PER_MS):
                for message in messages:
                    if message.partition in self._since_ns:
                        self._note_made(message)

    def _note_made(self, message: Stored) -> None:
        with contextlib.suppress(msgspec.DecodeError, ValueError, RecursionError):  # foreign messages are ignored
            made = decode_prediction(message.value or b"")
            key = (made.product_id, made.bar_end_ns)
            if self._waits(message.partition, key):
                self._made.setdefault(key, made)  # the first is ours: nobody else knew of the row

    def _made_for(self, key: Key) -> PredictionMessage:
        """Prediction of a row whose offset is committed; its commit marker may arrive some ms after the offset's."""
        until = time.monotonic() + self._kafka.request_timeout_ms / 1000
        while key not in self._made:
            if time.monotonic() > until:
                raise LogLost(f"{self._predictions}: holds no prediction of {key[0]} {key[1]}. {CHOICES}")
            time.sleep(MADE_POLL_S)
            self._read_made()
        return self._made[key]

    def _waiting_since(self, state: Partition) -> Mapping[str, int]:
        """Earliest row of each product without an outcome, from the note."""
        topic = self._features
        lost = state.loss(topic)
        if state.committed is None:
            if holds_messages(self._kafka, self._predictions, state.number):
                lost = f"{topic}-{state.number}: no offset is committed although its predictions are written"
            elif lost is None:
                return {}
        if lost is not None:
            raise LogLost(f"{lost}. {CHOICES}")
        try:
            note = msgspec.json.decode(state.note, type=Note)
        except msgspec.DecodeError:
            raise LogLost(f"{topic}-{state.number}: was committed without a note of ours. {CHOICES}") from None
        if note.features != self._fingerprint:
            raise SchemaMismatch(
                f"{topic}-{state.number}: was consumed with other feature settings; use a new scoring.group_id with"
                " new topics, or recreate the topics by `tickvol kafka rebuild`"
            )
        return note.open_since_ns
