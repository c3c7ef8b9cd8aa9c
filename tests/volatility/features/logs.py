"""Logs of records for the engine's tests: plain records, seeded random logs, and their columns."""

from collections.abc import Sequence
from dataclasses import dataclass
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
    """One product's log in order of time: lively and calm stretches, pauses and gaps with and without heartbeats."""
    rng = np.random.default_rng(seed)
    log = _Log(rng, product, heartbeats=bool(rng.random() < 0.7))
    shares = {"lively": 0.55, "calm": 0.2, "pause": 0.15, "gap": 0.1} if pauses else {"lively": 0.7, "calm": 0.3}
    while log.time < seconds:
        state = rng.choice(list(shares), p=list(shares.values()))
        since, until = log.time - float(rng.choice([0.0, 1.5])), log.time + rng.exponential(seconds / 8)
        if state in ("lively", "calm"):
            log.trade(until, rate, volatility=2e-4 if state == "lively" else 0.0)
            continue
        known_at_once = state == "gap" and rng.random() < 0.5
        if known_at_once:
            log.records.append(gap(since, until, product=product))
        log.pause(until, heartbeats=bool(rng.random() < 0.5))
        if state == "gap" and not known_at_once:
            log.records.append(gap(since, until, product=product))
    return log.records


class _Log:
    """A log that is being written; times in seconds after START_NS."""

    def __init__(self, rng: np.random.Generator, product: int, *, heartbeats: bool) -> None:
        self.records: list[Record] = []
        self.time = 0.0
        self._rng, self._product, self._heartbeats = rng, product, heartbeats
        self._price, self._sequence, self._next_beat = 100.0 * float(np.exp(rng.normal())), 0, 0.0

    def trade(self, until: float, rate: float, *, volatility: float) -> None:
        rng = self._rng
        while self.time < until:
            self.time += rng.exponential(1.0 / rate)
            self._beat(heartbeats=True)
            jump = 8.0 if rng.random() < 0.02 else 1.0
            self._price *= float(np.exp(rng.normal() * volatility * jump))
            quote = {"bid_quantity": float(rng.integers(0, 4)), "ask_quantity": float(rng.integers(0, 4))}
            if rng.random() < 0.05:
                quote["bid_quantity"] = nan
            at = round(self.time, 1) if rng.random() < 0.2 else self.time  # ties, and times on the edge of a bar
            self.records.append(tick(at, self._sequence, round(self._price, 2), product=self._product, **quote))
            self._sequence += 1

    def pause(self, until: float, *, heartbeats: bool) -> None:
        self.time = max(until, self.time)
        self._beat(heartbeats=heartbeats)

    def _beat(self, *, heartbeats: bool) -> None:
        while self._next_beat <= self.time:
            if self._heartbeats and heartbeats:
                self.records.append(heartbeat(self._next_beat, product=self._product))
            self._next_beat += 1.0


def disorder(records: Sequence[Record], seed: int, *, within_s: float, share: float = 0.3) -> list[Record]:
    """Delay some ticks and heartbeats by up to `within_s` of event time and repeat some; gaps keep their place."""
    rng = np.random.default_rng(seed)
    keyed: list[tuple[int, int, Record]] = []
    latest = 0
    for number, record in enumerate(records):
        movable = record.kind != RecordKind.GAP
        at = record.time_ns if movable else latest
        latest = max(latest, at)
        delay = rng.random() * within_s * S if movable and rng.random() < share else 0.0
        keyed.append((at + int(delay), number, record))
        if record.kind == RecordKind.TICK and rng.random() < share / 3:
            keyed.append((at + int(rng.random() * 3 * within_s * S), number, record))
    return [record for _, _, record in sorted(keyed, key=lambda item: item[:2])]


def merged(*logs: Sequence[Record]) -> list[Record]:
    """Several logs as one, by time; each keeps its own order."""
    keyed: list[tuple[int, int, Record]] = []
    for log in logs:
        latest = 0
        for record in log:
            latest = max(latest, record.time_ns if record.kind != RecordKind.GAP else 0)
            keyed.append((latest, len(keyed), record))
    return [record for _, _, record in sorted(keyed, key=lambda item: item[:2])]
