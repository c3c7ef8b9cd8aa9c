"""A whole system in one file: it counts ticks, exactly once, and registers with every host."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tickvol.bus.consume import Group, GroupConsumer, Partition
from tickvol.bus.contents import Content, decoded, each, envelope_fault
from tickvol.bus.exactly_once import ExactlyOnce, ResumePoint, Work
from tickvol.bus.loop_counts import LoopCounts
from tickvol.bus.messages import NS_PER_MS, Message, decode_record
from tickvol.bus.reading import Stored, TopicReader
from tickvol.bus.topics import TopicSpec
from tickvol.bus.transactions import Outgoing
from tickvol.capture.topics import ticks_topic
from tickvol.config import Config
from tickvol.settings.fields import Section, TopicName
from tickvol.system import Job, JobPlan, Route, Step, System


class ToySection(Section):
    topic: TopicName
    cron: str


class ToyConfig(Config):
    toy: ToySection


class Total(msgspec.Struct, frozen=True):
    product_id: str
    event_time_ns: int
    ticks: int


decode_total = msgspec.json.Decoder(Total).decode


def content(message: Stored) -> Content | str:
    total = decoded(message, decode_total)
    if isinstance(total, str) or (fault := envelope_fault(message, total.product_id, total.event_time_ns)):
        return total if isinstance(total, str) else fault
    return Content("total", total.product_id, total.event_time_ns, None, total.product_id, number=total.ticks)


def totals_topic(config: ToyConfig) -> TopicSpec:
    return TopicSpec(config.toy.topic, "product_id", Total, each(content), config.kafka.partitions)


class Counting(Work):
    """A total per product; the note of each offset holds the totals, so that nothing is read twice."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.totals: dict[int, dict[str, int]] = {}

    def begin(self, states: Sequence[Partition], consumer: GroupConsumer) -> Mapping[int, ResumePoint]:
        self.totals = {state.number: msgspec.json.decode(state.note or "{}") for state in states}
        starts = [state.begin if state.committed is None else state.committed for state in states]
        return {state.number: ResumePoint(start, start) for state, start in zip(states, starts, strict=True)}

    def take(self, partition: int, messages: Sequence[Any]) -> list[Outgoing]:
        made = []
        for message in messages:
            tick, totals = decode_record(message.value), self.totals[partition]
            totals[tick.product_id] = totals.get(tick.product_id, 0) + 1
            value = msgspec.json.encode(Total(tick.product_id, tick.event_time_ns, totals[tick.product_id]))
            made.append(Outgoing(self.topic, partition, Message(message.key, value, tick.event_time_ns // NS_PER_MS)))
        return made

    def note(self, partition: int) -> str:
        return msgspec.json.encode(self.totals[partition]).decode()


def run(config: ToyConfig) -> LoopCounts:
    topic, reads, counts = totals_topic(config), ticks_topic(config.kafka, config.ingestion), LoopCounts()
    group = Group("toy", f"toy.{topic.name}", "1", 6000, 1000, reads, (topic,), choices="")
    ExactlyOnce(config.kafka, group, Counting(topic.name), counts, transaction_interval_ms=0, until_end=True).work()
    return counts


class Answers:
    def __init__(self, config: ToyConfig) -> None:
        self.config = config

    def answer(self, name: str, asked: Any) -> bytes:
        with TopicReader(self.config.kafka, self.config.toy.topic, client_id="toy") as reader:
            totals = [decode_total(message.value) for messages in reader.whole() for message in messages]
        return msgspec.json.encode({total.product_id: total.ticks for total in totals})


def jobs(config: ToyConfig) -> JobPlan:
    step = Step(name="toy_totals", command=("toy",), after=(), about="Ticks by product.")
    return JobPlan(steps=(step,), jobs=(Job(name="toy", steps=(step.name,), command=("toy",), cron=config.toy.cron),))


ROUTES = (Route("totals", "Ticks by product."),)
TOY = System(name="toy", topics=lambda c: [totals_topic(c)], jobs=jobs, routes=lambda: ROUTES, open_routes=Answers)
