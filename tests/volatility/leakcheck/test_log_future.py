"""Another future of the log moves no row of the engine, and moves those of an engine that looks ahead."""

from dataclasses import replace

import numpy as np
import pytest

from tests.volatility.features.logs import Record, S, columns, disorder, merged, random_log
from tickvol.core.record_columns import RecordColumns
from tickvol.volatility.leakcheck.log_future import Compute, check_future_of_the_log, check_served_equals_trained
from tickvol.volatility.leakcheck.rules import LeakRules
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable
from tickvol.volatility.workflows.leakcheck_log import engine_rows

SPEC = FeatureSpec(
    windows_s=(2, 3, 10), reference_window_s=3, max_carry_s=5, max_silence_s=4, duplicate_memory_s=6, min_coverage=0.5
)
PRODUCTS = ("A-USD", "B-USD")
RULES = LeakRules()
COMPUTE = engine_rows(SPEC, PRODUCTS)


def log(seed: int = 1, *, seconds: float = 300.0) -> list[Record]:
    return merged(*(random_log(seed + number, product=number, seconds=seconds) for number in range(2)))


def looking_ahead(of: str, ahead_bars: int) -> Compute:
    """The engine, but one feature is the mean of itself so many bars before and behind the row."""

    def compute(records: RecordColumns) -> FeatureTable:
        table = COMPUTE(records)
        values = table.values.copy()
        place = table.names.index(of)
        for product in range(len(PRODUCTS)):
            rows = np.flatnonzero(table.product == product)
            column = table.values[rows, place]
            for offset, row in enumerate(rows):
                near = column[max(offset - ahead_bars, 0) : offset + ahead_bars + 1]
                values[row, place] = near[np.isfinite(near)].mean() if np.isfinite(near).any() else np.nan
        return replace(table, values=values)

    return compute


def scaled_by_everything(records: RecordColumns) -> FeatureTable:
    """The engine, but one feature is divided by its largest value of the whole log."""
    table = COMPUTE(records)
    values = table.values.copy()
    place = table.names.index("tick_rate_10")
    values[:, place] /= max(np.nanmax(values[:, place], initial=0.0), 1e-9)
    return replace(table, values=values)


@pytest.mark.parametrize("seed", range(4))
def test_the_engine_keeps_every_bit_whatever_follows_even_in_disorder(seed: int) -> None:
    records = columns(disorder(log(seed * 10), seed, within_s=1.5))
    check = check_future_of_the_log(records, COMPUTE, SPEC, RULES)
    assert check.passed, check.reason
    assert check.figures["cuts"] == RULES.log_cuts
    assert check.figures["rows"] > 100


@pytest.mark.parametrize("ahead_bars", [1, 2, 5])
@pytest.mark.parametrize("feature", ["realized_vol_10", "mid", "spread_bps_3"])
def test_a_centred_window_in_the_engine_is_caught(feature: str, ahead_bars: int) -> None:
    check = check_future_of_the_log(columns(log()), looking_ahead(feature, ahead_bars), SPEC, RULES)
    assert check.passed is False
    assert f"first {feature} of" in check.reason


def test_a_scale_of_the_whole_log_in_the_engine_is_caught() -> None:
    assert check_future_of_the_log(columns(log()), scaled_by_everything, SPEC, RULES).passed is False


def test_rows_that_wait_for_their_future_are_caught() -> None:
    def compute(records: RecordColumns) -> FeatureTable:
        table = COMPUTE(records)
        last = [table.bar_end_ns[table.product == number].max(initial=0) for number in range(len(PRODUCTS))]
        return table.take(table.bar_end_ns <= np.array(last)[table.product] - 3 * S)

    check = check_future_of_the_log(columns(log()), compute, SPEC, RULES)
    assert check.passed is False
    assert "other rows are there" in check.reason


def test_a_log_too_short_to_close_a_bar_is_not_called_clean() -> None:
    for records in (columns([]), columns(log()[:3])):
        assert check_future_of_the_log(records, COMPUTE, SPEC, RULES).passed is None


def test_the_rows_of_a_log_are_those_that_were_trained_on() -> None:
    records = log()
    dataset = COMPUTE(columns(records))
    whole = check_served_equals_trained(dataset, COMPUTE(columns(records)))
    assert whole.passed
    assert whole.figures["rows"] == len(dataset)


def test_a_part_of_the_log_is_compared_where_it_knows_enough() -> None:
    records = log()
    dataset = COMPUTE(columns(records))
    part = check_served_equals_trained(dataset, COMPUTE(columns(records[len(records) // 3 : -200])))
    assert part.passed, part.reason
    assert 100 < part.figures["rows"] < len(dataset)


def test_a_dataset_that_begins_after_the_log_is_compared_where_it_knows_enough() -> None:
    records = log()
    dataset = COMPUTE(columns(records[len(records) // 3 :]))
    part = check_served_equals_trained(dataset, COMPUTE(columns(records)))
    assert part.passed, part.reason
    assert 100 < part.figures["rows"] < len(dataset)


def test_a_dataset_of_another_engine_is_caught() -> None:
    records = columns(log())
    check = check_served_equals_trained(looking_ahead("realized_vol_10", 2)(records), COMPUTE(records))
    assert check.passed is False
    assert "first realized_vol_10 of" in check.reason


def test_a_missing_row_one_bit_and_other_windows_are_caught() -> None:
    records = columns(log())
    dataset = COMPUTE(records)
    kept = np.arange(len(dataset)) != 50
    assert check_served_equals_trained(dataset.take(kept), dataset).passed is False
    values = dataset.values.copy()
    row = int(np.flatnonzero(np.isfinite(values[:, 0]))[20])
    values[row, 0] = np.nextafter(values[row, 0], np.inf)
    assert check_served_equals_trained(replace(dataset, values=values), dataset).passed is False
    other = FeatureSpec(**{name: getattr(SPEC, name) for name in SPEC.__struct_fields__} | {"max_carry_s": 6})
    assert check_served_equals_trained(replace(dataset, spec=other), dataset).passed is False


def test_a_log_of_another_time_is_not_called_clean() -> None:
    later = [replace(record, time_ns=record.time_ns + 3600 * S, until_ns=0) for record in log() if not record.until_ns]
    assert check_served_equals_trained(COMPUTE(columns(log())), COMPUTE(columns(later))).passed is None
