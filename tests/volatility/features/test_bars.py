"""When bars close, what is late, what is carried and what is missing."""

import math
from collections.abc import Sequence

import pytest

from tests.volatility.features.logs import START_NS, Record, S, columns, gap, heartbeat, tick
from tickvol.volatility.features.engine import FeatureEngine
from tickvol.volatility.schema.feature_spec import FeatureSpec

SPEC = FeatureSpec(windows_s=(2, 5, 10), reference_window_s=5)


def mids(records: Sequence[Record], spec: FeatureSpec = SPEC) -> dict[int, float | None]:
    """Bar end in seconds after the start -> mid, None where the bar is missing."""
    rows = FeatureEngine(spec, ("A",)).push(columns(records))
    ends = ((rows.bar_end_ns - START_NS) // S).tolist()
    assert ends == sorted(set(ends))
    return {
        end: None if math.isnan(mid) else round(float(mid), 6) for end, mid in zip(ends, rows.values[:, 0], strict=True)
    }


def late(records: Sequence[Record], spec: FeatureSpec = SPEC) -> list[int]:
    return FeatureEngine(spec, ("A",)).push(columns(records)).late.tolist()


def test_a_pause_of_any_length_loses_no_bar() -> None:
    for pause in range(1, 15):
        log = [tick(0.5, 0, 100.0), tick(pause + 0.5, 1, 101.0), tick(pause + 2.5, 2, 102.0)]
        expected = dict.fromkeys(range(1, pause + 1), 100.0) | {pause + 1: 101.0}
        assert mids(log) == expected, pause


def test_a_bar_closes_as_soon_as_the_watermark_passes_although_a_later_bar_was_opened_first() -> None:
    log = [tick(0.5, 0), tick(2.1, 2, 102.0), tick(1.9, 1, 101.0)]
    assert mids(log) == {1: 100.0}
    assert mids([*log, tick(2.25, 3)]) == {1: 100.0, 2: 101.0}


def test_a_tick_whose_bar_the_watermark_has_passed_is_late_although_nothing_was_recorded_in_between() -> None:
    log = [tick(0.5, 0), tick(10.5, 2), tick(6.5, 1, 50.0), tick(12.5, 3)]
    assert late(log) == [2]
    assert mids(log) == dict.fromkeys(range(1, 12), 100.0)


# Each log and the mids that must come out, None for a missing bar; seconds after the start.
TABLE = {
    "a bar closes when the watermark reaches its end, not before": (
        [tick(0.5, 0), tick(1.249, 1, 101.0)],
        {},
    ),
    "the record that moves the watermark to the bar's end closes it": (
        [tick(0.5, 0), tick(1.25, 1, 101.0)],
        {1: 100.0},
    ),
    "a heartbeat closes a bar as a tick does": (
        [tick(0.5, 0), heartbeat(1.25)],
        {1: 100.0},
    ),
    "a tick on the edge belongs to the bar that begins": (
        [tick(0.5, 0), tick(1.0, 1, 101.0), heartbeat(2.5)],
        {1: 100.0, 2: 101.0},
    ),
    "the last tick by event time gives the mid, whatever came last": (
        [tick(0.9, 1, 101.0), tick(0.8, 0, 99.0), heartbeat(1.5)],
        {1: 101.0},
    ),
    "of ticks at one time the highest sequence number gives the mid": (
        [tick(0.9, 7, 101.0), tick(0.9, 3, 99.0), heartbeat(1.5)],
        {1: 101.0},
    ),
    "the first of two ticks with one number counts": (
        [tick(0.5, 0, 101.0), tick(0.5, 0, 99.0), heartbeat(1.5)],
        {1: 101.0},
    ),
    "heartbeats alone give no row": (
        [heartbeat(second) for second in range(9)],
        {},
    ),
    "rows begin with the first tick": (
        [heartbeat(0), heartbeat(1), tick(2.5, 0), heartbeat(4)],
        {3: 100.0},
    ),
    "a bar without records closes with the next that has one": (
        [tick(0.5, 0), tick(3.5, 1, 101.0)],
        {1: 100.0},
    ),
    "a silence of 15 s is carried": (
        [tick(0.5, 0), tick(15.5, 1, 101.0), heartbeat(17)],
        dict.fromkeys(range(1, 16), 100.0) | {16: 101.0},
    ),
    "a longer one is missing as long as a window holds a known bar": (
        [tick(0.5, 0), tick(15.501, 1, 101.0), heartbeat(17)],
        {1: 100.0} | dict.fromkeys(range(2, 11)) | {16: 101.0},
    ),
    "a quote dies in a silence": (
        [tick(0.5, 0), heartbeat(15.6), heartbeat(17)],
        {1: 100.0} | dict.fromkeys(range(2, 11)),
    ),
    "a quote stands for 30 s to the end of the bar": (
        [tick(1.0, 0), *(heartbeat(second) for second in range(2, 34))],
        dict.fromkeys(range(2, 32), 100.0) | {32: None},
    ),
    "a quote that is older by a hair does not": (
        [tick(0.999, 0), *(heartbeat(second) for second in range(2, 33))],
        dict.fromkeys(range(1, 31), 100.0) | {31: None},
    ),
    "a gap makes the bars missing that its ends touch": (
        [tick(0.5, 0), tick(1.5, 1), gap(2.999, 5.0), tick(5.5, 2), tick(6.5, 3, 101.0), heartbeat(8)],
        {1: 100.0, 2: 100.0, 3: None, 4: None, 5: None, 6: None, 7: 101.0},
    ),
    "a gap that ends before a bar begins leaves it known": (
        [tick(0.5, 0), gap(0.6, 0.999), tick(1.5, 1, 101.0), heartbeat(3)],
        {2: 101.0},
    ),
    "a quote dies with a gap until the next tick": (
        [tick(0.5, 0), gap(1.2, 1.3), heartbeat(2.5), heartbeat(3.5), tick(4.5, 1, 101.0), heartbeat(6)],
        {1: 100.0, 2: None, 3: None, 4: None, 5: 101.0},
    ),
    "a tick behind a gap in the same bar is carried": (
        [tick(0.5, 0), gap(1.2, 1.3), tick(1.5, 1, 101.0), heartbeat(2.5), heartbeat(3.5), heartbeat(5)],
        {1: 100.0, 2: None, 3: 101.0, 4: 101.0},
    ),
    "a gap that is reported late changes no row, but the quote dies": (
        [tick(0.5, 0), tick(1.5, 1), heartbeat(2.5), heartbeat(3.5), gap(1.6, 2.0), heartbeat(5), heartbeat(6.5)],
        {1: 100.0, 2: 100.0, 3: 100.0, 4: None, 5: None, 6: None},
    ),
    "gaps may overlap and come in any order": (
        [tick(0.5, 0), gap(4.5, 5.5), gap(1.5, 2.5), gap(2.0, 3.2), tick(6.5, 1, 101.0), heartbeat(8)],
        {1: 100.0} | dict.fromkeys(range(2, 7)) | {7: 101.0},
    ),
    "a first bar in a gap has no row": (
        [gap(0.0, 0.7), tick(0.8, 0), tick(1.5, 1, 101.0), heartbeat(3)],
        {2: 101.0},
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_bars(case: str) -> None:
    log, expected = TABLE[case]
    assert mids(log) == expected


def test_more_gaps_than_are_kept_apart_make_more_bars_missing_never_fewer() -> None:
    gaps = [gap(2 * number + 0.2, 2 * number + 0.4) for number in range(200)]
    log = [*gaps, *(tick(number / 2, number) for number in range(820))]
    known = {end for end, mid in mids(log).items() if mid is not None}
    assert known.isdisjoint(range(1, 400, 2))
    assert set(range(401, 409)) <= known
    assert late(log) == []


def test_a_duplicate_beyond_the_memory_is_late() -> None:
    spec = FeatureSpec(windows_s=(2, 5), reference_window_s=5, duplicate_memory_s=3)
    log = [tick(second, second) for second in range(10)]
    rows = FeatureEngine(spec, ("A",)).push(columns([*log, tick(7.0, 7), tick(5.0, 5)]))
    assert (rows.duplicates, rows.late.tolist()) == (1, [11])


def test_late_ticks_are_told_once_each_and_change_nothing() -> None:
    log = [tick(second, second, 100.0 + second) for second in range(6)]
    stray = [*log[:4], tick(1.5, 90, 50.0), tick(1.6, 91, 50.0), *log[4:]]
    assert late(stray) == [4, 5]
    assert mids(stray) == mids(log)
