"""The live path at a given rate: how soon a row is readable, and what memory it takes at ten times the rate."""

import signal
import time
from typing import Any

import numpy as np
import psutil
from kafka import TopicPartition
from kafka_bench import Bench, bench, settings_of
from outcome import Outcome

from tickvol.bus.client import new_consumer
from tickvol.config import Config
from tickvol.volatility.messages import decode_features

RATE = 1050
"""Of the market on average, so that at least 1,000 come in the minute that is measured."""
DELAY_GOAL_MS = 50.0
MEMORY_GOAL = 1.1
WARM_UP_S = 15.0


def kafka_live(config: Config, seconds: float) -> list[Outcome]:
    """p50, p99 and highest delay at over 1,000 ticks a second; peak memory against a tenth of that rate."""
    with bench() as running:
        slow = _run(running, RATE // 10, seconds)
        fast = _run(running, RATE, seconds)
    delays = np.sort(fast["delays_ms"])
    told = f"{fast['ticks_per_s']:.0f} records a second of {len(config.products)} products for {seconds:g} s"
    p50, p99, highest = (float(np.quantile(delays, share)) for share in (0.5, 0.99, 1.0))
    delay = Outcome(
        name="receipt_to_readable_row_p99",
        value=p99,
        unit="ms",
        yardstick="the goal",
        yardstick_value=DELAY_GOAL_MS,
        input=f"{told}, {len(delays)} rows; from the receipt of the record that closes a bar to its row with a"
        f" read_committed reader: p50 {p50:.1f} ms, p99 {p99:.1f} ms, highest {highest:.1f} ms",
    )
    memory = [
        Outcome(
            name=f"live_memory_{name}",
            value=fast["peak_mb"][name],
            unit="MB",
            yardstick=f"the same at a tenth of the rate ({slow['ticks_per_s']:.0f} ticks a second)",
            yardstick_value=slow["peak_mb"][name],
            input=f"{told}; highest resident memory after {WARM_UP_S:g} s",
        ).at_most(MEMORY_GOAL)
        for name in fast["peak_mb"]
    ]
    return [delay.at_most(1.0), *memory]


def _run(running: Bench, ticks_per_s: int, seconds: float) -> dict[str, Any]:
    environment = running.environment()
    running.make_topics(environment)
    with settings_of(environment) as config:
        rate = ticks_per_s / len(config.products)
        exchange = running.start(
            environment,
            *("-m", "tickvol", "simulate-exchange", "--port", 0, "--ticks-per-s", rate, "--hours", 0),
        )
        assert exchange.stdout is not None
        url = exchange.stdout.readline().split()[-1]
        featurizer = running.start(environment, "-m", "tickvol", "featurize")
        capture = running.start(environment, "-m", "tickvol", "ws-ingest", "--url", url)
        try:
            return _watch(config, {"capture": capture.pid, "featurizer": featurizer.pid}, seconds)
        finally:
            for process in (capture, featurizer, exchange):
                process.send_signal(signal.SIGTERM)
                process.communicate()


def _watch(config: Config, processes: dict[str, int], seconds: float) -> dict[str, Any]:
    kafka = config.kafka
    consumer = new_consumer(kafka, client_id="reader")
    ticks = [TopicPartition(config.ingestion.topic, number) for number in range(kafka.partitions)]
    places = [TopicPartition(config.features.topic, number) for number in range(kafka.partitions)]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    warm_at, delays, before = time.monotonic() + WARM_UP_S, [], 0
    members: dict[str, psutil.Process] = {}
    peak: dict[str, float] = {}
    while time.monotonic() < warm_at + seconds:
        found = consumer.poll(timeout_ms=100)
        now_ns = time.time_ns()
        if time.monotonic() < warm_at:
            before = sum(consumer.end_offsets(ticks).values())
            continue
        if not members:  # searching for them takes as long as a row may take, so once
            (publisher,) = psutil.Process(processes["capture"]).children()
            members = {name: psutil.Process(pid) for name, pid in processes.items()} | {"publisher": publisher}
            continue
        rows = [decode_features(message.value) for batch in found.values() for message in batch]
        delays += [(now_ns - row.closed_by_ns) / 1e6 for row in rows]
        for name, process in members.items():
            peak[name] = max(peak.get(name, 0.0), process.memory_info().rss / 1e6)
    records = sum(consumer.end_offsets(ticks).values()) - before
    consumer.close()
    return {"delays_ms": delays, "peak_mb": peak, "ticks_per_s": records / seconds}
