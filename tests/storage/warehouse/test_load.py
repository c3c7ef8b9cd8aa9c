"""Rows in three databases: only differences are written, and equal content has equal digests."""

from datetime import date

import pytest
import sqlalchemy as sa

from tests.support.databases import DIALECTS
from tickvol.core.errors import SchemaMismatch, WorkError
from tickvol.storage.delta.spec import Column
from tickvol.storage.warehouse.columns import CONVENTION, ensure_tables, name_type, sql_column, sql_table
from tickvol.storage.warehouse.digest import query_digest
from tickvol.storage.warehouse.engine import open_database
from tickvol.storage.warehouse.load import Loaded, TableRows, load

FIGURE = Column("figure", "float64", "any double, 100% of them", "fraction", optional=True)


def declare(*more):
    """A dimension and a fact that refers to it."""
    metadata = sa.MetaData(naming_convention=CONVENTION)
    coin = sql_table(
        metadata,
        "coin",
        sa.Column("coin_key", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("code", name_type(33), nullable=False, unique=True),
        sa.Column("listed", sa.Date),
        comment="A coin.",
    )
    fact = sql_table(
        metadata,
        "fact",
        sa.Column("coin_key", sa.SmallInteger, sa.ForeignKey(coin.c.coin_key), primary_key=True),
        sa.Column("bar", sa.BigInteger, primary_key=True, autoincrement=False),
        sql_column(FIGURE),
        sql_column(Column("flag", "bool", "whether", optional=True)),
        sql_column(Column("reason", "text", "why; may hold anything")),
        *more,
        comment="A fact.",
        by_key=True,
    )
    return metadata, coin, fact


METADATA, COIN, FACT = declare()

COINS = [
    {"coin_key": 1, "code": "BTC", "listed": date(2015, 7, 20)},
    {"coin_key": 2, "code": "btc", "listed": None},
    {"coin_key": 3, "code": "ÅΩ", "listed": date(1, 1, 1)},
]
DOUBLES = [0.1, -0.0, 5e-324, 1.7976931348623157e308, -2.2250738585072014e-308, 1 / 3, 1e22, 1.0, None]


def fact_row(bar=0, coin=1, figure=0.25, flag=1, reason=""):
    return {"coin_key": coin, "bar": bar, "figure": figure, "flag": flag, "reason": reason}


FACTS = [fact_row(bar=2**62 + place, figure=figure) for place, figure in enumerate(DOUBLES)]
FACTS += [fact_row(coin=2, flag=None, reason="a 'quoted' \\ %s :x \U0001f4c8\n"), fact_row(coin=3, flag=0, reason=" ")]


def write(url, coins=COINS, facts=FACTS, **options):
    with open_database(url, setting="test.url") as database, database.writing() as connection:
        ensure_tables(connection, METADATA)
        return load(connection, [TableRows(COIN, coins, **options), TableRows(FACT, facts)])


def digest(url, table=FACT):
    with open_database(url, setting="test.url") as database, database.reading() as connection:
        return query_digest(connection, sa.select(table), [column.name for column in table.primary_key])


def content(url, table=FACT):
    with open_database(url, setting="test.url") as database, database.reading() as connection:
        return [row._asdict() for row in connection.execute(sa.select(table).order_by(*table.primary_key))]


def counts(inserted=0, updated=0, deleted=0, unchanged=0):
    return Loaded(inserted=inserted, updated=updated, deleted=deleted, unchanged=unchanged)


def test_what_was_written_is_read_back_bit_by_bit(database_url):
    assert write(database_url) == {"coin": counts(inserted=3), "fact": counts(inserted=len(FACTS))}
    key = [column.name for column in FACT.primary_key]
    rows = sorted(FACTS, key=lambda row: [row[name] for name in key])
    read = content(database_url)
    assert read == rows
    assert [str(row["figure"]) for row in read if row["figure"] == 0] == ["0.0"]  # never -0.0
    assert content(database_url, COIN) == COINS


def test_digests_are_equal_in_all_databases_whatever_the_order_of_the_rows(new_database):
    found = set()
    for dialect in DIALECTS:
        url = new_database(dialect)
        write(url, facts=FACTS if dialect == "sqlite" else FACTS[::-1])
        found.add((digest(url), digest(url, COIN)))
    assert len(found) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"figure": 0.1 + 2**-56},  # the next double
        {"figure": None},
        {"flag": 0},
        {"flag": None},
        {"reason": "0"},
    ],
)
def test_a_digest_sees_every_change(tmp_path, change):
    url = f"sqlite:///{tmp_path}/a.db"
    write(url)
    before = digest(url)
    changed = [FACTS[0] | change, *FACTS[1:]]
    assert write(url, facts=changed)["fact"] == counts(updated=1, unchanged=len(FACTS) - 1)
    assert digest(url) != before


