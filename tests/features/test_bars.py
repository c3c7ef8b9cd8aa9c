"""When bars close, what is late, what is carried and what is missing."""

import math
from collections.abc import Sequence

from tests.features.logs import START_NS, Record, S, columns, tick
from tickvol.core.windows import FeatureSpec
from tickvol.features.engine import FeatureEngine

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
