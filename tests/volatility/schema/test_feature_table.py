"""Feature tables: columns by name, contiguous runs, and the fingerprint of the data."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.synthetic import synthetic_table
from tickvol.core.errors import SchemaMismatch
from tickvol.core.times import NS_PER_S
from tickvol.volatility.schema.feature_row import feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.feature_table import FeatureTable, settled_end_ns, table_fingerprint


def table_of(seconds: list[int], products: list[int], spec: FeatureSpec | None = None) -> FeatureTable:
    spec = spec or FeatureSpec()
    return FeatureTable(
        spec=spec,
        products=("A", "B"),
        product=np.array(products, np.int32),
        bar_end_ns=np.array(seconds, np.int64) * 10**9,
        values=np.zeros((len(seconds), len(feature_names(FeatureSpec())))),
    )


@pytest.mark.parametrize(
    ("seconds", "products", "runs"),
    [
        ([], [], []),
        ([5], [0], [0]),
        ([1, 2, 3], [0, 0, 0], [0, 0, 0]),
        ([1, 2, 4, 5], [0, 0, 0, 0], [0, 0, 1, 1]),
        ([1, 2, 3, 4], [0, 0, 1, 1], [0, 0, 1, 1]),
    ],
)
def test_a_run_ends_with_a_missing_bar_or_another_product(
    seconds: list[int], products: list[int], runs: list[int]
) -> None:
    assert table_of(seconds, products).runs().tolist() == runs


def test_runs_count_bars_of_the_spec() -> None:
    spec = FeatureSpec(bar_ms=2000, windows_s=(60,))
    assert table_of([2, 4, 6], [0, 0, 0], spec).runs().tolist() == [0, 0, 0]
    assert table_of([2, 3], [0, 0], spec).runs().tolist() == [0, 1]


def test_a_column_is_found_by_name_and_an_unknown_one_refused() -> None:
    table = synthetic_table(hours=0.1)
    np.testing.assert_array_equal(table.column("mid"), table.values[:, 0])
    with pytest.raises(SchemaMismatch, match=r"'realized_vol_61'.*windows_s \(10, 30, 60, 300, 900\)"):
        table.column("realized_vol_61")


def test_taking_rows_keeps_keys_and_values_together() -> None:
    table = synthetic_table(hours=0.1, products=("A-B", "C-D"))
    part = table.take(table.product == 1)
    assert len(part) == int(np.count_nonzero(table.product == 1))
    np.testing.assert_array_equal(part.bar_end_ns, table.bar_end_ns[table.product == 1])
    np.testing.assert_array_equal(part.values, table.values[table.product == 1])


def test_rows_are_settled_as_far_as_every_product_has_come_that_still_goes_on() -> None:
    table = synthetic_table(hours=1, products=("A-B", "C-D", "E-F"), gaps=())
    ends = table.bar_end_ns
    behind = ends.max() - 30 * NS_PER_S
    ended = ends.max() - (table.spec.lookback_s + 1) * NS_PER_S
    kept = (table.product == 0) | ((table.product == 1) & (ends <= behind)) | ((table.product == 2) & (ends <= ended))
    assert settled_end_ns(table) == ends.max()
    assert settled_end_ns(table.take(kept)) == behind


def test_the_fingerprint_changes_with_each_part_of_the_data() -> None:
    table = synthetic_table(hours=0.1, products=("A-B", "C-D"))
    values = table.values.copy()
    values[3, 5] = np.nextafter(values[3, 5], np.inf) if not np.isnan(values[3, 5]) else 0.0
    others = [
        replace(table, values=values),
        replace(table, bar_end_ns=table.bar_end_ns + 1),
        replace(table, products=("A-B", "C-E")),
        replace(table, product=table.product[::-1]),
        replace(table, spec=FeatureSpec(grace_ms=251)),
        table.take(np.arange(len(table) - 1)),
    ]
    prints = {table_fingerprint(other) for other in [table, *others]}
    assert len(prints) == 1 + len(others)
    assert table_fingerprint(synthetic_table(hours=0.1, products=("A-B", "C-D"))) in prints
