"""Kafka to features to Kafka, against a loop of the same client that consumes as much and writes as much and computes
nothing.

Run as a program it is one turn: `kafka_stream.py ours` or `kafka_stream.py nothing ROWS_A_RECORD ROW_BYTES`; both join
a group, read all of the topic of ticks, and commit rows and offsets in transactions; it prints its figures as JSON.
"""

import json
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median

from kafka import OffsetAndMetadata, TopicPartition
from kafka_bench import Bench, bench
from outcome import Outcome
from stream import ROOT, SEED, START_NS

from tickvol.config import Config, load_config
from tickvol.eventlog.archive_lines import Control, control_line, frame_line
from tickvol.simulator.market import MarketSpec, market_products
from tickvol.simulator.session import market_frames

GOAL = 0.6
POLLS = {"many_small": 500, "few_large": 100_000}
"""Records a poll at most, and so a transaction."""


def kafka_stream(config: Config, frames: int, repeats: int) -> list[Outcome]:
    """Records a second from the topic of ticks to committed rows, for small and for large transactions."""
    outcomes = []
    with bench() as running:
        filled = _filled(running, config, frames)
        for name, poll in POLLS.items():
            ours, nothing = [], []
            for _ in range(repeats + 1):
                figures = _turn(running, filled, poll, "ours")
                ours.append(figures)
                rows = figures["rows"] / figures["records"]
                nothing.append(_turn(running, filled, poll, "nothing", rows, figures["row_bytes"]))
            rate, loop = (median(turn["records"] / turn["seconds"] for turn in turns[1:]) for turns in (ours, nothing))
            outcomes.append(
                Outcome(
                    name=f"kafka_to_kafka_{name}",
                    value=rate,
                    unit="records/s",
                    yardstick="a loop of the same client that consumes the same records and sends as many messages of"
                    " the same size in the same transactions, and computes nothing",
                    yardstick_value=loop,
                    input=f"{ours[0]['records']:,} records of the seeded market, {ours[0]['rows']:,} rows of"
                    f" {ours[0]['row_bytes']} bytes, polls of at most {poll:,} records,"
                    f" {ours[-1]['transactions']} transactions (the loop: {nothing[-1]['transactions']}), wall clock"
                    " without start-up, median of"
                    f" {repeats}",
                ).at_least(GOAL)
            )
    return outcomes


def _filled(running: Bench, config: Config, frames: int) -> dict[str, str]:
    environment = running.environment()
    running.make_topics(environment)
    raw_dir = Path(environment["TICKVOL_INGESTION__RAW_DIR"])
    raw_dir.mkdir()
    capture = "20260105T000000Z"
    with (raw_dir / f"{capture}_20260105T00Z.ndjson").open("wb") as sink:
        sink.write(control_line(START_NS, Control.CAPTURE_STARTED, products=list(config.products)))
        sink.write(control_line(START_NS, Control.CONNECTION_OPENED, connection_id=f"{capture}-1"))
        market = market_frames(MarketSpec(market_products(config.products), SEED, START_NS))
        for number, frame in enumerate(islice(market, frames)):
            sink.write(frame_line(START_NS + number * 1000, f"{capture}-1", frame.rstrip(b"\n")))
    with running.start(environment, "-m", "tickvol", "publish") as process:
        process.communicate()
    return environment


def _turn(running: Bench, filled: dict[str, str], poll: int, *arguments: object) -> dict[str, float]:
    environment = running.environment(FEATURES__MAX_POLL_RECORDS=poll)
    running.make_topics(environment)
    environment["TICKVOL_INGESTION__TOPIC"] = filled["TICKVOL_INGESTION__TOPIC"]
    figures: dict[str, float] = running.figures(environment, __file__, *arguments)
    return figures


def _ours() -> dict[str, float]:
    from tickvol.core.memory import collect_garbage_rarely
    from tickvol.volatility.featurizer.kafka_worker import KafkaRun
    from tickvol.volatility.messages import feature_message
    from tickvol.volatility.schema.feature_row import feature_names

    config = load_config(ROOT / "config.yaml", env_file=None)
    collect_garbage_rarely()
    with tempfile.TemporaryDirectory() as directory:
        run = KafkaRun(config, config.products, Path(directory) / "features", until_end=True, accept_gap=False)
        started = time.perf_counter()
        run.work()
        seconds = time.perf_counter() - started
    spec = config.features.spec()
    row = feature_message(
        "BTC-USD", START_NS, 1, spec.fingerprint(), START_NS, [-1.2345678901234e-05] * len(feature_names(spec))
    )
    counts = run.counts
    return {
        "records": counts.records,
        "rows": sum(counts.rows.values()),
        "transactions": counts.transactions,
        "seconds": seconds,
        "row_bytes": len(row.value),
    }


def _nothing(rows_a_record: float, row_bytes: int) -> dict[str, float]:
    from tickvol.bus.client import new_consumer, new_producer

    config = load_config(ROOT / "config.yaml", env_file=None)
    kafka, group = config.kafka, config.features.group_id
    started = time.perf_counter()
    producer = new_producer(kafka, client_id="nothing", transactional_id=group)
    producer.init_transactions()
    consumer = new_consumer(
        kafka,
        client_id="nothing",
        group_id=group,
        group_instance_id="1",
        max_poll_records=config.features.max_poll_records,
        session_timeout_ms=config.features.session_timeout_ms,
    )
    places = [TopicPartition(config.ingestion.topic, number) for number in range(kafka.partitions)]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    ends = consumer.end_offsets(places)
    records = rows = transactions = 0
    value, owed = b"x" * row_bytes, 0.0
    while any(consumer.position(place) < end for place, end in ends.items()):
        found = consumer.poll(timeout_ms=200)
        if not found:
            continue
        producer.begin_transaction()
        for messages in found.values():
            records += len(messages)
            owed += len(messages) * rows_a_record
            for message in messages:
                if owed < 1.0:
                    break
                owed -= 1.0
                rows += 1
                producer.send(config.features.topic, value=value, key=message.key, timestamp_ms=message.timestamp)
        offsets = {place: OffsetAndMetadata(messages[-1].offset + 1) for place, messages in found.items()}
        producer.send_offsets_to_transaction(offsets, group)
        producer.commit_transaction()
        transactions += 1
    seconds = time.perf_counter() - started
    return {"records": records, "rows": rows, "transactions": transactions, "seconds": seconds}


if __name__ == "__main__":
    mode, *numbers = sys.argv[1:]
    print(json.dumps(_ours() if mode == "ours" else _nothing(float(numbers[0]), int(numbers[1]))))
