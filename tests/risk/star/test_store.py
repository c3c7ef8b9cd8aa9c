"""The star schema in three databases."""

import dataclasses
import sqlite3

import polars as pl
import pytest
import sqlalchemy as sa

from tests.risk.star.gold import RANKS, anomalies_of, risk_of
from tests.support.databases import DIALECTS, free_port
from tickvol.core.errors import Busy, WorkError
from tickvol.risk.star.build import star_rows
from tickvol.risk.star.check import check_star
from tickvol.risk.star.schema import TABLES, dim_asset, fact_risk_daily
from tickvol.risk.star.store import read_asset_keys, star_digest, write_star
from tickvol.storage.warehouse.engine import open_database
from tickvol.storage.warehouse.load import Loaded


def execute(url, statement):
    with open_database(url, setting="test.url") as database, database.writing() as connection:
        connection.execute(statement)


def counts(inserted=0, updated=0, deleted=0, unchanged=0):
    return Loaded(inserted=inserted, updated=updated, deleted=deleted, unchanged=unchanged)


def test_the_first_run_creates_all_and_the_second_writes_nothing(database_url, star, risk, anomalies):
    sizes = {name: frame.height for name, frame in star.frames.items()}
    assert write_star(star, database_url) == {name: counts(inserted=size) for name, size in sizes.items()}
    assert check_star(database_url, risk, anomalies) == ()
    assert write_star(star, database_url) == {name: counts(unchanged=size) for name, size in sizes.items()}
    assert read_asset_keys(database_url) == {"BTC-USD": 1, "ETH-USD": 2, "SOL-USD": 3}


def test_digests_are_equal_in_all_databases(new_database, star):
    urls = [new_database(dialect) for dialect in DIALECTS]
    for url in urls:
        write_star(star, url)
    assert len({star_digest(url) for url in urls}) == 1


def test_the_digest_does_not_depend_on_the_keys_that_a_database_gave(new_database, star, risk, anomalies):
    other = star_rows(risk, anomalies, RANKS, {"SOL-USD": 1, "OLD-USD": 2, "ETH-USD": 3})
    assert other.dim_asset["asset_key"].to_list() == [1, 3, 4]
    urls = new_database("sqlite"), new_database("sqlite")
    write_star(star, urls[0])
    write_star(other, urls[1])
    assert star_digest(urls[0]) == star_digest(urls[1])


def test_a_changed_figure_updates_one_row(database_url, star, risk, anomalies):
    write_star(star, database_url)
    before = star_digest(database_url)
    changed = risk.with_columns(
        pl.when(pl.int_range(pl.len()) == 7).then(pl.lit(0.5)).otherwise("vol_30_annual").alias("vol_30_annual")
    )
    written = write_star(star_rows(changed, anomalies, RANKS, read_asset_keys(database_url)), database_url)
    assert written["fact_risk_daily"] == counts(updated=1, unchanged=risk.height - 1)
    assert [written[name].written for name in ("dim_asset", "dim_calendar")] == [0, 0]
    assert star_digest(database_url) != before
    assert check_star(database_url, changed, anomalies) == ()
    assert check_star(database_url, risk, anomalies) != ()


def test_a_new_day_adds_one_fact_a_product_and_one_day_of_the_calendar(database_url, risk, anomalies):
    newest = risk.group_by("product_id").agg(pl.col("day").max())
    shorter = [frame.join(newest, on=["product_id", "day"], how="anti") for frame in (risk, anomalies)]
    write_star(star_rows(*shorter, RANKS, {}), database_url)
    written = write_star(star_rows(risk, anomalies, RANKS, read_asset_keys(database_url)), database_url)
    assert written["fact_risk_daily"] == counts(inserted=3, unchanged=risk.height - 3)
    assert written["dim_calendar"].inserted == 1
    assert written["dim_asset"] == counts(updated=3)  # their last day


def test_a_product_that_goes_loses_its_facts_and_keeps_its_key(database_url, star):
    write_star(star, database_url)
    risk = risk_of(("SOL-USD", "ADA-USD"), days=5)
    fewer = star_rows(risk, anomalies_of(risk), {}, read_asset_keys(database_url))
    written = write_star(fewer, database_url)
    assert written["fact_risk_daily"].deleted == star.fact_risk_daily.height - written["fact_risk_daily"].updated
    assert read_asset_keys(database_url) == {"BTC-USD": 1, "ETH-USD": 2, "SOL-USD": 3, "ADA-USD": 4}
    assert check_star(database_url, risk, anomalies_of(risk)) == ()


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("asset_key", 9, "fact_risk_daily.asset_key: 9: unknown in the dimension (1 facts)"),
        ("date_key", 20230101, "fact_risk_daily.date_key: 20230101: unknown in the dimension"),
        ("asset_key", None, "fact_risk_daily.asset_key: None: unknown in the dimension"),
    ],
)
def test_a_fact_of_an_unknown_asset_or_day_is_refused(tmp_path, star, column, value, reason):
    facts = star.fact_risk_daily.with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(value)).otherwise(column).alias(column)
    )
    with pytest.raises(WorkError) as refused:
        write_star(dataclasses.replace(star, fact_risk_daily=facts), f"sqlite:///{tmp_path}/a.db")
    assert reason in str(refused.value)
    assert not (tmp_path / "a.db").exists()


