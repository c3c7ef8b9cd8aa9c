"""Frames from the local exchange through the ingestor onto Kafka, against the bare produce rate of the same client."""

import signal
import subprocess
import time
from statistics import median
from typing import Any

import psutil
from kafka import TopicPartition
from kafka_bench import Bench, bench, settings_of
from outcome import Outcome

from tickvol.bus.client import new_consumer, new_producer
from tickvol.bus.messages import record_message
from tickvol.config import Config
from tickvol.core.records import Tick

GOAL = 0.6
MEMORY_GOAL = 1.1
LOOK_S = 0.05
BARE_RECORDS = 100_000


def kafka_ingest(config: Config, hours: float, repeats: int) -> list[Outcome]:
    """Records a second from the exchange's socket to the acknowledged topic, and what the whole path used meanwhile."""
    with bench() as running:
        turns = [(_bare(running), _ingest(running, hours)) for _ in range(repeats + 1)][1:]
    bare = median(rate for rate, _ in turns)
    rate = median(figures["rate"] for _, figures in turns)
    cpu = {name: median(figures["cpu"][name] for _, figures in turns) for name in turns[0][1]["cpu"]}
    used = ", ".join(f"{name} {1e6 * seconds:.0f}" for name, seconds in cpu.items())
    outcome = Outcome(
        name="exchange_to_kafka",
        value=rate,
        unit="records/s",
        yardstick=f"{BARE_RECORDS:,} ready messages given to the same idempotent producer with the same settings",
        yardstick_value=bare,
        input=f"{hours:g} hours of the seeded market at full speed over a WebSocket, {turns[0][1]['records']:,}"
        f" records; CPU microseconds a record: {used}; median of {repeats}",
    )
    return [outcome.at_least(GOAL)]


def _bare(running: Bench) -> float:
    environment = running.environment()
    running.make_topics(environment)
    tick = Tick(
        "BTC-USD", 10**18, 10**18, "20260405T223513Z-1", 123456, "67468.26", "67468.26", "67469.62", "0.00275905"
    )
    with settings_of(environment) as config:
        producer = new_producer(config.kafka, client_id="bare", linger_ms=config.ingestion.publish.linger_ms)
        messages = [record_message(tick)] * BARE_RECORDS
        topic = config.ingestion.topic
        started = time.perf_counter()
        for key, value, timestamp_ms in messages:
            producer.send(topic, value=value, key=key, timestamp_ms=timestamp_ms)
        producer.flush()
        rate = BARE_RECORDS / (time.perf_counter() - started)
        producer.close()
    return rate


def _ingest(running: Bench, hours: float) -> dict[str, Any]:
    environment = running.environment(INGESTION__PUBLISH__DRAIN_TIMEOUT_S=600)
    running.make_topics(environment)
    exchange = running.start(
        environment, *("-m", "tickvol", "simulate-exchange", "--port", 0, "--speed", "max", "--hours", hours)
    )
    assert exchange.stdout is not None
    url = exchange.stdout.readline().split()[-1]
    capture = running.start(environment, "-m", "tickvol", "ws-ingest", "--url", url, "--stop-on-close")
    with settings_of(environment) as config:
        watched = _watch(config, running, capture, exchange)
    exchange.send_signal(signal.SIGTERM)
    exchange.communicate()
    return watched


def _watch(config: Config, running: Bench, capture: "subprocess.Popen[str]", exchange: "subprocess.Popen[str]") -> Any:
    """Rate between the first record in the topic and the last; CPU seconds of each process a record."""
    kafka = config.kafka
    consumer = new_consumer(kafka, client_id="watch")
    places = [TopicPartition(config.ingestion.topic, number) for number in range(kafka.partitions)]
    first = last = None
    records = 0
    cpu: dict[str, float] = {}
    before: dict[str, float] = {}
    broker = running.broker.process()
    while capture.poll() is None:
        count = sum(consumer.end_offsets(places).values())
        now = time.perf_counter()
        family = psutil.Process(capture.pid).children() if capture.poll() is None else []
        members = {"exchange": exchange.pid, "capture": capture.pid, "publisher": family[0].pid if family else None}
        members["broker"] = broker.pid if broker is not None else None
        for name, pid in members.items():
            if pid is not None and psutil.pid_exists(pid):
                times = psutil.Process(pid).cpu_times()
                cpu[name] = times.user + times.system
        if count and first is None:
            first, before = now, dict(cpu)
        if count != records:
            records, last = count, now
        time.sleep(LOOK_S)
    capture.communicate()
    consumer.close()
    assert first is not None
    assert last is not None
    return {
        "records": records,
        "rate": records / (last - first),
        "cpu": {name: (seconds - before.get(name, 0.0)) / records for name, seconds in cpu.items()},
    }
