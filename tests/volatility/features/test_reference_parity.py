"""The engine against the slow reference: after every single record the same rows, on random and on recorded logs."""

import os
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from tests.support import ROOT
from tests.volatility.features.logs import Record, columns, disorder, merged, random_log, records_of
from tests.volatility.features.reference import ReferenceEngine, Row
from tickvol.core.record_columns import RecordColumns, RecordKind
from tickvol.eventlog.archive_reader import MergedLog
from tickvol.eventlog.frames import FrameDecoder
from tickvol.eventlog.tracker import FrameTracker
from tickvol.volatility.features.engine import FeatureEngine
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec

RECORDINGS = Path(os.environ.get("TICKVOL_DATA", ROOT.parent / "shared" / "data")) / "coinbase_ticker"

SPECS = {
    "short windows": FeatureSpec(windows_s=(2, 3, 10), reference_window_s=3, half_lives_s=(4, 9)),
    "one window, everything must be known": FeatureSpec(windows_s=(8,), reference_window_s=8, min_coverage=1.0),
    "everything must be known for long": FeatureSpec(
        windows_s=(7, 50), reference_window_s=7, min_coverage=1.0, half_lives_s=(4, 9)
    ),
    "little need be known": FeatureSpec(windows_s=(5, 40, 90), reference_window_s=40, min_coverage=0.3),
    "short bars": FeatureSpec(bar_ms=100, windows_s=(1, 5, 9), reference_window_s=1, grace_ms=120, max_carry_s=2),
    "grace of many bars": FeatureSpec(
        bar_ms=250, windows_s=(2, 7), reference_window_s=2, grace_ms=3100, max_silence_s=4
    ),
    "long bars": FeatureSpec(bar_ms=5000, windows_s=(10, 50), reference_window_s=50, grace_ms=0, max_carry_s=12),
    "no carry": FeatureSpec(windows_s=(4, 12), reference_window_s=4, max_carry_s=0, max_silence_s=2, min_coverage=0.5),
    "no memory of duplicates": FeatureSpec(windows_s=(4, 12), reference_window_s=12, duplicate_memory_s=0),
}
# Differences of nearly equal numbers: rounding of 1e-16 of what they are made of stays, however small they come out.
ABSOLUTE = {
    "jump_share": 1e-12,
    "quote_imbalance": 1e-15,
    "order_flow_imbalance": 1e-14,
    "vol_zscore": 1e-7,
    "max_drawdown": 1e-15,
    "robust_z": 1e-11,
}


def agree(records: Sequence[Record], spec: FeatureSpec, products: int) -> int:
    """Push the records one by one through both; returns the number of rows that were compared."""
    engine = FeatureEngine(spec, [f"P{number}" for number in range(products)])
    reference = ReferenceEngine(spec, products)
    table = columns(records)
    names = feature_names(spec)
    expected: list[Row] = []
    given = []
    for i, record in enumerate(records):
        rows = engine.push(one(table, i))
        slow, fate = reference.take(record)
        keys = list(zip(rows.product.tolist(), rows.bar_end_ns.tolist(), strict=True))
        assert keys == [(row.product, row.bar_end_ns) for row in slow], f"record {i}: {record}"
        assert (len(rows.late), rows.duplicates) == (int(fate == "late"), int(fate == "duplicate")), f"record {i}"
        given.append(rows.values)
        expected += slow
    if not expected:
        return 0
    values = np.concatenate(given)
    for column, name in enumerate(names):
        slow_values = np.array([row.values[name] for row in expected])
        stem = name.rstrip("0123456789").rstrip("_")
        assert list(expected[0].values) == list(names)
        np.testing.assert_array_equal(np.isnan(values[:, column]), np.isnan(slow_values), err_msg=f"{name}: NaN")
        floor = ABSOLUTE.get(stem, ABSOLUTE.get(name, 0.0))
        np.testing.assert_allclose(values[:, column], slow_values, rtol=1e-9, atol=floor, err_msg=name)
    return len(expected)


def one(table: RecordColumns, i: int) -> RecordColumns:
    return RecordColumns(*(getattr(table, column.name)[i : i + 1] for column in fields(table)))


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize(
    "seed", [0, 1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)]
)
def test_every_prefix_of_a_random_log_gives_the_rows_of_the_reference(name: str, seed: int) -> None:
    spec = SPECS[name]
    logs = [random_log(100 * seed + number, product=number, seconds=90) for number in range(3)]
    records = disorder(merged(*logs), seed, within_s=spec.grace_ms / 1000 * (0.9 if seed % 2 else 3))
    assert agree(records, spec, 3) > 20


@pytest.mark.parametrize("seed", range(2))
def test_the_default_windows_agree_over_windows_of_900_s(seed: int) -> None:
    records = random_log(seed, seconds=1050, rate=1.0, pauses=seed > 0)
    assert agree(records, FeatureSpec(), 1) > 500


def test_quotes_that_never_move_agree() -> None:
    log = random_log(5, seconds=200, pauses=False)
    flat = [replace(record, bid=100.0, ask=100.1) if record.kind == RecordKind.TICK else record for record in log]
    assert agree(flat, FeatureSpec(windows_s=(5, 30), reference_window_s=5), 1) > 100


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings at {RECORDINGS}; set TICKVOL_DATA")
@pytest.mark.parametrize(
    ("session", "trust"),
    [
        ("20260404T031918Z_BTC-USD_ETH-USD.ndjson.gz", False),
        ("20260404T211343Z_BTC-USD_wire.ndjson.gz", True),
    ],
)
def test_recorded_sessions_agree(session: str, trust: bool) -> None:
    products = ("BTC-USD", "ETH-USD")
    decoder = FrameDecoder(products, 1 << 20)
    tracker = FrameTracker(products, grace_ms=250, max_ahead_s=5.0, trust_bare=trust)
    records: list[Record] = []
    for batch in MergedLog([RECORDINGS / session], decoder, batch_size=1000):
        records += records_of(tracker.push(batch.frames, bare=batch.bare).records)
    assert agree(records, FeatureSpec(), 2) > 800
