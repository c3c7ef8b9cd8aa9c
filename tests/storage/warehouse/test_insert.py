"""Rows written once into three databases: repeats change nothing, contradictions are refused."""

import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from tests.support.databases import DIALECTS
from tickvol.core.errors import Busy, WarehouseConflict, WorkError
from tickvol.storage.warehouse import staging
from tickvol.storage.warehouse.columns import CONVENTION, ensure_tables, name_type, sql_table
from tickvol.storage.warehouse.digest import query_digest
from tickvol.storage.warehouse.engine import open_database
from tickvol.storage.warehouse.insert import Written, insert_new

SOURCE = Path(staging.__file__).resolve().parents[2]
METADATA = sa.MetaData(naming_convention=CONVENTION)
FACT = sql_table(
    METADATA,
    "fact",
    sa.Column("code", name_type(12), primary_key=True),
    sa.Column("time_ms", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("share", sa.Double),
    sa.Column("bars", sa.Integer, nullable=False),
    sa.Column("state", sa.SmallInteger, nullable=False),
    sa.Column("note", sa.Text),
    comment="A fact.",
    by_key=True,
)
TRADE = sql_table(
    METADATA,
    "trade",
    sa.Column("trade_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("order", name_type(12), nullable=False, unique=True),
    comment="A trade, with a natural key and a column named by a reserved word.",
)


def facts(length=6, **changes):
    """Rows in descending order of their key, with doubles and texts that a careless writer would change."""
    doubles = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -2.2250738585072014e-308, 1e22]
    notes = ["", None, "\\N", "a\tb\nc\r\\d", "100 % 'of' \"it\" %s :x", "Å \U0001f4c8 "]
    columns = {
        "code": ["BTC", "btc", "B", "Å", "B C", "bTC"] * (length // 6),
        "time_ms": 1_700_000_000_123 - np.arange(length),
        "value": np.array(doubles * (length // 6)),
        "share": [None, *doubles[1:]] * (length // 6),
        "bars": np.arange(length, dtype=np.int64),
        "state": np.full(length, -1, dtype=np.int8),
        "note": notes * (length // 6),
    }
    return columns | changes


def write(url, columns=None, table=FACT, **options):
    with open_database(url, setting="test.url", bulk=True) as database, database.writing() as connection:
        ensure_tables(connection, METADATA)
        return insert_new(connection, table, facts() if columns is None else columns, **options)


def digest(url, table=FACT):
    with open_database(url, setting="test.url") as database, database.reading() as connection:
        return query_digest(connection, sa.select(table), [column.name for column in table.primary_key])


def content(url, table=FACT):
    with open_database(url, setting="test.url") as database, database.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key))]


def as_rows(columns):
    lists = [values.tolist() if isinstance(values, np.ndarray) else values for values in columns.values()]
    return sorted(zip(*lists, strict=True), key=lambda row: row[:2])


def test_every_value_is_read_back_as_it_was(database_url):
    assert write(database_url) == Written(new=6)
    assert content(database_url) == as_rows(facts())


def test_equal_rows_have_equal_digests_in_three_databases(new_database):
    found = set()
    for dialect in DIALECTS:
        url = new_database(dialect)
        write(url)
        found.add(digest(url))
    assert len(found) == 1


def test_a_repeat_leaves_all_rows_unchanged(database_url):
    write(database_url)
    before = digest(database_url)
    assert write(database_url) == Written(unchanged=6)
    assert digest(database_url) == before


def test_rows_beyond_those_present_are_new(database_url):
    some = {name: values[:4] for name, values in facts().items()}
    assert write(database_url, some) == Written(new=4)
    assert write(database_url) == Written(new=2, unchanged=4)


@pytest.mark.parametrize(
    ("name", "row", "value", "told"),
    [
        ("value", 0, math.nextafter(0.1, 1), "value: 0.1 is stored, 0.10000000000000002 was computed"),
        ("share", 1, None, "share: 0.3333333333333333 is stored, None was computed"),
        ("share", 0, 0.5, "share: None is stored, 0.5 was computed"),
        ("note", 0, " ", "note: '' is stored, ' ' was computed"),
        ("note", 5, "Å \U0001f4c8", "is stored, 'Å \U0001f4c8' was computed"),
    ],
)
def test_a_row_stored_with_other_values_is_refused_and_named(database_url, name, row, value, told):
    write(database_url)
    before = digest(database_url)
    columns = facts()
    columns[name] = list(columns[name])
    columns[name][row] = value
    with pytest.raises(WarehouseConflict) as error:
        write(database_url, columns)
    key = f"fact: code={columns['code'][row]}, time_ms={columns['time_ms'][row]}: "
    assert str(error.value).startswith(key)
    assert told in str(error.value)
    assert "more rows" not in str(error.value)
    assert digest(database_url) == before


def test_a_correction_replaces_only_the_rows_that_differ(database_url):
    write(database_url)
    changed = facts(share=[0.5, 0.5, *facts()["share"][2:]])
    with pytest.raises(WarehouseConflict, match="1 more rows differ"):
        write(database_url, changed)
    assert write(database_url, changed, correct=True) == Written(unchanged=4, corrected=2)
    assert content(database_url) == as_rows(changed)


@pytest.mark.parametrize("correct", [False, True])
def test_a_natural_key_that_belongs_to_another_row_is_a_conflict(database_url, correct):
    write(database_url, {"trade_id": [1, 2], "order": ["a", "b"]}, TRADE)
    with pytest.raises(WarehouseConflict, match=r"trade: trade_id=3: another row has the same \(order\)"):
        write(database_url, {"trade_id": [1, 3], "order": ["a", "b"]}, TRADE, correct=correct)
    assert content(database_url, TRADE) == [(1, "a"), (2, "b")]


def test_negative_zero_is_stored_as_zero_and_equal_to_it(database_url):
    write(database_url, facts(value=np.array([-0.0] * 6), share=[-0.0, None] * 3))
    assert {str(row[2]) for row in content(database_url)} == {"0.0"}
    assert {str(row[3]) for row in content(database_url)} == {"0.0", "None"}
    assert write(database_url, facts(value=np.zeros(6), share=[0.0, None] * 3)) == Written(unchanged=6)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"value": np.array([0.0, math.nan, 1, 1, 1, 1])}, "fact.value: nan: must be a finite number"),
        ({"share": np.array([0.0, math.inf, 1, 1, 1, 1])}, "fact.share: inf: must be a finite number or null"),
        ({"share": [None, -math.inf, 1, 1, 1, 1]}, "fact.share: -inf: must be a finite number or null"),
        ({"value": [None] * 6}, "fact.value: None: must be a finite number"),
        ({"state": np.full(6, 99_999)}, "fact.state: 99999: must be a value of type SMALLINT"),
        ({"bars": np.full(6, 2**31)}, "fact.bars: 2147483648: must be"),
        ({"bars": np.array([1.5] * 6)}, "fact.bars: 1.5: must be"),
        ({"time_ms": np.arange(6, dtype=np.uint64) + 2**63}, "fact.time_ms: 9223372036854775808: must be"),
        ({"code": ["x" * 13] * 6}, "fact.code: 'xxxxxxxxxxxxx': must be"),
        ({"code": ["B", "B ", "C", "D", "E", "F"]}, "fact.code: 'B ': text of a unique key must not end"),
        ({"note": ["\udc80"] * 6}, "must be text that UTF-8 can encode"),
        ({"code": ["B"] * 6, "time_ms": [1, 2, 3, 4, 5, 3]}, "fact: code=B, time_ms=3: two rows have this key"),
        ({"bars": np.arange(5)}, "all columns must have one length"),
        ({"strange": [1] * 6}, "fact: strange: the columns must be exactly those declared"),
    ],
)
def test_a_value_that_a_database_would_change_is_refused(new_database, changes, told):
    with pytest.raises(WorkError) as error:
        write(new_database("sqlite"), facts(**changes))
    assert told in str(error.value)


