"""The spec of bars and windows: what it refuses, and the look-back that follows from it."""

import pytest

from tickvol.core.errors import ConfigError
from tickvol.volatility.schema.feature_spec import FeatureSpec


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bar_ms": 0}, "features.bar_ms: 0: must be positive"),
        ({"bar_ms": 7000}, "features.bar_ms: 7000: .*divide 3600000"),
        ({"grace_ms": -1}, r"features.grace_ms: -1: must lie in \[0, 60000\]"),
        ({"max_carry_s": -1}, r"features.max_carry_s: -1: must lie in \[0, 86400\]"),
        ({"max_silence_s": 0}, r"features.max_silence_s: 0: must lie in \[1, 86400\]"),
        ({"windows_s": ()}, "features.windows_s: .*at least one window"),
        ({"windows_s": (60, 10, 300)}, "features.windows_s: .*must ascend"),
        ({"windows_s": (10, 10, 60)}, "features.windows_s: .*without repeats"),
        ({"windows_s": (1, 60)}, "features.windows_s: 1: .*from 2 to 100000 bars"),
        ({"windows_s": (60, 10**30)}, "features.windows_s: 10{30}: .*from 2 to 100000 bars"),
        ({"bar_ms": 4000}, "features.windows_s: 10: must be a multiple of bar_ms"),
        ({"reference_window_s": 45}, "features.reference_window_s: 45: must be one of features.windows_s"),
        ({"min_coverage": 0.0}, "features.min_coverage: 0.0: must lie in"),
        ({"min_coverage": 1.01}, "features.min_coverage: 1.01: must lie in"),
        ({"min_coverage": float("nan")}, "features.min_coverage: nan: must lie in"),
        (
            {"half_lives_s": (60, 10)},
            r"features.half_lives_s: \(60, 10\): must be positive and ascend without repeats, one at least",
        ),
        (
            {"half_lives_s": ()},
            r"features.half_lives_s: \(\): must be positive and ascend without repeats, one at least",
        ),
        ({"duplicate_memory_s": -5}, r"features.duplicate_memory_s: -5: must lie in \[0, 86400\]"),
    ],
)
def test_a_wrong_spec_is_refused_with_field_value_and_rule(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FeatureSpec(**changes)  # type: ignore[arg-type]


def test_all_problems_of_a_spec_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        FeatureSpec(grace_ms=-1, min_coverage=2.0)
    assert len(caught.value.problems) == 2


def test_the_default_look_back_is_that_of_its_parts() -> None:
    spec = FeatureSpec()
    assert spec.memory_bars == 900 + 60 + 3
    assert spec.lookback_s == 963 + 30 + 15 + 3


def test_the_look_back_covers_the_memory_of_duplicates() -> None:
    assert FeatureSpec(duplicate_memory_s=5000).lookback_s == 5000 + 30 + 15 + 3


def test_windows_count_bars() -> None:
    spec = FeatureSpec(bar_ms=250, windows_s=(1, 60), reference_window_s=60)
    assert (spec.bars(1), spec.bars(60), spec.longest_window_s) == (4, 240, 60)
    assert (spec.bar_ns, spec.grace_ns) == (250_000_000, 250_000_000)


def test_every_number_of_a_spec_is_in_its_fingerprint() -> None:
    changed = [
        FeatureSpec(bar_ms=500),
        FeatureSpec(grace_ms=251),
        FeatureSpec(max_carry_s=31),
        FeatureSpec(max_silence_s=16),
        FeatureSpec(windows_s=(10, 60)),
        FeatureSpec(reference_window_s=30),
        FeatureSpec(min_coverage=0.81),
        FeatureSpec(half_lives_s=(61,)),
        FeatureSpec(duplicate_memory_s=901),
    ]
    prints = {spec.fingerprint() for spec in [FeatureSpec(), *changed]}
    assert len(prints) == 1 + len(FeatureSpec.__struct_fields__)
    assert FeatureSpec().fingerprint() == FeatureSpec(bar_ms=1000).fingerprint()
