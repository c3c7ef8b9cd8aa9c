"""`tickvol warehouse`: create, tell, digest and export a database, and the refusals in between."""

import json

import pytest

from tests.support.databases import free_port
from tickvol.apps import warehouse
from tickvol.signals.warehouse.schema import TABLES, VIEWS


def run(capsys, *arguments):
    code = warehouse.main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_database_is_created_told_digested_and_exported(database_url, capsys, tmp_path):
    code, out, _ = run(capsys, "status", "--url", database_url)
    assert code == 1
    assert "problem   has no tables: run tickvol warehouse upgrade" in out
    assert run(capsys, "digest", "--url", database_url)[0] == 1
    for action in ("init", "init", "upgrade"):
        code, out, err = run(capsys, action, "--url", database_url)
        assert (code, err) == (0, "")
        assert out.endswith(": schema 0001\n")
    code, out, _ = run(capsys, "status", "--url", database_url, "--json")
    told = json.loads(out)
    assert (code, told["state"], told["absent"]) == (0, "current", [])
    assert told["rows"] == {table.name: 0 for table in TABLES}
    digests = json.loads(run(capsys, "digest", "--url", database_url, "--json")[1])
    assert run(capsys, "digest", "--url", database_url)[1].endswith(f"{digests['all']}  all\n")
    code, out, _ = run(capsys, "export", "--url", database_url, "--out", str(tmp_path / "files"))
    assert code == 0
    assert len(list((tmp_path / "files").glob("*.parquet"))) == len(TABLES) + len(VIEWS) == len(out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "--url", "sqlite:///x.db"], "--out: is missing"),
        (["digest", "--url", "sqlite:///x.db", "--out", "d"], "--out: d: export needs it"),
        (["status", "--url", "oracle://h/d"], "--url: oracle://...: must be"),
    ],
)
def test_wrong_use_is_told_with_exit_code_2(capsys, arguments, told):
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert told in err


@pytest.mark.parametrize("dialect", ["postgresql", "mariadb"])
def test_a_server_that_is_away_is_one_line_without_password(capsys, dialect):
    code, out, err = run(capsys, "status", "--url", f"{dialect}://me:s3cret@127.0.0.1:{free_port()}/db")
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert f"{dialect}://me@127.0.0.1:" in err
    assert "s3cret" not in err
