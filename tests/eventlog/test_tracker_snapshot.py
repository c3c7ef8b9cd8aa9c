"""The state of decoder and tracker as text: cut the log anywhere, go on in another process, and nothing differs."""

from functools import cache
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.eventlog import wire
from tests.eventlog.test_tracker import beat, opened, tick
from tests.eventlog.tracking import GRACE_MS, LIMIT, MAX_AHEAD_S
from tests.eventlog.wire import BTC, ETH
from tests.parity.test_random_cuts import SEEDS, archive
from tickvol.core.records import Gap
from tickvol.eventlog.frames import FrameDecoder, Layout
from tickvol.eventlog.record_text import records_of
from tickvol.eventlog.tracker import FrameTracker
from tickvol.eventlog.tracker_snapshot import TrackerSnapshot, restore_snapshot, take_snapshot

SOURCE = "a.ndjson"


class Process:
    """Decoder and tracker that know nothing but the text of a snapshot."""

    def __init__(self, products=(BTC, ETH), text=None):
        self.sources = []
        self.decoder = FrameDecoder(products, LIMIT)
        self.tracker = FrameTracker(products, grace_ms=GRACE_MS, max_ahead_s=MAX_AHEAD_S)
        if text is not None:
            snapshot = msgspec.json.decode(text, type=TrackerSnapshot)
            restore_snapshot(snapshot, self.tracker, self.decoder, self.sources)
        if SOURCE not in self.sources:
            self.sources.append(SOURCE)

    def take(self, lines, first_line):
        """Records, and (line, reason) of what was rejected."""
        source = self.sources.index(SOURCE)
        frames = self.decoder.decode(lines, Layout.WRAPPED, source=source, first_line=first_line)
        tracked = self.tracker.push(frames, bare=False)
        rejected = [(int(tracked.frames.line_number[item.row]), item.reason.label) for item in tracked.rejected]
        return list(records_of(tracked, self.tracker.products, self.decoder.connection_id)), rejected

    def snapshot(self):
        return take_snapshot(self.tracker, self.decoder, self.sources)

    def text(self):
        return msgspec.json.encode(self.snapshot())


def run(lines, cuts=(), products=None):
    """Everything that comes of the lines, with another process behind each cut; `products` of each of them."""
    records, rejected, text = [], [], None
    edges = [0, *sorted(cuts), len(lines)]
    for number, (begin, end) in enumerate(pairwise(edges)):
        process = Process((BTC, ETH) if products is None else products[number], text)
        given, refused = process.take(lines[begin:end], begin + 1)
        records += given
        rejected += refused
        text = process.text()
    return records, sorted(rejected)


@cache
def whole(seed):
    return run(archive(seed))


@settings(derandomize=True, deadline=None, max_examples=40, database=None)
@given(st.integers(0, SEEDS - 1), st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_another_process_goes_on_at_any_line_as_if_there_had_been_no_cut(seed, cuts):
    lines = archive(seed)
    assert run(lines, [int(cut * len(lines)) for cut in cuts]) == whole(seed)


def test_the_log_of_these_tests_holds_every_kind_of_trouble():
    records, rejected = whole(0)
    assert {record.reason for record in records if isinstance(record, Gap)} == {"jump", "silence", "capture_down"}
    assert {"not_json", "unconfirmed_time"} <= {reason for _, reason in rejected}


@pytest.mark.parametrize(
    ("lines", "waiting", "why"),
    [
        ([opened(), tick(0, 0), tick(1, 100)], [], "nothing waits"),
        ([opened(), tick(0, 0), tick(2, 100), tick(4, 150)], [3, 4], "behind holes within the grace"),
        ([opened(), tick(0, 0), tick(1, 100), tick(2, 60_000)], [4], "for confirmation of its time"),
        ([opened(), tick(0, 0), tick(2, 100), tick(3, 60_000)], [3, 4], "one of each"),
    ],
)
def test_what_waits_travels_as_the_lines_themselves(lines, waiting, why):
    process = Process()
    process.take(lines, 1)
    assert [row.line_number for row in process.snapshot().waiting] == waiting, why
    later = [tick(1, 120), tick(3, 160), beat(5, 500), tick(6, 700), tick(7, 1000)]
    assert run(lines + later, [len(lines)]) == run(lines + later), why


def test_a_snapshot_of_a_snapshot_is_the_same():
    lines = archive(1)
    for cut in range(0, len(lines), 97):
        process = Process()
        process.take(lines[:cut], 1)
        assert Process(text=process.text()).text() == process.text()


@pytest.mark.parametrize("products", [[(BTC,), (BTC, ETH)], [(BTC, ETH), (BTC,)], [(BTC, ETH), (ETH, BTC)]])
def test_products_that_stay_do_not_notice_that_others_come_go_or_move(products):
    lines = archive(2)
    stay = set(products[0]) & set(products[1])
    for cut in range(1, len(lines), 211):
        changed, _ = run(lines, [cut], products)
        unchanged, _ = whole(2)
        for name in stay:
            assert [r for r in changed if r.product_id == name] == [r for r in unchanged if r.product_id == name]


def test_a_product_that_comes_begins_anew():
    lines = [opened(), tick(0, 0, BTC, ETH), tick(1, 100, BTC, ETH), tick(2, 200, BTC, ETH), tick(3, 300, BTC)]
    records, _ = run(lines, [3], [(BTC,), (BTC, ETH)])
    assert [record.sequence_num for record in records if record.product_id == ETH] == [2]
    assert not any(isinstance(record, Gap) for record in records)


def test_a_product_that_goes_takes_its_gap_with_it():
    ended = wire.control("connection_closed", wire.START_NS, "c1")
    lines = [opened(), tick(0, 0, BTC, ETH), tick(1, 100, BTC, ETH), ended, opened("c2")]
    lines += [tick(0, 900, BTC, ETH, connection="c2"), tick(1, 950, BTC, ETH, connection="c2")]
    records, _ = run(lines, [4, 5], [(BTC, ETH), (BTC,), (BTC, ETH)])
    assert [record.product_id for record in records if isinstance(record, Gap)] == [BTC]
