"""Digests of whole warehouses by names, the views, and the Parquet files, in three databases."""

import polars as pl
import pytest
import sqlalchemy as sa

from tests.signals.warehouse.sample import sample, write_sample
from tests.support.databases import DIALECTS
from tickvol.core.errors import WarehouseConflict
from tickvol.signals.warehouse import exporting
from tickvol.signals.warehouse.dimensions import dim_metric
from tickvol.signals.warehouse.exporting import VIEW_COLUMNS, export_warehouse
from tickvol.signals.warehouse.facts import fact_indicator
from tickvol.signals.warehouse.natural import DIGESTED, natural_query, table_digest, whole_digest
from tickvol.signals.warehouse.schema import TABLES, VIEWS
from tickvol.signals.warehouse.upgrading import open_warehouse, upgrade
from tickvol.storage.warehouse.insert import Written, insert_new


def digests_of(database):
    with database.reading() as connection:
        return {table.name: table_digest(connection, table) for table in DIGESTED}


def test_databases_that_number_differently_have_equal_digests(new_database):
    found = []
    for dialect, first_id in zip(DIALECTS, (1, 7, 20), strict=True):
        with open_warehouse(new_database(dialect), setting="test.url") as database:
            upgrade(database)
            empty = digests_of(database)
            write_sample(database, first_id)
            found.append(digests_of(database))
    assert found[0] == found[1] == found[2]
    assert {name for name in empty if found[0][name] != empty[name]} == set(sample())
    assert whole_digest(found[0]) != whole_digest(empty)


def test_a_repeat_is_unchanged_and_a_contradiction_refused(database_url):
    with open_warehouse(database_url, setting="test.url") as database:
        upgrade(database)
        first = write_sample(database)
        before = digests_of(database)
        assert write_sample(database) == {name: Written(unchanged=one.new) for name, one in first.items()}
        changed = sample()["fact_indicator"] | {"value": [50.0, 0.25, 0.0, 99.9]}
        with (
            pytest.raises(WarehouseConflict, match=r"value: 0\.3333333333333333 is stored, 0\.25 was computed"),
            database.writing("indicators") as connection,
        ):
            insert_new(connection, fact_indicator, changed)
        assert digests_of(database) == before
        with database.writing("indicators") as connection:
            assert insert_new(connection, fact_indicator, changed, correct=True) == Written(unchanged=3, corrected=1)
        assert digests_of(database) != before


def test_a_metric_that_returns_to_an_earlier_definition_is_a_further_version(database_url):
    again = sample()["dim_metric"] | {"metric_id": [9], "version": [2]}
    with open_warehouse(database_url, setting="test.url") as database:
        upgrade(database)
        write_sample(database)
        with database.writing("metrics") as connection:
            assert insert_new(connection, dim_metric, again) == Written(new=1)


def test_no_number_of_a_dimension_and_no_clock_is_in_a_digest():
    for table in DIGESTED:
        query, key = natural_query(table)
        names = [column.key for column in query.selected_columns]
        assert key
        assert set(key) <= set(names)
        surrogates = {"symbol_id", "interval_id", "metric_id", "strategy_id", "indicator_type_id", "mining_id"}
        assert not surrogates & set(names)
        assert not {name for name in names if name in ("recorded_at_ms", "noticed_at_ms", "superseded_at_ms")}


def test_the_history_holds_pending_and_idle_predictions(database_url):
    with open_warehouse(database_url, setting="test.url") as database:
        upgrade(database)
        write_sample(database)
        with database.reading() as connection:
            rows = connection.execute(sa.text("SELECT * FROM v_history ORDER BY predicting_at_ms")).mappings().all()
            wins = connection.execute(sa.text("SELECT n_pattern FROM fp_growth_win_patterns")).all()
    assert [row["result_status"] for row in rows] == ["WIN", "PENDING", "NONE"]
    assert [row["prediction_id"] for row in rows] == [2**63 - 1, 2**53 + 1, 3]
    assert rows[0]["pnl_pct"] == 100.0 * 0.0175
    assert tuple(rows[0]) == VIEW_COLUMNS["v_history"]
    assert wins == [(3,)]


def test_the_exported_files_are_the_same_from_each_database(new_database, tmp_path):
    frames = []
    for dialect in DIALECTS:
        with open_warehouse(new_database(dialect), setting="test.url") as database:
            upgrade(database)
            write_sample(database)
            with database.reading() as connection:
                written = export_warehouse(connection, tmp_path / dialect)
        assert {path.stem for path in written} == {table.name for table in TABLES} | set(VIEWS)
        frames.append({path.name: pl.read_parquet(path) for path in written})
        assert {path.name: frame.height for path, frame in zip(written, frames[-1].values(), strict=True)} == {
            path.name: rows for path, rows in written.items()
        }
    for name, frame in frames[0].items():
        assert frame.equals(frames[1][name])
        assert frame.equals(frames[2][name])
    assert frames[0]["fact_kline.parquet"].schema["revision"] == pl.Int16
    assert frames[0]["v_history.parquet"]["pnl_pct"].to_list() == [100.0 * 0.0175, None, None]
    assert exporting.VIEW_COLUMNS.keys() == VIEWS.keys()
