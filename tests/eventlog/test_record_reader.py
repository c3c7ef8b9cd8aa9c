"""The reader of the log's messages: what passes, what is rejected for which reason, and what waits for confirmation."""

import random
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest

from tests.kafka.poison import kinds
from tickvol.bus.messages import record_message
from tickvol.core.record_columns import RecordKind
from tickvol.core.records import VOUCHED, Gap, Heartbeat, Tick
from tickvol.eventlog.frame_columns import Reject
from tickvol.eventlog.record_reader import RecordReader
from tickvol.eventlog.record_rules import MAX_TIME_NS

S = 1_000_000_000
START_NS = 1_775_427_300 * S
AHEAD_S = 15
POISON = [(reason, value) for reason, values in kinds("BTC-USD", START_NS + S).items() for value in values]


class Stored(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple = ()


def stored(record, offset=0, **changes):
    message = record_message(record)
    return Stored(offset, message.timestamp_ms, message.key, message.value)._replace(**changes)


def tick(seconds, number=0, *, product="BTC-USD", **changes):
    time_ns = START_NS + round(seconds * S)
    about = {"price": "100.5", "best_bid": "100", "best_ask": "101", "best_bid_quantity": "1"} | changes
    return Tick(product, time_ns, time_ns + 7, "c", number, **about)


def heartbeat(seconds, *, product="BTC-USD", simulated=False):
    time_ns = START_NS + round(seconds * S)
    return Heartbeat(product, time_ns, time_ns + 7, "c", 0, simulated)


def gap(since, until, **changes):
    return Gap("BTC-USD", START_NS + round(since * S), START_NS + round(until * S), "reconnect", **changes)


def new_reader():
    return RecordReader(("BTC-USD", "ETH-USD"), (0, 2), ahead_ns=AHEAD_S * S, max_bytes=1 << 20)


def read(records, cuts=()):
    """Event times that passed, with their kinds, and (place, reason) of the rejects; then what waits."""
    reader, passed, rejected = new_reader(), [], []
    edges = [0, *sorted(cuts), len(records)]
    for begin, end in pairwise(edges):
        batch = [stored(record, offset) for offset, record in enumerate(records[begin:end], start=begin)]
        found = reader.read(0, batch)
        columns = found.records
        ends = np.where(columns.kind == RecordKind.GAP, columns.until_ns, columns.event_time_ns)
        places = [found.messages[row].offset for row in columns.origin]
        passed += zip(columns.kind.tolist(), ((ends - START_NS) / S).tolist(), places, strict=True)
        rejected += [(found.messages[row].offset, reason) for row, reason in found.rejected]
    return passed, sorted(rejected), reader.waiting


def test_what_the_tracker_vouches_for_passes_at_once_however_far_ahead():
    reader = new_reader()
    batch = [stored(tick(0), 0), stored(tick(1), 1), stored(tick(300), 2, headers=(VOUCHED,)), stored(tick(2), 3)]
    found = reader.read(0, batch)
    assert found.records.origin.tolist() == [0, 1, 2, 3]
    assert reader.waiting == 0
    assert reader.highest_event_ns() == {"BTC-USD": START_NS + 300 * S}


def test_a_vouched_record_refutes_what_waits():
    reader = new_reader()
    batch = [stored(tick(0), 0), stored(tick(1), 1), stored(tick(900), 2), stored(tick(100), 3, headers=(VOUCHED,))]
    found = reader.read(0, batch)
    assert found.records.origin.tolist() == [0, 1, 3]
    assert found.rejected == [(2, Reject.UNCONFIRMED_TIME)]


def test_columns_hold_what_the_records_say():
    reader = new_reader()
    records = [
        tick(0, 4, best_ask_quantity="0.25"),
        heartbeat(1, simulated=True),
        gap(0, 1.5, first_missing=7),
        tick(2, 5),
    ]
    found = reader.read(0, [stored(record) for record in records])
    columns = found.records
    assert columns.kind.tolist() == [RecordKind.TICK, RecordKind.HEARTBEAT, RecordKind.GAP, RecordKind.TICK]
    assert columns.product.tolist() == [0] * 4
    assert columns.sequence_num.tolist() == [4, 0, 7, 5]
    assert ((columns.event_time_ns - START_NS) / S).tolist() == [0, 1, 0, 2]
    assert columns.until_ns.tolist() == [0, 0, START_NS + 1_500_000_000, 0]
    assert found.receive_time_ns.tolist() == [
        START_NS + 7,
        START_NS + S + 7,
        START_NS + 1_500_000_000,
        START_NS + 2 * S + 7,
    ]
    assert columns.bid[0] == 100.0
    assert columns.ask_quantity[0] == 0.25
    assert np.isnan(columns.bid[1])
    assert np.isnan(columns.ask_quantity[3])
    assert (
        columns.connection[0] == columns.connection[1] == new_reader()._rules.connection("c") != columns.connection[2]
    )
    assert found.gaps == ["reconnect"]
    assert reader.simulated


@pytest.mark.parametrize(
    ("reason", "value"), POISON, ids=[f"{reason}-{place}" for place, (reason, _) in enumerate(POISON)]
)
def test_a_malformed_message_is_rejected_for_its_reason_and_touches_no_other(reason, value):
    at = START_NS + S + (365 * 86400 * S if reason == "unconfirmed_time" else 0)
    bad = Stored(1, at // 1_000_000, b"BTC-USD", value)
    good = [stored(tick(0, 0), 0), stored(tick(1.5, 1), 2), stored(tick(2, 2), 3)]
    found = new_reader().read(0, [good[0], bad, *good[1:]])
    assert [(row, told.label) for row, told in found.rejected] == [(1, reason)]
    assert found.records.origin.tolist() == [0, 2, 3]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key": b"ETH-USD"}, Reject.WRONG_KEY),
        ({"key": None}, Reject.WRONG_KEY),
        ({"key": b"XXX-USD"}, Reject.WRONG_KEY),
        ({"timestamp": 5}, Reject.BAD_TIMESTAMP),
        ({"timestamp": -1}, Reject.BAD_TIMESTAMP),
    ],
)
def test_a_record_under_another_key_or_time_than_its_own_is_rejected(changes, reason):
    found = new_reader().read(0, [stored(tick(0, 0)), stored(tick(1, 1), **changes), stored(tick(2, 2))])
    assert found.rejected == [(1, reason)]


