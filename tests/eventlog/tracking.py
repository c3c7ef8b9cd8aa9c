"""A driver for the tracker: lines in, at any cut, and what came of them in terms a test can compare."""

from dataclasses import dataclass, field
from itertools import pairwise

from tests.eventlog import wire
from tickvol.core.record_columns import RecordKind
from tickvol.core.records import Gap
from tickvol.eventlog.frames import FrameDecoder, Layout
from tickvol.eventlog.tracker import FrameCounts, FrameTracker

GRACE_MS = 250
MAX_AHEAD_S = 5.0
LIMIT = 1 << 20


@dataclass
class Outcome:
    """Records as tuples, gaps, rejects by line number, all in the order in which they came."""

    records: list[tuple] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)
    counts: FrameCounts = field(default_factory=FrameCounts)

    def ticks(self, product=None):
        """(product, sequence number) of each tick."""
        found = [(record[1], record[3]) for record in self.records if record[0] == RecordKind.TICK]
        return [number for name, number in found if name == product] if product else found

    def heartbeats(self):
        return [(record[1], record[3]) for record in self.records if record[0] == RecordKind.HEARTBEAT]


def track(lines, *, layout=Layout.WRAPPED, products=(wire.BTC, wire.ETH), cuts=None, trust_bare=False, limit=LIMIT):
    """Push lines, cut before each index of `cuts` (default: one batch); numbers of lines count from 1."""
    decoder = FrameDecoder(products, limit)
    tracker = FrameTracker(products, grace_ms=GRACE_MS, max_ahead_s=MAX_AHEAD_S, trust_bare=trust_bare)
    outcome = Outcome(counts=tracker.counts)
    edges = sorted({0, *(cuts or ()), len(lines)})
    for begin, end in pairwise(edges):
        frames = decoder.decode(lines[begin:end], layout, first_line=begin + 1, bare_connection="bare")
        push(tracker, frames, outcome, bare=layout is not Layout.WRAPPED)
    return outcome


def push(tracker, frames, outcome, *, bare):
    tracked = tracker.push(frames, bare=bare)
    records = tracked.records
    for i in range(len(records)):
        row = int(records.origin[i])
        outcome.records.append(
            (
                RecordKind(records.kind[i]),
                tracker.products[records.product[i]],
                int(records.connection[i]),
                int(records.sequence_num[i]),
                int(records.event_time_ns[i]),
                int(records.until_ns[i]),
                str(float(records.bid[i])),
                str(float(records.ask_quantity[i])),
                int(tracked.frames.line_number[row]),
            )
        )
    outcome.gaps += tracked.gaps
    outcome.rejected += [(int(tracked.frames.line_number[item.row]), item.reason.label) for item in tracked.rejected]
    assert counts_add_up(tracker.counts)


def counts_add_up(counts):
    """What `FrameCounts` promises, with no negative number to make it come out."""
    parts = (counts.tickers, counts.heartbeats, counts.other_channels, sum(counts.rejected.values()), counts.waiting)
    return min(parts) >= 0 and sum(parts) == counts.frames