def statements_of(monkeypatch):
    """Statements that every engine executes from now on."""
    seen = []
    create = sa.create_engine

    def create_watched(*arguments, **options):
        engine = create(*arguments, **options)
        sa.event.listen(engine, "before_cursor_execute", lambda *event: seen.append(event[2].split()[0].upper()))
        return engine

    monkeypatch.setattr(sa, "create_engine", create_watched)
    return seen


def test_a_second_run_writes_nothing(database_url, monkeypatch):
    write(database_url)
    seen = statements_of(monkeypatch)
    assert write(database_url) == {"coin": counts(unchanged=3), "fact": counts(unchanged=len(FACTS))}
    assert "SELECT" in seen
    assert not {"INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP"} & set(seen)


def test_a_second_run_leaves_the_file_of_sqlite_as_it_is(tmp_path):
    url = f"sqlite:///{tmp_path}/a.db"
    write(url)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write(url)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_changed_new_and_absent_rows_are_counted_apart(database_url):
    write(database_url)
    coins = [COINS[0] | {"listed": None}, *COINS[1:], {"coin_key": 4, "code": "SOL", "listed": None}]
    facts = [FACTS[0] | {"figure": 7.0}, *FACTS[2:], fact_row(coin=4, bar=9)]
    assert write(database_url, coins, facts) == {
        "coin": counts(inserted=1, updated=1, unchanged=2),
        "fact": counts(inserted=1, updated=1, deleted=1, unchanged=len(FACTS) - 2),
    }
    assert content(database_url, COIN) == coins
    assert content(database_url) == sorted(
        ({**row, "figure": 0.0 if row["figure"] == 0 else row["figure"]} for row in facts),
        key=lambda row: (row["coin_key"], row["bar"]),
    )


def test_many_rows_go_in_batches(database_url):
    facts = [fact_row(bar=bar, figure=bar / 7) for bar in range(4500)]
    assert write(database_url, facts=facts)["fact"] == counts(inserted=4500)
    changed = [row | {"figure": row["figure"] + 1} for row in facts]
    assert write(database_url, facts=changed)["fact"] == counts(updated=4500)
    assert write(database_url, facts=changed[:10])["fact"] == counts(deleted=4490, unchanged=10)


def test_a_dimension_loses_its_row_after_the_facts_that_refer_to_it(database_url):
    write(database_url)
    facts = [row for row in FACTS if row["coin_key"] != 3]
    assert write(database_url, COINS[:2], facts) == {
        "coin": counts(deleted=1, unchanged=2),
        "fact": counts(deleted=1, unchanged=len(FACTS) - 1),
    }


def test_rows_that_are_to_stay_are_kept(database_url):
    write(database_url)
    facts = [row for row in FACTS if row["coin_key"] == 1]
    assert write(database_url, COINS[:1], facts, keep_absent=True)["coin"] == counts(unchanged=1)
    assert content(database_url, COIN) == COINS


