"""Databases that cannot be opened: one line, in bounded time, without the password."""

import contextlib
import importlib.util
import socket
import sqlite3
import threading

import pytest
import sqlalchemy as sa

from tests.support.databases import free_port
from tickvol.core.errors import Busy, ConfigError, WorkError
from tickvol.storage.warehouse.engine import open_database

PASSWORD = "s3cret/Word"
WRITTEN = "s3cret%2FWord"


def answer(url, how="reading", timeout_s=10.0):
    with (
        open_database(url, setting="risk.database_url", timeout_s=timeout_s) as database,
        getattr(database, how)() as connection,
    ):
        return connection.scalar(sa.text("SELECT 40 + 2"))


def message_of(error):
    text = str(error.value)
    assert "\n" not in text
    assert text.startswith("risk.database_url: ")
    assert PASSWORD not in text
    assert WRITTEN not in text
    assert error.value.__suppress_context__ or error.value.__context__ is None  # else a log shows the driver's error
    return text


@pytest.mark.parametrize("how", ["reading", "writing"])
def test_each_database_answers(database_url, how):
    assert answer(database_url, how) == 42


@pytest.mark.parametrize("dialect", ["postgresql", "mariadb"])
def test_other_names_of_a_dialect_are_understood(request, dialect):
    server = request.getfixturevalue(dialect)
    url = server.new_database()
    names = {"postgresql": ["postgresql+psycopg"], "mariadb": ["mysql", "mysql+pymysql", "mariadb+pymysql"]}
    for name in names[dialect]:
        assert answer(url.replace(dialect, name, 1)) == 42


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("", "(not shown): must be sqlite:///PATH, postgresql://"),
        ("data/risk.db", "(not shown): must be"),
        (f"postgresql://me:{WRITTEN}@host:port/risk", "(not shown): must be"),
        (f"postgresql//me:{WRITTEN}@host/risk", "(not shown): must be"),
        (f"oracle://me:{WRITTEN}@host/risk", "oracle://...: must be"),
        (f"postgresql+asyncpg://me:{WRITTEN}@host/risk", "postgresql+asyncpg://...: must be"),
        (f"postgresql://me:{WRITTEN}@host", "postgresql://me@host: names no database"),
        ("sqlite://", "names no database"),
        ("sqlite:///:memory:", "names no database"),
    ],
)
def test_a_url_that_leads_nowhere_is_a_mistake_of_configuration(url, rule):
    with pytest.raises(ConfigError) as error, open_database(url, setting="risk.database_url"):
        pass
    assert rule in message_of(error)


@pytest.mark.parametrize(
    ("dialect", "driver", "extra"), [("postgresql", "psycopg", "postgresql"), ("mariadb", "pymysql", "mariadb")]
)
def test_a_driver_that_is_not_installed_is_named_with_its_extra(monkeypatch, dialect, driver, extra):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == driver else find(name))
    url = f"{dialect}://me:{WRITTEN}@host/risk"
    with pytest.raises(ConfigError) as error, open_database(url, setting="risk.database_url"):
        pass
    assert f"needs {driver}, which is not installed: pip install 'tickvol[{extra}]'" in message_of(error)


@pytest.mark.parametrize("dialect", ["postgresql", "mariadb"])
def test_a_server_that_is_not_there_is_one_clear_line(dialect):
    port = free_port()
    with pytest.raises(WorkError) as error:
        answer(f"{dialect}://me:{WRITTEN}@127.0.0.1:{port}/risk")
    message = message_of(error)
    assert f"{dialect}://me@127.0.0.1:{port}/risk: " in message
    assert "refused" in message
    assert message.endswith("check that the database runs, the URL and the user's rights")


@pytest.mark.parametrize("dialect", ["postgresql", "mariadb"])
def test_a_server_that_accepts_and_says_nothing_is_left_after_the_timeout(dialect):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(WorkError) as error:
            answer(f"{dialect}://me:{WRITTEN}@127.0.0.1:{port}/risk", timeout_s=0.5)
    assert "check that the database runs" in message_of(error)


@pytest.mark.parametrize("dialect", ["postgresql", "mariadb"])
def test_a_wrong_password_is_not_shown(request, dialect):
    server = request.getfixturevalue(dialect)
    with pytest.raises(WorkError) as error:
        answer(server.url("risk", password=WRITTEN))
    assert "tester" in message_of(error)


def test_a_password_that_a_driver_repeats_is_masked(monkeypatch):
    import psycopg

    def refuse(*arguments, **options):
        raise psycopg.OperationalError(f"no such host {options['password']}\n\tsecond line")

    monkeypatch.setattr(psycopg, "connect", refuse)
    with pytest.raises(WorkError) as error:
        answer(f"postgresql://me:{WRITTEN}@host/risk")
    assert "no such host *** second line" in message_of(error)


def test_a_password_is_not_part_of_the_representation():
    with open_database(f"postgresql://me:{WRITTEN}@host/risk?sslpassword={WRITTEN}", setting="x") as database:
        assert PASSWORD not in repr(database)
        assert WRITTEN not in repr(database)
        assert database.place == "postgresql://me@host/risk"


def test_the_directory_of_a_file_is_created_by_a_writer_alone(tmp_path):
    path = tmp_path / "new" / "deep" / "risk.db"
    assert answer(f"sqlite:///{path}") == 42
    assert not path.parent.exists()
    assert answer(f"sqlite:///{path}", "writing") == 42
    assert path.exists()


def test_a_directory_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkError, match=r"cannot create .*/file/deep: .*; choose another path"):
        answer(f"sqlite:///{tmp_path}/file/deep/risk.db", "writing")


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "risk.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(WorkError) as error:
        answer(f"sqlite:///{path}")
    assert f"sqlite:///{path}: file is not a database" in message_of(error)


def test_a_second_writer_is_refused_while_the_first_one_works(database_url):
    with open_database(database_url, setting="risk.database_url") as first, first.writing() as connection:
        connection.execute(sa.text("CREATE TABLE t (i INTEGER)"))
        with pytest.raises(Busy) as error:
            answer(database_url, "writing", timeout_s=0.2)
    assert "another process writes to this database" in message_of(error)
    assert answer(database_url, "writing") == 42


def test_a_reader_sees_one_state_while_a_writer_works(database_url):
    with open_database(database_url, setting="x") as database:
        with database.writing() as connection:
            connection.execute(sa.text("CREATE TABLE t (i INTEGER)"))
        count = sa.text("SELECT COUNT(*) FROM t")
        with database.reading() as reader:
            assert reader.scalar(count) == 0
            with database.writing() as writer:
                writer.execute(sa.text("INSERT INTO t VALUES (1)"))
            assert reader.scalar(count) == 0
        with database.reading() as reader:
            assert reader.scalar(count) == 1


def test_an_error_within_the_block_undoes_what_was_written(database_url):
    with open_database(database_url, setting="x") as database:
        with database.writing() as connection:
            connection.execute(sa.text("CREATE TABLE t (i INTEGER)"))
        with contextlib.suppress(ZeroDivisionError), database.writing() as connection:
            connection.execute(sa.text("INSERT INTO t VALUES (1)"))
            raise ZeroDivisionError
        with database.reading() as reader:
            assert reader.scalar(sa.text("SELECT COUNT(*) FROM t")) == 0


def test_sqlite_waits_for_a_writer_of_another_program(tmp_path):
    path = tmp_path / "risk.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, other.execute, ["COMMIT"])
    release.start()
    assert answer(f"sqlite:///{path}", "writing") == 42
    release.join()
    other.close()
