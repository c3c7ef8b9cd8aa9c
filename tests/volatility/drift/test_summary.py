"""What the drift report says of rows whose drift is known beforehand."""

import json
import re

import msgspec
import numpy as np
import pytest

from tickvol.core.errors import NotEnoughData
from tickvol.core.times import NS_PER_S
from tickvol.volatility.drift.evidently_report import DriftRules, scale_of
from tickvol.volatility.drift.sides import DriftSides
from tickvol.volatility.drift.summary import (
    DriftReport,
    DriftSummary,
    SideRows,
    by_feature,
    drift_report,
)
from tickvol.volatility.evaluation.report import SIMULATED_WARNING
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable

SPEC = FeatureSpec(windows_s=(60,))
NAMES = feature_names(SPEC)
ROWS = 600
SMALL = 2e-4
"""Spread of a bar's log-return: what Evidently's floor of 0.001 would swallow."""


def side(seed: int, *, start: int, simulated: bool = False) -> FeatureTable:
    values = np.random.default_rng(seed).normal(size=(ROWS, len(NAMES)))
    values[:, NAMES.index("bar_log_return")] *= SMALL
    bar_end_ns = (start + np.arange(ROWS, dtype=np.int64)) * NS_PER_S
    return FeatureTable(SPEC, ("BTC-USD",), np.zeros(ROWS, np.int32), bar_end_ns, values, simulated=simulated)


def report(
    reference: FeatureTable, current: FeatureTable, *, method: str = "wasserstein", threshold: float = 0.1
) -> DriftReport:
    everything = SideRows(np.ones(ROWS, bool))
    rules = DriftRules(method=method, threshold=threshold, drift_share=0.5)
    sides = DriftSides("one day against another", reference, current)
    return drift_report(sides, everything, everything, rules, min_rows=100, max_rows=500)


@pytest.fixture(scope="module")
def shifted() -> tuple[FeatureTable, FeatureTable]:
    reference, current = side(1, start=0), side(1, start=10_000, simulated=True)
    current.values[:, NAMES.index("robust_z")] += 1.0
    current.values[:, NAMES.index("bar_log_return")] *= 2.0
    current.values[:550, NAMES.index("vol_zscore")] = np.nan
    current.values[:100, NAMES.index("spread_bps_60")] = np.nan
    return reference, current


@pytest.fixture(scope="module")
def shifted_report(shifted: tuple[FeatureTable, FeatureTable]) -> DriftReport:
    return report(*shifted)


def test_exactly_the_shifted_features_drift(shifted_report: DriftReport) -> None:
    features = by_feature(shifted_report.summary)
    assert {name for name, feature in features.items() if feature.drifted} == {"robust_z", "bar_log_return"}
    assert features["robust_z"].value == pytest.approx(1.0, abs=0.1)
    assert not shifted_report.summary.drifted
    assert shifted_report.summary.drifted_features == 2


def test_small_log_returns_are_judged_by_their_own_spread(shifted_report: DriftReport) -> None:
    feature = by_feature(shifted_report.summary)["bar_log_return"]
    assert feature.scale == 10_000.0
    assert feature.value == pytest.approx(0.8, abs=0.1)  # a doubled spread moves the mass by E|x| = 0.8 spreads


def test_levels_and_clock_columns_are_left_out_with_the_reason(shifted_report: DriftReport) -> None:
    features = by_feature(shifted_report.summary)
    assert set(features) == set(NAMES)
    for name in ("mid", "time_of_day_sin", "time_of_day_cos"):
        assert features[name].drifted is None
        assert features[name].reason


def test_unknown_values_are_counted_and_too_few_known_ones_are_not_judged(shifted_report: DriftReport) -> None:
    features = by_feature(shifted_report.summary)
    zscore, spread = features["vol_zscore"], features["spread_bps_60"]
    assert zscore.drifted is None
    assert zscore.reason == "known in fewer than 100 rows of a side"
    assert spread.drifted is False
    assert (spread.reference_rows, spread.reference_nan) == (500, 0)
    assert spread.current_rows + spread.current_nan == 500
    assert 80 <= spread.current_nan <= 85


