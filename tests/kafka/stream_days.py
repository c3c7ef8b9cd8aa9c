"""Days of a simulated market on the topic of ticks, and the live path behind it, for tests of what comes after it."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import TopicPartition

from tests.kafka.featurizers import CommandProcess, FeaturizerProcess, wait_until
from tests.kafka.filling import PRODUCTS, fill
from tickvol.bus.client import new_consumer
from tickvol.core.errors import InputError
from tickvol.core.records import Gap, Record
from tickvol.eventlog.archive_reader import MergedLog, archive_files
from tickvol.eventlog.frames import FrameDecoder
from tickvol.eventlog.record_text import records_of
from tickvol.eventlog.tracker import FrameTracker
from tickvol.simulator import market
from tickvol.simulator.market import MarketSpec, market_products
from tickvol.simulator.recording import write_lines
from tickvol.simulator.session import market_frames
from tickvol.volatility.dataset import read_features
from tickvol.volatility.messages import decode_prediction

DAY_NS = 86_400 * 10**9
FIRST_NS = 1_767_628_800 * 10**9
"""2026-01-05T16:00:00Z."""
FORESEEN = 0.08
"""How much a burst of trading tells of what follows: more than in the market as it is, so that hours settle a lead."""


def market_day(
    directory: Path, day: int, *, seed: int, minutes: int, ticks_per_s: float, received_ns: int = 0
) -> list[Record]:
    """The same minutes of each day, each a market of its own; a record was received `received_ns` after its event."""
    products = market_products(PRODUCTS, ticks_per_s=ticks_per_s)
    path = directory / f"day{day}.ndjson"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(market, "ACTIVITY_TO_VOL", FORESEEN)
        write_lines(path, market_frames(MarketSpec(products, seed + day, FIRST_NS + day * DAY_NS, minutes * 60)))
    decoder = FrameDecoder(PRODUCTS, 1 << 20)
    tracker = FrameTracker(PRODUCTS, grace_ms=250, max_ahead_s=5.0)
    found: list[Record] = []
    for batch in MergedLog(archive_files([path]), decoder, batch_size=2048):
        found += records_of(tracker.push(batch.frames, bare=batch.bare), PRODUCTS, decoder.connection_id)
    return [
        record
        if isinstance(record, Gap)
        else msgspec.structs.replace(record, receive_time_ns=record.event_time_ns + received_ns)
        for record in found
    ]


class NewMessages:
    """What came to a topic since the last look, and how far a group has come in it."""

    def __init__(self, kafka: Any, topic: str, group_id: str | None = None) -> None:
        self._consumer = new_consumer(kafka, client_id="test-line", group_id=group_id, max_poll_records=50_000)
        self._places = [TopicPartition(topic, number) for number in range(kafka.partitions)]
        self._consumer.assign(self._places)
        self._consumer.seek_to_beginning(*self._places)

    def __iter__(self) -> Iterator[Any]:
        ends = self._consumer.end_offsets(self._places)
        while any(self._consumer.position(place) < end for place, end in ends.items()):
            for messages in self._consumer.poll(timeout_ms=200).values():
                yield from messages

    def is_consumed(self, marks: int = 0) -> bool:
        """Whether the group has committed all; `marks` of a transaction may lie at the end of a partition."""
        ends = self._consumer.end_offsets(self._places)
        return all(end - (self._consumer.committed(place) or 0) <= marks for place, end in ends.items())

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close(autocommit=False)


class LivePath:
    """A featurizer and a scorer at work; what is put onto the topic of ticks goes through both.

    Attributes
    ----------
    rows : feature rows so far.
    """

    def __init__(self, env: dict[str, str], kafka: Any, scorer: CommandProcess) -> None:
        self.rows = 0
        self.scorer = scorer
        self._predicted_by: Counter[str] = Counter()
        self._kafka = kafka
        self._dataset = Path(env["TICKVOL_FEATURES__DATASET_DIR"])
        self._ticks = NewMessages(kafka, kafka.topic_ticks, env["TICKVOL_FEATURES__GROUP_ID"])
        self._features = NewMessages(kafka, kafka.topic_features, env["TICKVOL_SCORING__GROUP_ID"])
        self._predictions = NewMessages(kafka, kafka.topic_predictions)

    def send(self, records: list[Record]) -> int:
        """Put records onto the topic and wait until their rows are there and stored; how many rows they gave."""
        before = self.rows
        fill(self._kafka, records)
        wait_until(self._ticks.is_consumed, 60, every_s=0.3)
        self.rows += sum(1 for _ in self._features)
        wait_until(lambda: self._stored() == self.rows, 60, every_s=0.5)
        return self.rows - before

    def predicted_by(self) -> dict[str, int]:
        """How many predictions each bundle has made, once the scorer is done with all rows."""
        wait_until(lambda: self._features.is_consumed(marks=1), 60, every_s=0.3)
        self._predicted_by.update(decode_prediction(message.value).model_version for message in self._predictions)
        return dict(self._predicted_by)

    def _stored(self) -> int:
        try:
            return len(read_features(self._dataset))
        except InputError:  # nothing is there yet
            return 0

    def close(self) -> None:
        """Close the connections."""
        for messages in (self._ticks, self._features, self._predictions):
            messages.close()


@contextmanager
def live_path(env: dict[str, str], kafka: Any, root: Path) -> Iterator[LivePath]:
    """Start both, and end them when the block ends."""
    dataset = Path(env["TICKVOL_FEATURES__DATASET_DIR"])
    with (
        FeaturizerProcess(env, dataset, root / "featurizer.log") as featurizer,
        CommandProcess(env, root / "scorer.log", "score") as scorer,
        contextlib.closing(LivePath(env, kafka, scorer)) as line,
    ):
        yield line
        assert (scorer.stop(), featurizer.stop()) == (0, 0)