def test_a_fact_without_its_dimension_is_refused_and_nothing_is_written(database_url):
    write(database_url)
    before = digest(database_url)
    with pytest.raises(WorkError, match=r"test\.url: .*(?i:foreign key).*; nothing was written") as refused:
        write(database_url, facts=[*FACTS, fact_row(bar=1), fact_row(coin=77)])
    assert "\n" not in str(refused.value)
    assert digest(database_url) == before


def test_a_unique_name_does_not_lead_an_update_to_another_row(database_url):
    write(database_url)
    stolen = [COINS[0], COINS[1] | {"code": "BTC"}, COINS[2]]
    with pytest.raises(WorkError, match="nothing was written"):
        write(database_url, stolen)
    assert content(database_url, COIN) == COINS


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"figure": float("nan")}, "fact.figure: nan: must be a finite number or null"),
        ({"figure": float("inf")}, "fact.figure: inf: must be a finite number"),
        ({"figure": "0.1"}, "fact.figure: '0.1': must be a finite number"),
        ({"flag": 0.5}, "fact.flag: 0.5: must be a value of type SMALLINT"),
        ({"reason": "a\0b"}, "fact.reason: 'a\\x00b': must be"),
        ({"more": 1}, "fact: a row has not exactly the declared columns: more"),
        ({"bar": 2**63}, "fact.bar: 9223372036854775808: must be a value of type BIGINT"),
        ({"bar": -(2**63) - 1}, "fact.bar: -9223372036854775809: must be"),
        ({"coin_key": 2**15}, "fact.coin_key: 32768: must be a value of type SMALLINT"),
        ({"bar": None}, "fact.bar: None: must be a value of type BIGINT"),
        ({"reason": None}, "fact.reason: None: must be a value of type TEXT"),
    ],
)
def test_a_value_that_databases_would_store_differently_is_refused(tmp_path, change, reason):
    with pytest.raises(WorkError) as refused:
        write(f"sqlite:///{tmp_path}/a.db", facts=[FACTS[0] | change])
    assert reason in str(refused.value)


def test_a_text_longer_than_its_column_is_refused_by_sqlite_too(tmp_path):
    with pytest.raises(WorkError, match=r"coin\.code: 'x+': must be a value of type VARCHAR\(33\)"):
        write(f"sqlite:///{tmp_path}/a.db", [COINS[0] | {"code": "x" * 34}])


def test_two_rows_with_one_key_are_refused(tmp_path):
    with pytest.raises(WorkError, match=r"fact: coin_key=1, bar=5: two rows have this key"):
        write(f"sqlite:///{tmp_path}/a.db", facts=[fact_row(bar=5), fact_row(bar=5, figure=1.0)])


def test_a_flag_is_zero_or_one_for_the_database_too(database_url):
    with pytest.raises(WorkError, match=r"(?i)check|constraint"):
        write(database_url, facts=[fact_row(flag=2)])


def test_a_column_declared_later_is_added_and_may_be_null(database_url):
    write(database_url)
    later, _, fact = declare(sql_column(Column("es_99", "float64", "5% of 'it'", "fraction", optional=True)))
    with open_database(database_url, setting="test.url") as database, database.writing() as connection:
        ensure_tables(connection, later)
        rows = [row | {"es_99": None} for row in FACTS]
        assert load(connection, [TableRows(fact, rows)])["fact"] == counts(unchanged=len(FACTS))
    with open_database(database_url, setting="test.url") as database, database.writing() as connection:
        ensure_tables(connection, later)
        assert load(connection, [TableRows(fact, [rows[0] | {"es_99": 2.0}])])["fact"].updated == 1


def test_a_required_column_declared_later_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path}/a.db"
    write(url)
    later, *_ = declare(sql_column(Column("needed", "float64", "a figure")))
    with (
        open_database(url, setting="test.url") as database,
        pytest.raises(SchemaMismatch, match=r"fact\.needed: the database's table has no such column"),
        database.writing() as connection,
    ):
        ensure_tables(connection, later)
