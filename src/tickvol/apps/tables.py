"""`tickvol tables`: the Delta tables: versions, rows, history, digests, earlier versions, and their maintenance."""

import argparse
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tickvol.command import agreed, command_parser, print_json, run_command

if TYPE_CHECKING:
    import polars as pl

    from tickvol.storage.delta.lake import Lake
    from tickvol.storage.delta.table import LakeTable

DESCRIPTION = """The Delta tables of all systems (section `lake`).

  list              each declared table: version, rows, files, size
  history TABLE     its commits, newest first: time, operation, run, rows
  digest [TABLE...] SHA-256 of the content: equal for equal rows, whatever the files and the runs that wrote them
  at TABLE          its rows, sorted by key, at --version N or now
  compact [TABLE..] join small files
  vacuum [TABLE...] delete files that left a table more than lake.retention_h ago; earlier versions end with them
  restore TABLE     make the rows of --version N the newest version
  migrate [TABLE..] add columns that are declared and not stored yet

While another process writes, compact, vacuum, restore and migrate refuse."""

_ONE_TABLE = ("history", "at", "restore")
_OPTIONS = {
    "version": ("at", "restore"),
    "limit": ("history", "at"),
    "by_partition": ("digest",),
    "yes": ("restore",),
    "json": ("list", "history", "digest", "at"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol tables`."""
    parser = command_parser("tables", DESCRIPTION)
    parser.add_argument("action", choices=tuple(_ACTIONS), help="what to do")
    parser.add_argument("table", nargs="*", metavar="TABLE", help="tables; default: all of them")
    parser.add_argument(
        "--version", type=int, metavar="N", help="at, restore: version of the table; default of at: now"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="history, at: print the first N only; default: all")
    parser.add_argument("--by-partition", action="store_true", help="digest: one per partition")
    parser.add_argument("--yes", action="store_true", help="restore: do not ask")
    parser.add_argument("--json", action="store_true", help="list, history, digest, at: print JSON")
    return run_command(parser, _tables, argv)


def _tables(options: argparse.Namespace) -> int:
    from tickvol.config import load_config
    from tickvol.core.errors import UsageError
    from tickvol.storage.delta.lake import Lake
    from tickvol.systems import all_tables

    if problems := _misused(options):
        raise UsageError(problems)
    config = load_config(options.config).lake
    lake = Lake(config.dir, all_tables(), retention_h=config.retention_h, checkpoint_commits=config.checkpoint_commits)
    named = [lake.table(name) for name in dict.fromkeys(options.table)]
    return _ACTIONS[options.action](lake, named or list(lake.tables()), options)


def _misused(options: argparse.Namespace) -> list[str]:
    action = options.action
    problems = [
        f"--{name.replace('_', '-')}: goes with {', '.join(actions)} only"
        for name, actions in _OPTIONS.items()
        if (given := getattr(options, name)) is not None and given is not False and action not in actions
    ]
    if action in _ONE_TABLE and len(options.table) != 1:
        problems.append(f"TABLE: {len(options.table)} given: {action} takes exactly one")
    if action == "list" and options.table:
        problems.append(f"TABLE: {options.table[0]!r}: list takes none")
    if action == "restore" and options.version is None:
        problems.append("--version: is missing: restore needs it; `tickvol tables history` lists versions")
    if options.version is not None and options.version < 0:
        problems.append(f"--version: {options.version}: must be at least 0")
    if options.limit is not None and options.limit < 1:
        problems.append(f"--limit: {options.limit}: must be at least 1")
    return problems


def _list(lake: "Lake", tables: "Sequence[LakeTable]", options: argparse.Namespace) -> int:
    listed = [
        {
            "table": table.spec.name,
            "version": table.version(),
            "rows": table.rows(),
            "files": table.files(),
            "size_mb": round(table.size_bytes() / 1e6, 3),
            "append_only": table.spec.append_only,
            "about": table.spec.about,
        }
        for table in tables
    ]
    if options.json:
        print_json(listed)
        return 0
    print(f"directory {lake.directory}")
    print(f"{'table':<34}{'version':>8}{'rows':>12}{'files':>7}{'MB':>10}")
    for row in listed:
        version = "-" if row["version"] is None else row["version"]
        print(f"{row['table']:<34}{version:>8}{row['rows']:>12,}{row['files']:>7}{row['size_mb']:>10.3f}")
    return 0


def _history(lake: "Lake", tables: "Sequence[LakeTable]", options: argparse.Namespace) -> int:
    commits = tables[0].history(options.limit)
    if options.json:
        print_json(commits)
        return 0
    print(f"{'version':>7}  {'time (UTC)':<24}{'operation':<14}{'added':>10}{'removed':>10}  run")
    for commit in commits:
        added = "-" if commit.rows_added is None else f"{commit.rows_added:,}"
        removed = "-" if commit.rows_removed is None else f"{commit.rows_removed:,}"
        print(
            f"{commit.version:>7}  {_time(commit.time_us):<24}{commit.operation:<14}{added:>10}{removed:>10}"
            f"  {commit.run_id or '-'}"
        )
    return 0


def _time(time_us: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _digest(lake: "Lake", tables: "Sequence[LakeTable]", options: argparse.Namespace) -> int:
    digests = {
        table.spec.name: table.partition_digests() if options.by_partition else {"": table.digest()} for table in tables
    }
    if options.json:
        print_json(digests if options.by_partition else {name: one[""] for name, one in digests.items()})
        return 0
    for name, partitions in digests.items():
        for partition, digest in partitions.items():
            print(f"{digest}  {name}{'/' if partition else ''}{partition}")
    return 0


def _at(lake: "Lake", tables: "Sequence[LakeTable]", options: argparse.Namespace) -> int:
    rows = tables[0].read(version=options.version)
    kept = rows if options.limit is None else rows.head(options.limit)
    if options.json:
        print_json(kept.to_dicts())
        return 0
    _print_rows(kept)
    print(f"{len(kept):,} of {len(rows):,} rows")
    return 0


def _print_rows(rows: "pl.DataFrame") -> None:
    import polars as pl

    with pl.Config(
        tbl_formatting="NOTHING",
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=-1,
        fmt_str_lengths=64,
        float_precision=None,
    ):
        print(rows)


def _maintain(work: str, lake: "Lake", tables: "Sequence[LakeTable]", options: argparse.Namespace) -> int:
    with lake.writing():
        for table in tables:
            if work == "compact":
                print(f"{table.spec.name:<34}{table.compact():>6} files joined, {table.files()} now")
            elif work == "vacuum":
                print(f"{table.spec.name:<34}{table.vacuum():>6} files deleted")
            else:
                print(f"{table.spec.name:<34}added: {', '.join(table.migrate()) or 'nothing'}")
    return 0


def _restore(lake: "Lake", tables: "Sequence[LakeTable]", options: argparse.Namespace) -> int:
    table = tables[0]
    with lake.writing():
        question = f"{table.spec.name}: make version {options.version} the newest, instead of {table.version()}?"
        if not options.yes and not agreed(question):
            print("nothing was changed")
            return 1
        table.restore(options.version)
        print(f"{table.spec.name}: version {table.version()} has the rows of version {options.version}")
    return 0


_ACTIONS: "dict[str, Callable[[Lake, Sequence[LakeTable], argparse.Namespace], int]]" = {
    "list": _list,
    "history": _history,
    "digest": _digest,
    "at": _at,
    "compact": functools.partial(_maintain, "compact"),
    "vacuum": functools.partial(_maintain, "vacuum"),
    "restore": _restore,
    "migrate": functools.partial(_maintain, "migrate"),
}
