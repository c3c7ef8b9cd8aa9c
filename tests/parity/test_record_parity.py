"""A log that travelled as JSON records gives the rows of the log that did not."""

from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from tests.eventlog.test_tracker import opened, tick
from tests.parity.test_follow_parity import write_archive
from tickvol.apps import replay
from tickvol.bus.messages import partition_of, record_message
from tickvol.core.records import VOUCHED, Gap, Heartbeat, Record, Tick
from tickvol.core.times import NS_PER_S
from tickvol.eventlog.frames import FrameDecoder, Layout
from tickvol.eventlog.record_reader import RecordReader
from tickvol.eventlog.record_text import records_of
from tickvol.eventlog.tracker import FrameTracker
from tickvol.volatility.dataset import read_features
from tickvol.volatility.features.engine import FeatureEngine
from tickvol.volatility.schema.feature_spec import FeatureSpec

PRODUCTS = ("BTC-USD", "ETH-USD")


class StoredMessage(NamedTuple):
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = (VOUCHED,)


def message_of(record: Record) -> tuple[int, bytes, bytes]:
    message = record_message(record)
    return message.timestamp_ms, message.key, message.value


def test_records_as_json_give_the_rows_of_the_frames(tmp_path: Path) -> None:
    write_archive(tmp_path / "raw", 5)
    out, log = tmp_path / "features.parquet", tmp_path / "records.ndjson"
    assert replay.main(["--data-file", str(tmp_path / "raw"), "--out", str(out), "--records", str(log)]) == 0
    records = [msgspec.json.decode(line, type=Record) for line in log.read_bytes().splitlines()]
    assert {type(record) for record in records} == {Tick, Heartbeat, Gap}
    assert {record.reason for record in records if isinstance(record, Gap)} == {"jump", "silence", "capture_down"}
    engine = FeatureEngine(FeatureSpec(), PRODUCTS)
    partitions = [partition_of(product_id, 3) for product_id in PRODUCTS]
    reader = RecordReader(PRODUCTS, partitions, ahead_ns=15 * NS_PER_S, max_bytes=1 << 20)
    parts = []
    for begin in range(0, len(records), 1000):
        for partition in set(partitions):
            own = [
                record for record in records[begin : begin + 1000] if partition_of(record.product_id, 3) == partition
            ]
            read = reader.read(partition, [StoredMessage(0, *message_of(record)) for record in own])
            assert not read.rejected
            assert not reader.waiting
            parts.append(engine.push(read.records))
    product, bar_end_ns, values = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("product", "bar_end_ns", "values")
    )
    order = np.lexsort((bar_end_ns, product))
    table = read_features(out)
    assert product[order].tolist() == table.product.tolist()
    assert bar_end_ns[order].tolist() == table.bar_end_ns.tolist()
    assert values[order].tobytes() == table.values.tobytes()


def test_two_products_whose_clocks_are_ahead_together_close_the_same_bars_in_log_and_topic() -> None:
    """Neighbours of one connection confirm each other; a single product of them could not tell."""
    lines = [opened()]
    for number in range(800):
        product_id = PRODUCTS[number % 2]
        ahead = 300_000 if number in (80, 81) else 0
        lines.append(tick(number, 125 * number + ahead, product_id))
    frames = FrameDecoder(PRODUCTS, 1 << 20).decode(lines, Layout.WRAPPED)
    tracked = FrameTracker(PRODUCTS, grace_ms=250, max_ahead_s=5.0).push(frames, bare=False)
    whole = FeatureEngine(FeatureSpec(), PRODUCTS).push(tracked.records)
    reader = RecordReader(PRODUCTS, (0, 0), ahead_ns=15 * NS_PER_S, max_bytes=1 << 20)
    records = records_of(tracked, PRODUCTS, str)
    read = reader.read(0, [StoredMessage(0, *message_of(record)) for record in records])
    assert not read.rejected
    rows = FeatureEngine(FeatureSpec(), PRODUCTS).push(read.records)
    assert len(rows.late) == len(whole.late) > 600
    assert rows.bar_end_ns.tolist() == whole.bar_end_ns.tolist()
    assert rows.values.tobytes() == whole.values.tobytes()