def test_the_database_refuses_a_fact_of_an_unknown_asset_or_day_too(database_url, star):
    write_star(star, database_url)
    known = star.fact_risk_daily.row(0, named=True)
    for key in ({"asset_key": 9, "date_key": 20240101}, {"asset_key": 1, "date_key": 19990101}):
        with pytest.raises(WorkError, match=r"(?i)foreign key"):
            execute(database_url, sa.insert(fact_risk_daily).values(known | key))


def test_the_database_refuses_a_product_twice(database_url, star):
    write_star(star, database_url)
    again = star.dim_asset.row(0, named=True) | {"asset_key": 77}
    with pytest.raises(WorkError, match=r"(?i)unique|duplicate"):
        execute(database_url, sa.insert(dim_asset).values(again))


@pytest.mark.parametrize("known", [{}, {"BTC-USD": 2, "ETH-USD": 1}])
def test_keys_other_than_those_of_the_database_are_refused(tmp_path, star, known):
    url = f"sqlite:///{tmp_path}/a.db"
    write_star(star, url)
    risk = risk_of(("ETH-USD",), days=5)
    with pytest.raises(WorkError, match=r"dim_asset\.asset_key: 1 for ETH-USD: .* has BTC-USD = 2; keys never change"):
        write_star(star_rows(risk, anomalies_of(risk), {}, known), url)


def test_problems_of_a_star_without_constraints_are_found(tmp_path, star, risk, anomalies):
    """A copy of the tables without keys, as other tools make them."""
    write_star(star, f"sqlite:///{tmp_path}/a.db")
    with sqlite3.connect(tmp_path / "b.db") as copy:
        copy.execute("ATTACH ? AS a", [f"{tmp_path}/a.db"])
        for table in TABLES:
            copy.execute(f"CREATE TABLE {table.name} AS SELECT * FROM a.{table.name}")
        copy.execute("INSERT INTO dim_asset SELECT * FROM dim_asset WHERE asset_key = 1")
        copy.execute("UPDATE fact_risk_daily SET asset_key = 9 WHERE asset_key = 2 AND date_key = 20240110")
        copy.execute("DELETE FROM dim_calendar WHERE date_key = 20240111")
        copy.execute("UPDATE fact_risk_daily SET drawdown = 1 WHERE asset_key = 3 AND date_key = 20240202")
    copy.close()
    problems = check_star(f"sqlite:///{tmp_path}/b.db", risk, anomalies)
    assert problems[:4] == (
        "fact_risk_daily.asset_key: 1 facts have no row in dim_asset",
        "fact_risk_daily.date_key: 3 facts have no row in dim_calendar",
        "dim_asset: 1 values of asset_key occur more than once",
        "dim_asset: 1 values of product_id occur more than once",
    )
    assert "BTC-USD: 160 facts, 80 rows in gold_crypto_risk_metrics_daily" in problems
    assert any(problem.startswith("SOL-USD drawdown: ") for problem in problems)
    assert not any(problem.startswith("SOL-USD close") for problem in problems)


def test_a_database_without_the_star_has_no_keys_and_a_problem(database_url):
    assert read_asset_keys(database_url) == {}
    assert "tables are absent: dim_asset, dim_calendar, fact_risk_daily" in check_star(database_url)[0]


def test_reading_creates_no_file(tmp_path):
    url = f"sqlite:///{tmp_path}/deep/a.db"
    assert read_asset_keys(url) == {}
    assert check_star(url) != ()
    assert not (tmp_path / "deep").exists()


def test_the_directory_of_the_file_is_created(tmp_path, star):
    write_star(star, f"sqlite:///{tmp_path}/warehouse/deep/risk.db")
    assert (tmp_path / "warehouse" / "deep" / "risk.db").exists()


def test_an_unreachable_server_names_the_setting(star):
    with pytest.raises(WorkError, match=r"^risk\.database_url: postgresql://me@127\.0\.0\.1:\d+/risk: .*refused.*"):
        write_star(star, f"postgresql://me:secret@127.0.0.1:{free_port()}/risk")


def test_a_second_writer_is_refused(tmp_path, star):
    url = f"sqlite:///{tmp_path}/a.db"
    with open_database(url, setting="x") as database, database.writing(), pytest.raises(Busy):
        write_star(star, url, timeout_s=0.1)


def test_flags_can_be_added_up_in_every_database(database_url, star):
    write_star(star, database_url)
    with open_database(database_url, setting="x") as database, database.reading() as connection:
        total = connection.scalar(sa.text("SELECT SUM(is_anomaly) FROM fact_risk_daily"))
    assert total == star.fact_risk_daily["is_anomaly"].sum()
