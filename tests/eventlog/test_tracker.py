"""What the tracker promises: what is lost, from when to when, for whom and why; and that no cut of the log matters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.eventlog import wire
from tests.eventlog.tracking import GRACE_MS, MAX_AHEAD_S, Outcome, push, track
from tests.eventlog.wire import BTC, ETH, MS, SECOND, START_NS
from tickvol.core.records import Gap, GapReason
from tickvol.eventlog.archive_reader import MergedLog
from tickvol.eventlog.frames import FrameDecoder, Layout
from tickvol.eventlog.tracker import FrameTracker

AHEAD_NS = round(MAX_AHEAD_S * SECOND)


def at(ms):
    return START_NS + ms * MS


def tick(number, ms, *products, connection="c1"):
    return wire.wrap(wire.ticker(number, at(ms), *products), at(ms), connection)


def beat(number, ms, connection="c1"):
    return wire.wrap(wire.heartbeat(number, at(ms)), at(ms), connection)


def opened(connection="c1", ms=0):
    return wire.control("connection_opened", at(ms), connection)


def closed(connection="c1", ms=0, reason=GapReason.RECONNECT):
    return wire.control("connection_closed", at(ms), connection, reason)


def gap(from_ms, to_ms, reason, first=None, last=None, product=BTC):
    return Gap(product, at(from_ms), at(to_ms), reason, first, last)


# Sequence numbers of one connection.


@pytest.mark.parametrize(
    ("frames", "gaps", "why"),
    [
        ([(0, 0), (1, 100), (2, 200), (3, 900)], [], "nothing is missing"),
        ([(0, 0), (2, 100), (1, 110), (3, 900)], [], "disorder within the grace is no loss"),
        ([(0, 0), (3, 100), (2, 110), (1, 120), (4, 900)], [], "nor is a reversal"),
        ([(0, 0), (2, 100), (3, 349)], [], "1 ms before the watermark reaches the frame behind it"),
        ([(0, 0), (2, 100), (3, 350)], [(0, 100, 1, 1)], "the watermark reaches the frame behind the hole: lost"),
        ([(0, 0), (2, 100), (3, 349), (1, 340), (4, 900)], [], "the missing frame came just in time"),
        ([(0, 0), (2, 100), (3, 350), (1, 340)], [(0, 100, 1, 1)], "the missing frame came too late"),
        ([(0, 0), (1, 50), (5, 100), (6, 900)], [(50, 100, 2, 4)], "several numbers make one gap"),
        ([(0, 0), (2, 100), (4, 200), (5, 900)], [(0, 100, 1, 1), (100, 200, 3, 3)], "two holes make two gaps"),
        ([(0, 0), (0, 0), (1, 100), (1, 100), (2, 900)], [], "duplicates are no loss"),
        ([(0, 300), (2, 100), (3, 900)], [(100, 300, 1, 1)], "the neighbour that is earlier in time begins the gap"),
    ],
)  # fmt: skip
def test_a_number_is_lost_when_it_is_absent_as_the_watermark_passes(frames, gaps, why):
    outcome = track([opened(), *(tick(number, ms) for number, ms in frames)])
    assert outcome.gaps == [gap(from_ms, to_ms, "jump", first, last) for from_ms, to_ms, first, last in gaps], why
    assert outcome.counts.jumps == len(gaps)
    assert outcome.counts.missing == sum(last - first + 1 for *_, first, last in gaps)


def test_a_first_frame_that_is_not_number_0_is_a_jump_without_a_product_to_blame():
    outcome = track([opened(), tick(1, 0), tick(2, 900)])
    assert (outcome.gaps, outcome.counts.jumps, outcome.counts.missing) == ([], 1, 1)


def test_a_connection_whose_opening_was_not_seen_starts_at_any_number():
    outcome = track([tick(77, 0), tick(78, 900)])
    assert (outcome.gaps, outcome.counts.jumps) == ([], 0)
    assert outcome.ticks(BTC) == [77, 78]


def test_a_gap_belongs_to_every_product_of_the_connection_that_had_a_tick():
    lines = [opened(), tick(0, 0, BTC), tick(1, 10, ETH), tick(3, 100, BTC), tick(4, 900, BTC)]
    outcome = track(lines, products=(BTC, ETH, "SOL-USD"))
    assert outcome.gaps == [gap(10, 100, "jump", 2, 2), gap(10, 100, "jump", 2, 2, ETH)]


def test_a_gap_comes_before_the_tick_behind_it():
    outcome = track([opened(), tick(0, 0), tick(2, 100), tick(3, 900)])
    assert [record[0].name for record in outcome.records] == ["TICK", "GAP", "TICK", "TICK"]


def test_frames_of_other_channels_count_as_received():
    other = wire.wrap(wire.frame("l2_data", 1, at(50), []), at(50))
    outcome = track([opened(), tick(0, 0), other, tick(2, 100), tick(3, 900)])
    assert outcome.gaps == []
    assert (outcome.counts.other_channels, outcome.counts.tickers) == (1, 3)


def test_a_rejected_frame_with_a_readable_number_and_time_is_no_hole():
    crossed = wire.wrap(wire.ticker(1, at(50), bid="2", ask="1"), at(50))
    outcome = track([opened(), tick(0, 0), crossed, tick(2, 900)])
    assert outcome.gaps == []
    assert outcome.rejected == [(3, "crossed_quotes")]


def test_a_frame_that_is_no_json_leaves_a_hole():
    outcome = track([opened(), tick(0, 0), wire.wrap(b"{", at(50)), tick(2, 100), tick(3, 900)])
    assert outcome.gaps == [gap(0, 100, "jump", 1, 1)]


# Ends of connections.


@pytest.mark.parametrize("reason", ["reconnect", "silence", "capture_down"])
def test_the_gap_after_a_closed_connection_has_its_reason_and_ends_with_the_next_tick(reason):
    lines = [opened(), tick(0, 0), beat(1, 400), closed(reason=GapReason[reason.upper()]), opened("c2"),
             beat(0, 5000, "c2"), tick(1, 6000, connection="c2"), tick(2, 6500, connection="c2")]  # fmt: skip
    assert track(lines).gaps == [gap(400, 6000, reason)]


@pytest.mark.parametrize(
    "restart",
    [
        pytest.param([wire.control("capture_started"), opened("c2")], id="the next capture starts"),
        pytest.param([opened("c2")], id="the next connection opens"),
        pytest.param([wire.control("connection_continued", connection_id="c2")], id="another connection goes on"),
    ],
)
def test_a_capture_killed_without_a_closing_line_is_down_until_the_next(restart):
    lines = [wire.control("capture_started"), opened(), tick(0, 0), tick(1, 300), *restart,
             tick(0, 9000, connection="c2"), tick(1, 9500, connection="c2")]  # fmt: skip
    assert track(lines).gaps == [gap(300, 9000, "capture_down")]


def test_a_stopped_capture_is_down_whatever_closed_its_connection():
    lines = [opened(), tick(0, 0), tick(1, 300), closed(), wire.control("capture_stopped"), opened("c2"),
             tick(0, 9000, connection="c2"), tick(1, 9500, connection="c2")]  # fmt: skip
    assert track(lines).gaps == [gap(300, 9000, "capture_down")]


def test_a_connection_that_goes_on_in_the_next_file_makes_no_gap():
    lines = [opened(), tick(0, 0), tick(1, 300), wire.control("connection_continued"), tick(2, 700), tick(3, 900)]
    outcome = track(lines)
    assert (outcome.gaps, outcome.counts.jumps) == ([], 0)


def test_each_product_waits_for_its_own_first_tick():
    lines = [opened(), tick(0, 0, BTC, ETH), tick(1, 300, BTC), closed(), opened("c2"),
             tick(0, 2000, ETH, connection="c2"), beat(1, 3000, "c2"),
             tick(2, 4000, BTC, connection="c2"), tick(3, 4100, BTC, connection="c2")]  # fmt: skip
    outcome = track(lines)
    assert outcome.gaps == [gap(300, 2000, "reconnect", product=ETH), gap(300, 4000, "reconnect")]
    assert outcome.heartbeats() == [(ETH, 1)]


def test_a_product_that_was_never_seen_has_no_gap():
    lines = [opened(), tick(0, 0, BTC), tick(1, 10), closed(), opened("c2"),
             tick(0, 900, BTC, ETH, connection="c2"), tick(1, 950, connection="c2")]  # fmt: skip
    assert [found.product_id for found in track(lines).gaps] == [BTC]


def test_a_hole_still_open_when_the_connection_ends_is_lost():
    outcome = track([opened(), tick(0, 0), tick(2, 100), closed()])
    assert outcome.gaps == [gap(0, 100, "jump", 1, 1)]
    assert outcome.counts.waiting == 0


def test_heartbeats_go_to_the_products_that_had_a_tick_on_the_connection():
    lines = [opened(), beat(0, 0), tick(1, 10, ETH), beat(2, 20), tick(3, 30, BTC), beat(4, 40)]
    outcome = track(lines)
    assert outcome.heartbeats() == [(ETH, 2), (BTC, 4), (ETH, 4)]
    assert outcome.counts.heartbeats == 3


def write_ticks(path, begin_ms, end_ms):
    path.write_bytes(wire.file_of(wire.ticker(i, at(ms)) for i, ms in enumerate(range(begin_ms, end_ms, 100))))
    return path


def test_recordings_that_overlap_leave_no_gap_where_one_of_them_ends(tmp_path):
    files = [
        write_ticks(tmp_path / name, begin, end)
        for name, begin, end in (("a", 0, 2000), ("b", 1050, 4000), ("c", 3010, 3500), ("d", 9000, 9500))
    ]
    decoder = FrameDecoder((BTC,), 1 << 20)
    tracker = FrameTracker((BTC,), grace_ms=GRACE_MS, max_ahead_s=MAX_AHEAD_S)
    outcome = Outcome(counts=tracker.counts)
    for batch in MergedLog(files, decoder, batch_size=8):
        push(tracker, batch.frames, outcome, bare=batch.bare)
    assert outcome.gaps == [gap(3950, 9000, "capture_down")]
    assert len(outcome.ticks()) == 20 + 30 + 5 + 5


def test_a_connection_that_begins_before_the_last_one_ended_leaves_no_gap():
    lines = [opened(), tick(0, 0), tick(1, 1000), closed(), opened("c2"), tick(0, 900, connection="c2"),
             tick(1, 1500, connection="c2")]  # fmt: skip
    assert track(lines).gaps == []


# Times far ahead.


@pytest.mark.parametrize(
    ("times", "rejected", "why"),
    [
        ([0, 100, 5100, 5200], [], "exactly max_ahead_s ahead is near enough"),
        ([0, 100, 5101, 5200], [], "further ahead, but the next frame confirms it"),
        ([0, 100, 9000, 200, 300], [4], "the next frame refutes it"),
        ([0, 100, 9000, 3999, 4100], [4], "1 ms too far behind to confirm it"),
        ([0, 100, 9000, 4000, 9100], [], "just near enough behind to confirm it"),
        ([0, 100, 3_600_000, 3_600_100], [], "an hour without a frame is long, not wrong"),
        ([9_000_000, 0, 100, 200], [2], "a first frame is trusted only with a second"),
        ([0, 10_000, 20_000, 30_000, 40_000, 40_100], [], "a sparse feed confirms each frame by the next"),
    ],
)  # fmt: skip
def test_a_frame_far_ahead_waits_for_the_next_to_confirm_it(times, rejected, why):
    outcome = track([opened(), *(tick(i, ms) for i, ms in enumerate(times))])
    assert outcome.rejected == [(line, "unconfirmed_time") for line in rejected], why
    assert outcome.counts.rejected.total() == len(rejected)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize(("last_ms", "waiting"), [(5100, 0), (5101, 1)])
def test_a_frame_waits_only_when_it_is_more_than_max_ahead_s_ahead(last_ms, waiting, number):
    assert track([opened(), tick(0, 0), tick(1, 100), tick(number, last_ms)]).counts.waiting == waiting


def test_a_frame_still_unconfirmed_at_the_end_is_waiting_and_rejected_when_the_connection_ends():
    lines = [opened(), tick(0, 0), tick(1, 100), tick(2, 60_000)]
    assert track(lines).counts.waiting == 1
    outcome = track([*lines, closed()])
    assert outcome.rejected == [(4, "unconfirmed_time")]
    assert outcome.counts.waiting == 0


def test_a_copy_of_a_frame_far_ahead_does_not_confirm_it():
    far = tick(2, 300_000)
    outcome = track([opened(), tick(0, 0), tick(1, 100), far, far, far, tick(3, 200), tick(4, 600)])
    assert outcome.rejected == [(5, "unconfirmed_time"), (6, "unconfirmed_time"), (4, "unconfirmed_time")]
    assert outcome.ticks(BTC) == [0, 1, 3, 4]


def test_a_copy_of_the_very_first_frame_rejects_nothing():
    outcome = track([opened(), tick(0, 0), tick(0, 0), tick(1, 100)])
    assert outcome.rejected == []
    assert outcome.ticks(BTC) == [0, 0, 1]


def test_a_wrong_clock_moves_no_watermark():
    lines = [opened(), tick(0, 0), tick(2, 100), tick(3, 60_000), tick(1, 110), tick(4, 120), tick(5, 130)]
    assert 1 in track(lines).ticks(BTC)


# Bare recordings.


@pytest.mark.parametrize(("trust", "gaps"), [(False, 0), (True, 1)])
def test_a_jump_in_a_bare_file_is_counted_and_trusted_only_on_request(trust, gaps):
    lines = [wire.ticker(number, at(ms)) for number, ms in ((5, 0), (6, 300), (9, 400), (10, 1000), (11, 1300))]
    outcome = track(lines, layout=Layout.BARE, trust_bare=trust)
    assert (outcome.counts.jumps, outcome.counts.missing, len(outcome.gaps)) == (1, 2, gaps)
    if trust:
        assert outcome.gaps == [gap(300, 400, "jump", 7, 8)]


def test_a_sequence_that_starts_anew_in_a_bare_file_is_another_connection():
    lines = [wire.ticker(i, at(i * 100)) for i in range(10)]
    lines += [wire.ticker(i, at(60_000 + i * 100)) for i in range(10)]
    outcome = track(lines, layout=Layout.BARE)
    assert outcome.gaps == [gap(900, 60_000, "capture_down")]
    assert len({record[2] for record in outcome.records if record[0].name == "TICK"}) == 2


def test_an_old_number_within_the_grace_starts_nothing_anew():
    lines = [wire.ticker(i, at(i * 100)) for i in range(10)] + [wire.ticker(3, at(300)), wire.ticker(10, at(1000))]
    assert track(lines, layout=Layout.BARE).gaps == []


# Nothing depends on the cut; counts add up.


def random_log(rng, count):
    """Frames of two connections with losses, duplicates, disorder, bad clocks, bad lines, closings and restarts."""
    lines, number, time, connection = [opened("c0")], 0, 0, 0
    for _ in range(count):
        time += int(rng.integers(0, 300))
        number += 1 + (rng.random() < 0.08) * int(rng.integers(1, 4))
        frame_time = time - int(rng.integers(0, 400)) * (rng.random() < 0.2) + 60_000 * (rng.random() < 0.03)
        used = number - int(rng.integers(1, 4)) * (rng.random() < 0.15)
        choice, name = rng.random(), f"c{connection}"
        if choice < 0.6:
            lines.append(tick(max(used, 0), frame_time + 10**6, *rng.choice([BTC, ETH, "XRP-USD"], 2), connection=name))
        elif choice < 0.8:
            lines.append(beat(max(used, 0), frame_time + 10**6, name))
        elif choice < 0.85:
            lines.append(wire.wrap(wire.frame("candles", number, at(frame_time), []), at(time), name))
        elif choice < 0.9:
            lines.append(rng.choice([b"{", b"\xff", b"[]", wire.wrap(b"nope", at(time), name)]))
        elif choice < 0.94:
            lines.append(wire.control("connection_continued", at(time), name))
        elif choice < 0.97:
            lines.append(closed(name, time, GapReason(int(rng.integers(0, 4)))))
        else:
            connection, number = connection + 1, -1
            lines += [wire.control("capture_started")] * (rng.random() < 0.5) + [opened(f"c{connection}", time)]
    return lines


@given(seed=st.integers(0, 2**32 - 1), cuts=st.lists(st.integers(0, 120), max_size=8))
@settings(max_examples=60)
def test_any_cut_of_a_wrapped_log_gives_the_same_records_gaps_and_rejects(seed, cuts):
    lines = random_log(np.random.default_rng(seed), 120)
    whole, cut = track(lines), track(lines, cuts=[place for place in cuts if place < len(lines)])
    assert cut.records == whole.records
    assert cut.gaps == whole.gaps
    assert sorted(cut.rejected) == sorted(whole.rejected)
    assert cut.counts == whole.counts


@given(seed=st.integers(0, 2**32 - 1), trust=st.booleans())
@settings(max_examples=20)
def test_a_bare_log_line_by_line_equals_the_whole(seed, trust):
    rng = np.random.default_rng(seed)
    numbers = np.maximum(np.arange(80) + rng.integers(-3, 3, 80) * (rng.random(80) < 0.3), 0)
    numbers[50:] -= 50 * (seed % 2)
    times = np.cumsum(rng.integers(0, 400, 80))
    lines = [wire.ticker(int(max(number, 0)), at(int(ms))) for number, ms in zip(numbers, times, strict=True)]
    whole = track(lines, layout=Layout.BARE, trust_bare=trust)
    cut = track(lines, layout=Layout.BARE, trust_bare=trust, cuts=range(80))
    assert (cut.records, cut.gaps, cut.counts) == (whole.records, whole.gaps, whole.counts)


def test_no_tick_is_lost_or_given_twice():
    lines = random_log(np.random.default_rng(3), 400)
    outcome = track([*lines, wire.control("capture_stopped")])
    from_ticks = {record[-1] for record in outcome.records if record[0].name == "TICK"}
    assert outcome.counts.waiting == 0
    assert len(from_ticks) == outcome.counts.tickers
    assert len([record for record in outcome.records if record[0].name == "TICK"]) >= outcome.counts.tickers


def test_a_flood_of_frames_behind_a_hole_is_bounded_and_loses_none():
    lines = [opened(), tick(0, 0)] + [tick(number, 100) for number in range(2, 9002)]
    outcome = track(lines, cuts=range(0, 9000, 1000))
    assert outcome.counts.waiting <= 8192
    assert outcome.gaps == [gap(0, 100, "jump", 1, 1)]
    assert outcome.counts.tickers + outcome.counts.waiting == 9001
    assert len(outcome.ticks(BTC)) == outcome.counts.tickers


def test_a_waiting_frame_of_many_ticks_finds_room_when_it_is_let_go():
    products = [f"P{number}-USD" for number in range(100)]
    lines = [opened(), tick(0, 0, *products), beat(2, 0), tick(4, 3000, *[products[0]] * 20_000)]
    lines += [beat(0, 0)] * 420 + [beat(3, 3000)] * 20
    outcome = track(lines, products=products, limit=1 << 24)
    assert len(outcome.ticks()) == 20_100


def test_hundreds_of_connections_reuse_the_room_of_the_ended_ones():
    lines = []
    for number in range(300):
        name, start = f"c{number}", number * 1000
        lines += [
            opened(name, start),
            tick(0, start, connection=name),
            tick(1, start + 100, connection=name),
            closed(name),
        ]
    outcome = track(lines, cuts=range(0, len(lines), 7))
    assert len(outcome.gaps) == 299
    assert outcome.gaps[-1] == gap(298_100, 299_000, "reconnect")