def test_report_carries_the_simulated_note_in_html_and_summary(
    shifted: tuple[FeatureTable, FeatureTable], shifted_report: DriftReport
) -> None:
    assert shifted_report.summary.note == SIMULATED_WARNING
    assert SIMULATED_WARNING in shifted_report.html
    real = report(shifted[0], shifted[0])
    assert real.summary.note is None
    assert SIMULATED_WARNING not in real.html


def test_same_rows_give_the_same_bytes(shifted: tuple[FeatureTable, FeatureTable], shifted_report: DriftReport) -> None:
    again = report(*shifted)
    assert again.html == shifted_report.html
    assert again.json == shifted_report.json
    assert again.summary == shifted_report.summary


def test_html_loads_nothing_from_elsewhere(shifted_report: DriftReport) -> None:
    assert not re.search(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["']?https?:""", shifted_report.html)


def test_json_is_evidently_s_own_and_summary_survives_a_round_trip(shifted_report: DriftReport) -> None:
    document = json.loads(shifted_report.json)
    assert {"metrics", "tests"} <= document.keys()
    assert msgspec.json.decode(msgspec.json.encode(shifted_report.summary), type=DriftSummary) == shifted_report.summary


def test_verdict_follows_the_test_status_where_the_value_is_a_p_value(
    shifted: tuple[FeatureTable, FeatureTable],
) -> None:
    features = by_feature(report(*shifted, method="ks", threshold=0.05).summary)
    assert features["robust_z"].drifted is True
    assert features["robust_z"].value < 0.05  # small is drift here: comparing value > threshold would turn it round
    assert features["tick_rate_60"].drifted is False
    assert features["tick_rate_60"].value > 0.05


def test_constant_columns_that_agree_do_not_drift() -> None:
    reference, current = side(1, start=0), side(1, start=10_000)
    for table in (reference, current):
        table.values[:, NAMES.index("coverage_60")] = 1.0
    assert by_feature(report(reference, current).summary)["coverage_60"].drifted is False


def test_most_features_drifted_makes_the_whole_drifted() -> None:
    reference, current = side(1, start=0), side(2, start=10_000)
    current.values[:] = current.values * 3.0
    assert report(reference, current).summary.drifted


def test_rows_that_are_not_scorable_are_not_compared() -> None:
    reference, current = side(1, start=0), side(2, start=10_000)
    current.values[: ROWS // 2] += 100.0
    sides = DriftSides("day against day", reference, current)
    later = np.arange(ROWS) >= ROWS // 2
    rules = DriftRules(method="wasserstein", threshold=0.3, drift_share=0.5)
    summary = drift_report(
        sides, SideRows(np.ones(ROWS, bool)), SideRows(later), rules, min_rows=100, max_rows=10_000
    ).summary
    assert summary.drifted_features == 0
    assert (summary.current.rows, summary.current.scorable_rows) == (ROWS, ROWS // 2)


def test_too_few_scorable_rows_are_an_error_that_says_how_many() -> None:
    reference, current = side(1, start=0), side(2, start=10_000)
    few = np.arange(ROWS) < 50
    with pytest.raises(NotEnoughData, match=r"600 scorable rows against 50: at least 100 \(monitoring.min_rows\)"):
        drift_report(
            DriftSides("day against day", reference, current),
            SideRows(np.ones(ROWS, bool)),
            SideRows(few),
            DriftRules(method="wasserstein", threshold=0.1, drift_share=0.5),
            min_rows=100,
            max_rows=10_000,
        )


@pytest.mark.parametrize(
    ("spread", "scale", "why"),
    [
        (0.0, 1.0, "a constant has no spread to bring anywhere"),
        (2e-5, 1e5, "a quiet second's log-return"),
        (0.5, 10.0, "a share"),
        (30.0, 1.0, "larger than one already"),
    ],
)
def test_scale_brings_a_small_spread_to_between_one_and_ten(spread: float, scale: float, why: str) -> None:
    assert scale_of(np.array([-spread, spread])) == pytest.approx(scale), why