def test_a_record_in_the_partition_of_another_product_is_rejected():
    found = new_reader().read(0, [stored(tick(0, product="ETH-USD")), stored(tick(1, product="DOGE-USD"))])
    assert found.rejected == [(0, Reject.WRONG_PARTITION), (1, Reject.UNKNOWN_PRODUCT)]


@pytest.mark.parametrize("time_ns", [-1, MAX_TIME_NS, 2**63, -(2**63) - 1])
def test_absurd_times_are_rejected(time_ns):
    value = record_message(tick(1)).value.replace(str(START_NS + S).encode(), str(time_ns).encode())
    found = new_reader().read(0, [stored(tick(0)), Stored(1, time_ns // 10**6, b"BTC-USD", value), stored(tick(1))])
    assert [row for row, _ in found.rejected] == [1]


TICK, GAP = int(RecordKind.TICK), int(RecordKind.GAP)


@pytest.mark.parametrize(
    ("records", "passed", "rejected", "waiting"),
    [
        ([tick(0)], [], [], 1),  # the first of a product
        ([tick(0), tick(1)], [0, 1], [], 0),
        ([tick(0), tick(1), tick(16)], [0, 1, 16], [], 0),  # at the bound
        ([tick(0), tick(1), tick(16.001)], [0, 1], [], 1),
        ([tick(0), tick(1), tick(100), tick(101)], [0, 1, 100, 101], [], 0),
        ([tick(0), tick(1), tick(100), tick(85)], [0, 1, 100, 85], [], 0),  # confirmed by what is not far behind
        ([tick(0), tick(1), tick(100), tick(84), tick(85)], [0, 1, 84, 85], [2], 0),
        ([tick(0), tick(1), tick(100), tick(2)], [0, 1, 2], [2], 0),  # one record of the far future
        ([tick(1000), tick(1), tick(2)], [1, 2], [0], 0),  # it comes first
        ([tick(0), tick(1), tick(100), tick(200), tick(201)], [0, 1, 100, 200, 201], [], 0),
        ([tick(0), tick(1), gap(1, 100), tick(100)], [0, 1, 100, 100], [], 0),  # after every outage
        ([tick(0), tick(1), gap(1, 9000), tick(2)], [0, 1, 2], [2], 0),
        ([tick(0), tick(1), heartbeat(1000), tick(2)], [0, 1, 2], [2], 0),
        ([tick(0), tick(100), tick(1), tick(2)], [0, 1, 2], [1], 0),
        ([tick(50), tick(50), tick(1)], [50, 50, 1], [], 0),  # the past waits for nobody
    ],
)
def test_what_is_far_ahead_waits_for_the_next_record(records, passed, rejected, waiting):
    for cuts in ([], range(len(records))):  # in one batch, and each alone
        found, refuted, left = read(records, cuts)
        assert [time for _, time, _ in found] == passed
        assert refuted == [(place, Reject.UNCONFIRMED_TIME) for place in rejected]
        assert left == waiting


def test_any_cut_gives_the_same_records_and_rejects():
    rng = random.Random(1)
    time, records = 0.0, []
    for number in range(400):
        time += rng.choice([0.1, 0.5, 20.0 if rng.random() < 0.1 else 0.2])
        at = time + (10_000 if rng.random() < 0.03 else 0) - (30 if rng.random() < 0.03 else 0)
        records.append(heartbeat(at) if rng.random() < 0.2 else tick(at, number))
    whole = read(records)
    assert whole[1]
    for _ in range(10):
        assert read(records, [rng.randrange(400) for _ in range(rng.randrange(60))]) == whole
    assert read(records, range(400)) == whole


def test_memory_for_connections_is_bounded():
    reader = new_reader()
    for number in range(10_000):
        reader._rules.connection(f"c{number}")
    assert len(reader._rules._connection) <= 4096
    assert reader._rules.connection("c1") == new_reader()._rules.connection("c1")
