"""Bad input inside an otherwise good log: rejected with its reason, counted once, unknown and not calm after it."""

import numpy as np
import pytest

from tests.eventlog import wire
from tests.eventlog.test_frames import REJECTED
from tests.eventlog.tracking import LIMIT, track
from tests.eventlog.wire import BTC, MS, SECOND, START_NS
from tickvol.core.records import Gap
from tickvol.eventlog.frame_columns import Reject
from tickvol.eventlog.frames import FrameDecoder, Layout
from tickvol.eventlog.tracker import FrameTracker
from tickvol.volatility.features.engine import FeatureEngine
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec

SPEC = FeatureSpec(windows_s=(10, 60), reference_window_s=10, duplicate_memory_s=30)
MINUTE = wire.minute_of_ticks(START_NS + 500 * MS, 60)
BAD_AT = 30
CASES = {case: entry for case, entry in REJECTED.items() if entry[1] is not Reject.TOO_LONG}


def wrapped(bare, number):
    return wire.wrap(bare, START_NS + number * SECOND + 500 * MS)


def log_with(line):
    """A minute of one tick a second on one connection; `line` (as it lies in the archive) instead of number BAD_AT."""
    lines = [wire.control("connection_opened"), *(wrapped(frame, number) for number, frame in enumerate(MINUTE))]
    lines[1 + BAD_AT] = line
    return lines


def features(lines):
    """Rows by the second in which their bar ends, as dictionaries by name."""
    frames = FrameDecoder((BTC,), LIMIT).decode(lines, Layout.WRAPPED)
    tracked = FrameTracker((BTC,), grace_ms=SPEC.grace_ms, max_ahead_s=5.0).push(frames, bare=False)
    rows = FeatureEngine(SPEC, (BTC,)).push(tracked.records)
    assert not np.isinf(rows.values).any()
    names = feature_names(SPEC)
    return {
        (int(end) - START_NS) // SECOND: dict(zip(names, values, strict=True))
        for end, values in zip(rows.bar_end_ns.tolist(), rows.values.tolist(), strict=True)
    }


CLEAN = features(log_with(wrapped(MINUTE[BAD_AT], BAD_AT)))


@pytest.mark.parametrize("case", CASES)
def test_a_bad_frame_is_counted_once_and_the_rest_goes_on(case):
    line, reason = CASES[case]
    outcome = track(log_with(wrapped(line, BAD_AT)), products=(BTC,))
    assert outcome.rejected == [(2 + BAD_AT, reason.label)]
    assert outcome.counts.rejected == {reason.label: 1}
    assert outcome.ticks(BTC) == [number for number in range(60) if number != BAD_AT]


@pytest.mark.parametrize("case", CASES)
def test_what_a_bad_frame_would_have_said_is_unknown_and_not_calm(case):
    line, _ = CASES[case]
    lines = log_with(wrapped(line, BAD_AT))
    neighbours = [START_NS + (BAD_AT + side) * SECOND + 500 * MS for side in (-1, 1)]
    assert track(lines, products=(BTC,)).gaps == [Gap(BTC, *neighbours, "jump", BAD_AT, BAD_AT)]
    rows = features(lines)
    assert np.isnan(rows[BAD_AT + 1]["mid"])
    assert np.isnan(rows[BAD_AT + 1]["bar_log_return"])
    assert rows[BAD_AT + 1]["coverage_10"] < 1
    for second in range(1, BAD_AT - 1):
        assert str(rows[second]) == str(CLEAN[second])


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="empty line"),
        pytest.param(b"\x00\xff" * 50, id="binary"),
        pytest.param(b"x" * (LIMIT + 1), id="too long"),
        pytest.param(b"[" * 10_000, id="deep nesting"),
        pytest.param(wire.wrap(MINUTE[BAD_AT], 1, "c1")[:-20], id="torn"),
        pytest.param(wire.wrap(MINUTE[BAD_AT], 1, "c1").replace(b'"c1"', b"null"), id="no connection"),
        pytest.param(wire.wrap(MINUTE[BAD_AT], 1, "c1").replace(b"frame", b"fr"), id="renamed field"),
        pytest.param(b'{"receive_time_ns":1,"control":"lunch_break","connection_id":"c1"}', id="unknown control"),
    ],
)
def test_a_bad_line_of_the_archive_is_a_hole_of_its_connection(line):
    outcome = track(log_with(line), products=(BTC,))
    assert len(outcome.rejected) == 1
    assert [(gap.first_missing, gap.last_missing) for gap in outcome.gaps] == [(BAD_AT, BAD_AT)]


@pytest.mark.parametrize(
    ("shift_s", "why"),
    [(10, "a clock ten seconds ahead"), (86_400, "a day ahead"), (7_000_000_000, "two centuries ahead")],
)
def test_a_time_far_ahead_closes_no_bar(shift_s, why):
    line = wrapped(wire.ticker(BAD_AT, START_NS + (BAD_AT + shift_s) * SECOND), BAD_AT)
    outcome = track(log_with(line), products=(BTC,))
    assert outcome.counts.rejected == {"unconfirmed_time": 1}, why
    rows = features(log_with(line))
    assert max(rows) == max(CLEAN)
    assert not np.isnan(rows[BAD_AT + 5]["mid"])


def test_a_time_long_past_is_late_and_changes_no_row_before():
    line = wrapped(wire.ticker(BAD_AT, 1), BAD_AT)
    rows = features(log_with(line))
    assert [str(rows[second]) for second in range(1, BAD_AT)] == [str(CLEAN[second]) for second in range(1, BAD_AT)]


def test_extreme_but_valid_prices_keep_features_finite_or_unknown():
    prices = ["0.00000001", "999999999998", "0.00000001", "67000"] * 15
    lines = [wire.control("connection_opened")]
    for number, price in enumerate(prices):
        frame = wire.ticker(number, START_NS + number * SECOND, bid=price, ask=price, best_bid_quantity="0",
                            best_ask_quantity="0")  # fmt: skip
        lines.append(wrapped(frame, number))
    rows = features(lines)
    assert len(rows) > 50


def test_a_log_of_nothing_but_bad_frames_gives_no_row():
    lines = [wrapped(line, number) for number, (line, _) in enumerate(CASES.values())]
    assert features(lines) == {}
    assert track(lines, products=(BTC,)).counts.rejected.total() == len(lines)


def test_a_flood_of_other_products_costs_the_wanted_one_nothing():
    lines = [wire.control("connection_opened")]
    for number in range(60):
        at = START_NS + number * SECOND + 500 * MS
        quotes = [wire.quote(f"X{other}-USD") for other in range(200)]
        quotes.insert(number, wire.quote(BTC, bid=f"{67000 + number % 7}.10", ask=f"{67000 + number % 7}.30"))
        lines.append(wire.wrap(wire.frame("ticker", number, at, [{"tickers": quotes}]), at))
    assert str(features(lines)) == str(CLEAN)
    assert track(lines, products=(BTC,)).counts.rejected_tickers == {"unknown_product": 60 * 200}
