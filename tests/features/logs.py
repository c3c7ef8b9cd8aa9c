"""Logs of records for the engine's tests: plain records, seeded random logs, and their columns."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from tickvol.core.record_columns import RecordColumns, RecordKind

S = 1_000_000_000
START_NS = 1_775_427_300 * S


@dataclass(frozen=True)
class Record:
    """One record of the log; times in ns, `until_ns` of a gap only."""

    kind: RecordKind
    product: int
    time_ns: int
    connection: int = 0
    sequence_num: int = -1
    bid: float = nan
    ask: float = nan
    bid_quantity: float = nan
    ask_quantity: float = nan
    until_ns: int = 0


def tick(seconds: float, sequence_num: int, mid: float = 100.0, *, product: int = 0, **more: float) -> Record:
    """A tick `seconds` after START_NS, spread 0.02."""
    quote = {"bid": mid - 0.01, "ask": mid + 0.01, "bid_quantity": 1.0, "ask_quantity": 1.0} | more
    return Record(RecordKind.TICK, product, START_NS + round(seconds * S), 0, sequence_num, **quote)


def heartbeat(seconds: float, *, product: int = 0) -> Record:
    return Record(RecordKind.HEARTBEAT, product, START_NS + round(seconds * S))


def gap(from_seconds: float, to_seconds: float, *, product: int = 0) -> Record:
    from_ns, to_ns = START_NS + round(from_seconds * S), START_NS + round(to_seconds * S)
    return Record(RecordKind.GAP, product, from_ns, until_ns=to_ns)


def columns(records: Sequence[Record]) -> RecordColumns:
    """The columns that the engine takes."""

    def of(name: str, dtype: type) -> np.ndarray:
        return np.array([getattr(record, name) for record in records], dtype)

    return RecordColumns(
        kind=of("kind", np.int16),
        product=of("product", np.int32),
        connection=of("connection", np.int64),
        sequence_num=of("sequence_num", np.int64),
        event_time_ns=of("time_ns", np.int64),
        until_ns=of("until_ns", np.int64),
        bid=of("bid", np.float64),
        ask=of("ask", np.float64),
        bid_quantity=of("bid_quantity", np.float64),
        ask_quantity=of("ask_quantity", np.float64),
        origin=np.arange(len(records)),
    )


def records_of(table: RecordColumns) -> list[Record]:
    """The inverse of `columns`."""
    names = ("kind", "product", "event_time_ns", "connection", "sequence_num")
    names += ("bid", "ask", "bid_quantity", "ask_quantity", "until_ns")
    return [
        Record(RecordKind(row[0]), *row[1:])
        for row in zip(*(getattr(table, name).tolist() for name in names), strict=True)
    ]


def random_log(
    seed: int, *, seconds: float = 120.0, product: int = 0, rate: float = 3.0, pauses: bool = True
) -> list[Record]:
    """One product's ticks and heartbeats with calm stretches, pauses, missing quantities and gaps, in order of time."""
    rng = np.random.default_rng(seed)
    heartbeats = rng.random() < 0.7
    records: list[Record] = []
    time, price, sequence, next_beat = 0.0, 100.0 * np.exp(rng.normal()), 0, 0.0
    while time < seconds:
        kind = rng.choice(["lively", "calm", "pause", "gap"], p=[0.55, 0.2, 0.15, 0.1] if pauses else [0.7, 0.3, 0, 0])
        end = time + rng.exponential(seconds / 8)
        if kind in ("pause", "gap"):
            silent = bool(rng.random() < 0.5)
            if kind == "gap":
                since = time - (0.0 if rng.random() < 0.5 else rng.random() * 2)
                records.append(gap(since, end, product=product))
        while time < end:
            time += rng.exponential(1.0 / rate) if kind in ("lively", "calm") else 0.5
            while heartbeats and next_beat <= time:
                if kind in ("lively", "calm") or not silent:
                    records.append(heartbeat(next_beat, product=product))
                next_beat += 1.0
            if kind in ("lively", "calm"):
                if kind == "lively":
                    price *= float(np.exp(rng.normal() * 2e-4 * (8 if rng.random() < 0.02 else 1)))
                quantities = {"bid_quantity": float(rng.integers(0, 4)), "ask_quantity": float(rng.integers(0, 4))}
                if rng.random() < 0.05:
                    quantities["bid_quantity"] = nan
                when = round(time, 1) if rng.random() < 0.2 else time  # ties and bar edges
                records.append(tick(when, sequence, round(price, 2), product=product, **quantities))
                sequence += 1
    return records


def disorder(records: Iterable[Record], seed: int, *, within_s: float, share: float = 0.3) -> list[Record]:
    """Delay some records by up to `within_s` of event time and repeat some; gaps stay where they are known: at their end."""
    rng = np.random.default_rng(seed)
    keyed = []
    for number, record in enumerate(records):
        at = record.time_ns if record.kind != RecordKind.GAP else record.time_ns
        moved = rng.random() < share and record.kind != RecordKind.GAP
        keyed.append((at + (round(rng.random() * within_s * S) if moved else 0), number, record))
        if record.kind == RecordKind.TICK and rng.random() < share / 3:
            keyed.append((at + round(rng.random() * 3 * within_s * S), number, record))
    return [record for _, _, record in sorted(keyed, key=lambda item: item[:2])]


def merged(*logs: Sequence[Record]) -> list[Record]:
    """Several products' logs as one, by time; each keeps its own order where times are equal."""
    keyed = []
    for log in logs:
        latest = 0
        for record in log:
            latest = max(latest, record.time_ns)
            keyed.append((latest, len(keyed), record))
    return [record for _, _, record in sorted(keyed, key=lambda item: item[:2])]


def of_product(records: Iterable[Record], product: int) -> list[Record]:
    return [replace(record, product=product) for record in records]
