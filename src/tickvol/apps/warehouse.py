"""`tickvol warehouse`: the SQL tables of the signals: create, upgrade, check, digest and export them."""

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tickvol.command import command_parser, print_json, run_command

if TYPE_CHECKING:
    from tickvol.storage.warehouse.engine import Database

DESCRIPTION = """The warehouse of the signals: dimensions, facts and records in SQLite, PostgreSQL or MariaDB.

  init      create the tables in an empty database; nothing to do where they are
  upgrade   bring the tables to this program; may be repeated, also after it was cut short
  status    schema of the database and of the program, absent tables, rows; exit 1 unless they fit
  digest    SHA-256 of the content by table: equal for equal content in every database
  export    write each table and view as a Parquet file into --out"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol warehouse`."""
    parser = command_parser("warehouse", DESCRIPTION)
    parser.add_argument("action", choices=tuple(_ACTIONS), help="what to do")
    parser.add_argument("--url", help="database, such as sqlite:///PATH; overrides warehouse.url")
    parser.add_argument("--out", type=Path, metavar="DIR", help="export: directory of the files, which has no default")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return run_command(parser, _warehouse, argv)


def _warehouse(options: argparse.Namespace) -> int:
    if not options.verbose:
        logging.getLogger("alembic").setLevel(logging.WARNING)
    from tickvol.config import load_config
    from tickvol.core.errors import UsageError
    from tickvol.signals.warehouse.upgrading import open_warehouse

    problems = []
    if (options.out is None) == (options.action == "export"):
        problems.append(f"--out: {options.out or 'is missing'}: export needs it, and nothing else takes it")
    if problems:
        raise UsageError(problems)
    url, setting = (
        (options.url, "--url") if options.url else (load_config(options.config).warehouse.url, "warehouse.url")
    )
    with open_warehouse(url, setting=setting) as database:
        return _ACTIONS[options.action](database, options)


def _init(database: "Database", options: argparse.Namespace) -> int:
    from tickvol.core.errors import SchemaMismatch
    from tickvol.signals.warehouse.upgrading import schema_state

    with database.reading() as connection:
        state = schema_state(connection)
    if state.state not in ("empty", "current"):
        raise SchemaMismatch(f"{database.place}: {state.problem}")
    return _upgrade(database, options)


def _upgrade(database: "Database", options: argparse.Namespace) -> int:
    from tickvol.signals.warehouse.upgrading import upgrade

    state = upgrade(database)
    if options.json:
        print_json({"database": database.place, "schema": state.version})
        return 0
    print(f"{database.place}: schema {state.version}")
    return 0


def _status(database: "Database", options: argparse.Namespace) -> int:
    import sqlalchemy as sa

    from tickvol.signals.warehouse.schema import TABLES
    from tickvol.signals.warehouse.upgrading import schema_state

    with database.reading() as connection:
        state = schema_state(connection)
        count = sa.select(sa.func.count())
        rows = {t.name: connection.scalar(count.select_from(t)) for t in TABLES if t.name not in state.absent}
    status = {
        "database": database.place,
        "state": state.state,
        "schema": state.version,
        "program": state.head,
        "absent": state.absent,
        "rows": rows,
    }
    if options.json:
        print_json(status)
    else:
        print(f"database  {database.place}")
        print(f"schema    {state.version or '-'} ({state.state}), of this program {state.head}")
        for name, number in rows.items():
            print(f"{name:<26}{number:>14,}")
        if state.problem:
            print(f"problem   {state.problem}")
    return 1 if state.problem else 0


def _digest(database: "Database", options: argparse.Namespace) -> int:
    from tickvol.signals.warehouse.natural import DIGESTED, table_digest, whole_digest
    from tickvol.signals.warehouse.upgrading import read_warehouse

    with read_warehouse(database) as connection:
        digests = {table.name: table_digest(connection, table) for table in DIGESTED}
    whole = whole_digest(digests)
    if options.json:
        print_json({"tables": digests, "all": whole})
        return 0
    for name, digest in digests.items():
        print(f"{digest}  {name}")
    print(f"{whole}  all")
    return 0


def _export(database: "Database", options: argparse.Namespace) -> int:
    from tickvol.signals.warehouse.exporting import export_warehouse
    from tickvol.signals.warehouse.upgrading import read_warehouse

    with read_warehouse(database) as connection:
        written = export_warehouse(connection, options.out)
    if options.json:
        print_json({str(path): rows for path, rows in written.items()})
        return 0
    for path, rows in written.items():
        print(f"{path}  {rows:,} rows")
    return 0


_ACTIONS: "dict[str, Callable[[Database, argparse.Namespace], int]]" = {
    "init": _init,
    "upgrade": _upgrade,
    "status": _status,
    "digest": _digest,
    "export": _export,
}
