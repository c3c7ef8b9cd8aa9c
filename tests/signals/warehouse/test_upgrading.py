"""The warehouse's schema in three databases: created, told, upgraded after an interruption, refused when it differs."""

import pytest
import sqlalchemy as sa

from tickvol.core.errors import Busy, SchemaMismatch, WorkError
from tickvol.signals.warehouse import schema, upgrading
from tickvol.signals.warehouse.declaring import METADATA
from tickvol.signals.warehouse.migrations.versions import r0001_first_tables as first
from tickvol.signals.warehouse.schema import TABLES, VIEWS
from tickvol.signals.warehouse.upgrading import (
    VERSION_TABLE,
    check_schema,
    open_warehouse,
    read_warehouse,
    schema_state,
    upgrade,
    write_warehouse,
)


@pytest.fixture
def database(database_url):
    with open_warehouse(database_url, setting="test.url", writer_timeout_s=0.5) as opened:
        yield opened


def state_of(database):
    with database.reading() as connection:
        return schema_state(connection)


def execute(database, statement):
    with database.writing() as connection:
        connection.exec_driver_sql(statement)


def test_an_empty_database_gets_all_tables_and_views(database):
    before = state_of(database)
    assert (before.state, before.version, len(before.absent)) == ("empty", None, len(TABLES) + len(VIEWS))
    with database.reading() as connection, pytest.raises(SchemaMismatch, match="has no tables: run tickvol warehouse"):
        check_schema(connection, database.place)
    after = upgrade(database)
    assert (after.state, after.version, after.absent, after.problem) == ("current", after.head, (), "")
    assert upgrade(database) == after == state_of(database)


def test_every_declared_column_is_in_the_database(database):
    upgrade(database)
    with database.reading() as connection:
        inspector = sa.inspect(connection)
        for table in TABLES:
            stored = {column["name"]: column["nullable"] for column in inspector.get_columns(table.name)}
            assert stored == {column.name: column.nullable for column in table.columns}
            keys = {tuple(key["constrained_columns"]) for key in inspector.get_foreign_keys(table.name)}
            assert keys == {tuple(key.column_keys) for key in table.foreign_key_constraints}


def test_all_tables_are_listed_and_created_by_a_revision():
    assert [table.name for table in TABLES] == list(first._TABLES)
    assert set(TABLES) == set(METADATA.tables.values())
    seen = set()
    for table in TABLES:
        assert {key.referred_table for key in table.foreign_key_constraints} <= seen
        seen.add(table)


def test_an_upgrade_that_was_cut_short_is_told_and_completed(database, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setitem(schema.VIEWS, "v_history", "NO QUERY")
        with pytest.raises(WorkError, match=r"(?i)syntax"):
            upgrade(database)
    cut = state_of(database)
    if database.place.startswith("mariadb"):
        assert (cut.state, cut.version, cut.absent) == ("half", None, tuple(VIEWS))
        assert "half of schema 0001 is applied, v_history" in cut.problem
        assert cut.problem.endswith("is absent: run tickvol warehouse upgrade")
    else:
        assert cut.state == "empty"
    assert upgrade(database).state == "current"


def test_a_table_that_was_removed_is_told_and_created_again(database):
    upgrade(database)
    execute(database, "DROP VIEW v_history")
    execute(database, "DROP TABLE etl_run")
    assert (state_of(database).state, state_of(database).absent) == ("half", ("etl_run", "v_history"))
    assert upgrade(database).state == "current"


def test_a_schema_of_a_newer_program_is_refused_and_kept(database):
    upgrade(database)
    execute(database, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with database.reading() as connection, pytest.raises(SchemaMismatch, match="schema 9999 is newer"):
        check_schema(connection, database.place)
    for refused in (read_warehouse(database), write_warehouse(database, "klines")):
        with pytest.raises(SchemaMismatch, match="schema 9999 is newer"), refused:
            pass
    with pytest.raises(SchemaMismatch, match="upgrade` does not go back"):
        upgrade(database)
    assert state_of(database).version == "9999"


def test_a_schema_of_an_older_program_is_refused():
    state = upgrading._state("0001", "0002", {"0001", "0002"}, 3, 24)
    assert state == "older"
    problem = upgrading.SchemaState(state, "0001", "0002", ()).problem
    assert problem == "schema 0001 is older than this program (0002): run tickvol warehouse upgrade"


def test_there_is_no_way_back():
    with pytest.raises(WorkError, match="there is no way back"):
        first.downgrade()


def test_constraints_hold_in_each_database(database):
    upgrade(database)
    with pytest.raises(WorkError):
        execute(database, "INSERT INTO dim_interval (interval_id, code, length_ms) VALUES (1, '1h', 0)")
    with pytest.raises(WorkError):
        execute(database, "INSERT INTO dim_symbol VALUES (1, 'a', 'a', 'a', 'a', 2)")
    with pytest.raises(WorkError):
        execute(database, "INSERT INTO fact_indicator VALUES (1, 1, 1, 1, 1.0, 1)")
    execute(database, "INSERT INTO dim_symbol VALUES (1, 'a', 'a', 'a', 'a', 1)")
    execute(database, "INSERT INTO dim_symbol VALUES (2, 'A', 'a', 'a', 'a', 1)")


def test_an_upgrade_waits_for_another_one_and_is_then_refused(database):
    with database.writing("schema"), pytest.raises(Busy, match="another process writes to this database"):
        upgrade(database)