def test_no_rows_are_no_work(database_url):
    assert write(database_url, {name: values[:0] for name, values in facts().items()}) == Written()


def test_a_mariadb_that_takes_no_files_is_written_by_statements(new_database, monkeypatch):
    monkeypatch.setattr(staging, "_load_file", None)
    url = new_database("mariadb")
    with open_database(url, setting="test.url") as database, database.writing() as connection:
        ensure_tables(connection, METADATA)
        assert insert_new(connection, FACT, facts()) == Written(new=6)
    assert content(url) == as_rows(facts())


def test_a_long_write_is_one_of_many_batches(new_database, monkeypatch):
    monkeypatch.setattr("tickvol.storage.warehouse.insert._BATCH", 7)
    for dialect in DIALECTS:
        url = new_database(dialect)
        assert write(url, facts(60)) == Written(new=60)
        assert write(url, facts(66)) == Written(new=6, unchanged=60)


def test_no_statement_ignores_errors():
    words = ("INSERT " + "IGNORE", "INSERT " + "OR IGNORE", "INSERT " + "OR REPLACE", "REPLACE " + "INTO")
    texts = {path: path.read_text().upper() for path in SOURCE.rglob("*.py")}
    assert len(texts) > 100
    assert [path for path, text in texts.items() if any(word in text for word in words)] == []


KILLED = """
import os, signal, sys
from tests.storage.warehouse.test_insert import METADATA, FACT, facts
from tickvol.storage.warehouse.columns import ensure_tables
from tickvol.storage.warehouse.engine import open_database
from tickvol.storage.warehouse.insert import insert_new
columns = facts(24)
with open_database(sys.argv[1], setting="test.url", bulk=True) as database:
    for start in range(0, 24, 6):
        with database.writing() as connection:
            ensure_tables(connection, METADATA)
            insert_new(connection, FACT, {name: values[start : start + 6] for name, values in columns.items()})
            if start == 12:
                os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_after_a_kill_completes_what_was_begun(new_database):
    for dialect in DIALECTS:
        url, whole = new_database(dialect), new_database("sqlite")
        ended = subprocess.run([sys.executable, "-c", KILLED, url], check=False, env=os.environ | {"PYTHONPATH": "."})
        assert ended.returncode == -signal.SIGKILL
        assert write(url, facts(24)) == Written(new=12, unchanged=12)
        write(whole, facts(24))
        assert digest(url) == digest(whole)


@pytest.mark.parametrize("dialect", ["postgresql", "mariadb"])
def test_steps_exclude_themselves_and_not_each_other(new_database, dialect):
    options = {"setting": "test.url", "writer_timeout_s": 0.3}
    with (
        open_database(new_database(dialect), **options) as database,
        database.writing("klines"),
        database.writing("indicators") as connection,
    ):
        assert connection.scalar(sa.text("SELECT 1")) == 1
        with pytest.raises(Busy, match="another process writes to this database"), database.writing("klines"):
            pass
