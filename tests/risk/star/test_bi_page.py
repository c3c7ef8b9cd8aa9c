"""The statements of docs/bi.md, executed: queries give the same rows in four databases."""

import datetime
import re

import duckdb
import pytest
import sqlalchemy as sa

from tests.risk.star.gold import filled
from tests.support import ROOT
from tests.support.databases import DIALECTS
from tickvol.risk.export import EXPORTED, export
from tickvol.risk.star.schema import TABLES
from tickvol.risk.star.store import star_digest, write_star
from tickvol.storage.warehouse.engine import open_database

PAGE = (ROOT / "docs" / "bi.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.M | re.S)
QUERIES = [block for language, block in BLOCKS if language == "sql"]


def statements(language):
    return [line for name, block in BLOCKS if name == language for line in block.splitlines()]


def comparable(rows):
    """Rows whose values do not depend on the driver: decimals as floats, means to their last digits, days as text."""
    return [tuple(plain(value) for value in row) for row in rows]


def plain(value):
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime.date):
        return value.isoformat()
    return pytest.approx(float(value), rel=1e-12)


@pytest.fixture(scope="module")
def exported(tmp_path_factory, star, risk, anomalies):
    """A directory with the files of the export at the place that the page names."""
    directory = tmp_path_factory.mktemp("exported")
    tables = {spec.name: filled(spec, 5, 7) for spec in EXPORTED}
    tables |= {"gold_crypto_risk_metrics_daily": risk, "gold_crypto_anomalies": anomalies}
    export(directory / "data" / "export", tables, star)
    return directory


@pytest.fixture
def duck(exported, monkeypatch):
    """DuckDB with the views of the page."""
    monkeypatch.chdir(exported)
    with duckdb.connect() as connection:
        for statement in statements("duckdb"):
            connection.execute(statement)
        yield connection


@pytest.fixture(scope="module")
def servers(request, star, tmp_path_factory):
    """URL of a star by dialect."""
    urls = {"sqlite": f"sqlite:///{tmp_path_factory.mktemp('star')}/risk.db"}
    urls |= {dialect: request.getfixturevalue(dialect).new_database() for dialect in DIALECTS if dialect not in urls}
    for url in urls.values():
        write_star(star, url)
    return urls


def test_the_page_has_queries():
    assert len(QUERIES) >= 8


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_a_query_gives_the_same_rows_in_all_databases(duck, servers, query):
    expected = duck.execute(query).fetchall()
    assert expected
    for dialect, url in servers.items():
        with open_database(url, setting="test.url") as database, database.reading() as connection:
            rows = connection.execute(sa.text(query)).fetchall()
        assert comparable(rows) == comparable(expected), dialect


def test_the_views_of_duckdb_are_the_tables(duck, star):
    for table in TABLES:
        rows = duck.execute(f"SELECT * FROM {table.name}").fetchall()
        assert rows == star.frames[table.name].rows()


@pytest.mark.parametrize("dialect", ["postgresql", "mariadb"])
def test_the_accounts_of_the_page_can_do_their_work_and_no_more(request, star, servers, dialect):
    server = request.getfixturevalue(dialect)
    for statement in statements(dialect):
        server.run(statement.rstrip(";"))
    place = f"127.0.0.1:{server.port}/tickvol"
    writer, reader = f"{dialect}://tickvol:choose-one@{place}", f"{dialect}://bi_reader:choose-another@{place}"
    if dialect == "mariadb":
        writer += "?charset=utf8mb4"
    write_star(star, writer)
    assert star_digest(reader) == star_digest(servers["sqlite"])
    with (
        pytest.raises(sa.exc.DBAPIError),
        sa.create_engine(driver_url(reader), poolclass=sa.NullPool).begin() as connection,
    ):
        connection.execute(sa.text("DELETE FROM fact_risk_daily"))
    assert star_digest(reader) == star_digest(servers["sqlite"])


def driver_url(url):
    return url.replace("postgresql:", "postgresql+psycopg:").replace("mariadb:", "mysql+pymysql:")
