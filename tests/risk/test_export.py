"""The export: every gold table and the star as Parquet, two tables as CSV too; equal content, equal bytes."""

import csv
import dataclasses

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

from tests.risk.star.gold import RANKS, anomalies_of, filled, risk_of
from tickvol.core.errors import SchemaMismatch
from tickvol.risk.export import AS_CSV, EXPORTED, export
from tickvol.risk.star.build import star_rows
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS


@pytest.fixture(scope="module")
def tables():
    risk = risk_of()
    frames = {spec.name: filled(spec, 50, seed) for seed, spec in enumerate(EXPORTED)}
    return frames | {"gold_crypto_risk_metrics_daily": risk, "gold_crypto_anomalies": anomalies_of(risk)}


@pytest.fixture(scope="module")
def star(tables):
    return star_rows(tables["gold_crypto_risk_metrics_daily"], tables["gold_crypto_anomalies"], RANKS, {})


def content(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_all_tables_are_exported(tmp_path, tables, star):
    paths = export(tmp_path / "new" / "export", tables, star)
    assert {path.name for path in paths} == {
        "gold_crypto_anomalies.csv",
        "gold_crypto_anomalies.parquet",
        "gold_crypto_risk_metrics_daily.parquet",
        "gold_correlation_daily.parquet",
        "gold_drawdown_episodes.parquet",
        "gold_var_backtest.parquet",
        "pipeline_logs.csv",
        "pipeline_logs.parquet",
        "dim_asset.parquet",
        "dim_calendar.parquet",
        "fact_risk_daily.parquet",
    }
    assert set(paths) == set((tmp_path / "new" / "export").iterdir())


def test_equal_content_gives_equal_bytes_whatever_the_order_of_rows_and_columns(tmp_path, tables, star):
    export(tmp_path / "a", tables, star)
    shuffled = {
        name: frame.sample(fraction=1, shuffle=True, seed=5).select(sorted(frame.columns))
        for name, frame in tables.items()
    }
    rebuilt = dataclasses.replace(star, fact_risk_daily=pl.concat([star.fact_risk_daily[:9], star.fact_risk_daily[9:]]))
    export(tmp_path / "b", shuffled, rebuilt)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    export(tmp_path / "a", tables, star)
    assert content(tmp_path / "a") == content(tmp_path / "b")


@pytest.mark.parametrize("spec", EXPORTED, ids=lambda spec: spec.name)
def test_parquet_files_hold_the_table_in_the_order_of_its_key(tmp_path, tables, star, spec):
    export(tmp_path, tables, star)
    read = pl.read_parquet(tmp_path / f"{spec.name}.parquet")
    assert read.equals(tables[spec.name].sort(spec.key))
    assert read.schema == tables[spec.name].schema


def test_the_star_joins_in_duckdb(tmp_path, tables, star):
    export(tmp_path, tables, star)
    sizes = duckdb.sql(
        f"""SELECT COUNT(*), COUNT(DISTINCT (product_id, day)) FROM '{tmp_path}/fact_risk_daily.parquet'
        JOIN '{tmp_path}/dim_asset.parquet' USING (asset_key) JOIN '{tmp_path}/dim_calendar.parquet' USING (date_key)"""
    ).fetchall()
    assert sizes == [(240, 240)]


def test_text_is_plain_text_for_every_reader(tmp_path, tables, star):
    export(tmp_path, tables, star)
    schema = pq.read_schema(tmp_path / "dim_asset.parquet")
    assert [str(schema.field(name).type) for name in ("asset_key", "product_id", "first_day")] == [
        "int16",
        "string",
        "date32[day]",
    ]


def test_a_flipped_bit_in_a_parquet_file_is_found(tmp_path, tables, star):
    export(tmp_path, tables, star)
    path = tmp_path / "fact_risk_daily.parquet"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 3] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(OSError, match=r"(?i)crc|checksum"):
        pq.ParquetFile(path, page_checksum_verification=True).read()


@pytest.mark.parametrize("spec", AS_CSV, ids=lambda spec: spec.name)
def test_csv_files_hold_the_same_rows(tmp_path, tables, star, spec):
    export(tmp_path, tables, star)
    with (tmp_path / f"{spec.name}.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == spec.names
    frame = tables[spec.name].sort(spec.key)
    assert len(rows) == frame.height
    for row, expected in zip(rows, frame.iter_rows(), strict=True):
        for text, value in zip(row, expected, strict=True):
            if isinstance(value, float):
                assert float(text) == value  # to the last bit
            elif isinstance(value, bool):
                assert text == str(value).lower()
            else:
                assert text == ("" if value is None else str(value))


def test_messages_with_commas_quotes_and_line_breaks_survive_csv(tmp_path, tables, star):
    message = 'no answer, "timeout"\nafter 3 attempts'
    logs = tables[PIPELINE_LOGS.name].with_columns(message=pl.lit(message))
    export(tmp_path, {**tables, PIPELINE_LOGS.name: logs}, star)
    with (tmp_path / "pipeline_logs.csv").open(encoding="utf-8", newline="") as file:
        assert {row["message"] for row in csv.DictReader(file)} == {message}


def test_an_absent_table_is_named_before_anything_is_written(tmp_path, tables, star):
    fewer = {name: frame for name, frame in tables.items() if name != "gold_var_backtest"}
    with pytest.raises(SchemaMismatch, match="gold_var_backtest: the export needs this table; run `tickvol risk run`"):
        export(tmp_path / "export", fewer, star)
    assert not (tmp_path / "export").exists()


def test_an_absent_column_is_named(tmp_path, tables, star):
    broken = tables | {"gold_var_backtest": tables["gold_var_backtest"].drop("light")}
    with pytest.raises(SchemaMismatch, match="gold_var_backtest: columns are absent: light"):
        export(tmp_path, broken, star)


def test_a_failed_write_leaves_the_former_file(tmp_path, tables, star, monkeypatch):
    export(tmp_path, tables, star)
    before = content(tmp_path)

    def fail(self, sink):
        sink.write(b"half a ")
        raise OSError("disk full")

    monkeypatch.setattr(pl.DataFrame, "write_csv", fail)
    with pytest.raises(OSError, match="disk full"):
        export(tmp_path, tables, star)
    assert content(tmp_path) == before
