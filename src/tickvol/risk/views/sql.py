"""SQL over the stored tables, by Polars: read-only, as it works on copies in memory."""

import polars as pl

from tickvol.core.errors import UsageError
from tickvol.risk.views.view import View, table_lines
from tickvol.storage.delta.lake import Lake

_MAX_LINES = 1000


def sql(lake: Lake, query: str) -> View:
    """Rows of a query; tables are those that `tickvol tables list` shows.

    Raises
    ------
    UsageError
        If the query is not a SELECT, or Polars cannot run it.
    """
    if query.lstrip().partition(" ")[0].upper() not in ("SELECT", "WITH"):
        raise UsageError(f"SQL: {query.strip()[:40]!r}: must begin with SELECT or WITH; the tables are read-only")
    names = [table.spec.name for table in lake.tables() if table.spec.name in query]
    context = pl.SQLContext(frames={name: lake.table(name).read() for name in names}, eager=True)
    try:
        rows = context.execute(query)
    except pl.exceptions.PolarsError as error:
        known = ", ".join(table.spec.name for table in lake.tables())
        raise UsageError(f"SQL: {(str(error).splitlines() or [''])[0]}; tables: {known}") from None
    shown = [["-" if value is None else str(value) for value in row] for row in rows.head(_MAX_LINES).iter_rows()]
    lines = table_lines(rows.columns, shown)
    if len(rows) > _MAX_LINES:
        lines.append(f"... {len(rows) - _MAX_LINES:,} more rows; --json gives all")
    return View(rows.to_dicts(), tuple(lines))
