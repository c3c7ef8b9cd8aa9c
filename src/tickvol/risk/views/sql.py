"""SQL over the stored tables, by Polars: read-only, as it works on copies in memory."""

import re

import polars as pl

from tickvol.core.errors import UsageError
from tickvol.risk.views.view import View, counted, table_lines
from tickvol.storage.delta.lake import Lake

_MOST_LINES, _WIDEST = 1000, 100
_BEFORE = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_READS_FILES = re.compile(r"\bread_\w*", re.IGNORECASE)  # Polars' functions that read files: read_csv, read_parquet ...


def sql(lake: Lake, query: str) -> View:
    """Rows of a query over the tables of a lake.

    Raises
    ------
    UsageError
        If the query is not one SELECT over these tables, or Polars cannot run it.
    """
    _check(query)
    lowered = query.lower()
    names = [table.spec.name for table in lake.tables() if table.spec.name in lowered]
    context = pl.SQLContext(frames={name: lake.table(name).read() for name in names}, eager=True)
    try:
        rows = context.execute(query)
    except pl.exceptions.PolarsError as error:
        known = ", ".join(table.spec.name for table in lake.tables())
        reason = (str(error).splitlines() or ["no reason given"])[0]
        hint = f"; the tables are {known}" if "relation" in reason else ""
        raise UsageError(f"SQL: {_short(query)!r}: {reason}{hint}") from None
    return View(rows.to_dicts(), tuple(_lines(rows)))


def _check(query: str) -> None:
    start = _BEFORE.match(query)
    first = re.match(r"\w*", query[start.end() if start else 0 :])
    if first is None or first[0].upper() not in ("SELECT", "WITH"):
        raise UsageError(f"SQL: {_short(query)!r}: must be a SELECT, with WITH before it or not; tables are read-only")
    if found := _READS_FILES.search(query):
        raise UsageError(f"SQL: {found[0]!r}: reads files; only the tables of `tickvol tables list` may be read")


def _short(query: str) -> str:
    text = " ".join(query.split())
    return text if len(text) <= 60 else f"{text[:60]}..."


def _lines(rows: pl.DataFrame) -> list[str]:
    if not rows.width:
        return ["no column"]
    lines = table_lines(rows.columns, [[_cell(value) for value in row] for row in rows.head(_MOST_LINES).iter_rows()])
    if len(rows) > _MOST_LINES:
        lines.append(f"... {len(rows) - _MOST_LINES:,} more rows; --json prints all")
    return [*lines, counted(len(rows), "row")]


def _cell(value: object) -> str:
    if value is None or value != value:  # NaN
        return "-"
    text = " ".join(str(value).split())
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
