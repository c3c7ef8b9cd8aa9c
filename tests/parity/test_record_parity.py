"""A log that travelled as JSON records gives the rows of the log that did not."""

from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from tests.parity.test_follow_parity import write_archive
from tickvol.apps import replay
from tickvol.bus.messages import partition_of, record_message
from tickvol.core.records import Gap, Heartbeat, Record, Tick
from tickvol.core.windows import NS_PER_S, FeatureSpec
from tickvol.features.engine import FeatureEngine
from tickvol.ingest.record_reader import RecordReader
from tickvol.storage.dataset import read_features

PRODUCTS = ("BTC-USD", "ETH-USD")


class StoredMessage(NamedTuple):
    offset: int
    timestamp: int
    key: bytes
    value: bytes


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
            parts.append(engine.push(read.records))
    assert not reader.waiting
    product, bar_end_ns, values = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("product", "bar_end_ns", "values")
    )
    order = np.lexsort((bar_end_ns, product))
    table = read_features(out)
    assert product[order].tolist() == table.product.tolist()
    assert bar_end_ns[order].tolist() == table.bar_end_ns.tolist()
    assert values[order].tobytes() == table.values.tobytes()
