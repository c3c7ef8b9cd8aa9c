"""A row depends on the last `lookback_s` of the log only; and the check of it notices a look-back that is too short."""

from itertools import accumulate

import pytest

from tests.volatility.features.logs import Record, S, columns, disorder, heartbeat, merged, random_log, tick
from tickvol.core.record_columns import RecordKind
from tickvol.volatility.features.engine import FeatureEngine
from tickvol.volatility.schema.feature_spec import FeatureSpec

SPECS = {
    "bars decide": FeatureSpec(
        windows_s=(2, 3, 10), reference_window_s=3, max_carry_s=5, max_silence_s=4, duplicate_memory_s=6
    ),
    "memory decides": FeatureSpec(windows_s=(2, 4), reference_window_s=2, max_carry_s=3, duplicate_memory_s=20),
    "reference is the longest": FeatureSpec(
        windows_s=(4, 8), reference_window_s=8, min_coverage=0.3, max_carry_s=9, duplicate_memory_s=2, max_silence_s=3
    ),
    "wide grace": FeatureSpec(
        bar_ms=500, windows_s=(2, 5), reference_window_s=2, grace_ms=4000, max_carry_s=2, duplicate_memory_s=0
    ),
}


def differing_rows(log: list[Record], spec: FeatureSpec, lookback_s: int) -> list[int]:
    """Bar ends whose row, or a late tick after it, differs when the log is entered `lookback_s` before."""
    engine = FeatureEngine(spec, ("A",))
    whole = engine.push(columns(log))
    differing = []
    times = [record.until_ns if record.kind == RecordKind.GAP else record.time_ns for record in log]
    reached = list(accumulate(times, max))
    for row, end in enumerate(whole.bar_end_ns.tolist()):
        enter = next(i for i, time in enumerate(reached) if time >= end - lookback_s * S)
        engine.reset()
        part = engine.push(columns(log[enter:]))
        found = part.values[part.bar_end_ns == end]
        decided = [i for i in range(enter, len(log)) if reached[i] >= end]
        late = set((part.late + enter).tolist()) & set(decided) == set(whole.late.tolist()) & set(decided)
        if found.tobytes() != whole.values[row].tobytes() or not late:
            differing.append(end)
    return differing


def stirred(seed: int, spec: FeatureSpec) -> list[Record]:
    return disorder(random_log(seed, seconds=150, rate=2.0), seed, within_s=spec.grace_ms / 1000 * 2)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("seed", range(3))
def test_entering_the_log_lookback_s_before_a_row_gives_the_same_bits(name: str, seed: int) -> None:
    spec = SPECS[name]
    assert differing_rows(stirred(seed, spec), spec, spec.lookback_s) == []


@pytest.mark.parametrize("name", SPECS)
def test_a_lookback_of_the_longest_window_is_noticed_as_too_short(name: str) -> None:
    spec = SPECS[name]
    assert differing_rows(stirred(0, spec), spec, spec.longest_window_s)


def test_a_lookback_without_the_reference_window_is_noticed_as_too_short() -> None:
    spec = FeatureSpec(windows_s=(5, 10), reference_window_s=10, max_carry_s=0, max_silence_s=1, duplicate_memory_s=0)
    log = [tick(i / 4, i, 100 + i % 3 / 10) for i in range(240)]
    assert differing_rows(log, spec, spec.lookback_s) == []
    assert differing_rows(log, spec, spec.lookback_s - spec.reference_window_s)


def test_a_lookback_without_the_carry_is_noticed_as_too_short() -> None:
    spec = FeatureSpec(windows_s=(2, 4), reference_window_s=2, max_carry_s=12, duplicate_memory_s=0)
    log = merged([tick(i * 12.0, i, 100 + i) for i in range(8)], [heartbeat(i) for i in range(96)])
    assert differing_rows(log, spec, spec.lookback_s) == []
    assert differing_rows(log, spec, spec.lookback_s - spec.max_carry_s - spec.max_silence_s)


def test_a_lookback_without_the_memory_of_duplicates_is_noticed_as_too_short() -> None:
    spec = FeatureSpec(windows_s=(2, 4), reference_window_s=2, max_carry_s=1, max_silence_s=1, duplicate_memory_s=60)
    log = [tick(i / 2, i, 100 + i % 5) for i in range(400)]
    log[200:200] = [tick(100 - back, round((100 - back) * 2), 100.0) for back in (30, 55)]
    assert differing_rows(log, spec, spec.lookback_s) == []
    assert differing_rows(log, spec, spec.lookback_s - 60 + 7)


def test_a_sequence_number_that_returns_after_the_memory_is_no_duplicate_wherever_the_log_was_entered() -> None:
    spec = FeatureSpec(windows_s=(2, 4), reference_window_s=2, max_carry_s=1, max_silence_s=1, duplicate_memory_s=20)
    log = [tick(i / 2, i % 80, 100 + i % 5) for i in range(300)]
    assert FeatureEngine(spec, ("A",)).push(columns(log)).duplicates == 0
    assert differing_rows(log, spec, spec.lookback_s) == []
