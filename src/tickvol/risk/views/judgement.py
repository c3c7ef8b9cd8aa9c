"""VaR methods judged by what came true, and minimum-variance weights."""

import polars as pl

from tickvol.core.errors import UsageError
from tickvol.risk.tables import BACKTEST
from tickvol.risk.views.figures import METHODS, products_of
from tickvol.risk.views.view import View, number, percent, table_lines
from tickvol.storage.delta.lake import Lake


def backtest(lake: Lake, method: str | None = None, product: str | None = None) -> View:
    """Exceptions, tests and traffic light of each method as of the last day."""
    if method is not None and method not in METHODS:
        raise UsageError(f"--method: {method!r}: must be one of {', '.join(METHODS)}")
    names = products_of(lake, product)
    rows = lake.table(BACKTEST.name).read(where=pl.col("product_id").is_in(names))
    last = rows.filter(pl.col("as_of_day") == pl.col("as_of_day").max().over("product_id"))
    if method is not None:
        last = last.filter(pl.col("method") == method)
    header = ["asset", "method", "days", "exceptions", "expected", "rate", "p rate", "p indep.", "ES z1", "light"]
    lines = table_lines(
        [*header, "verdict"],
        [
            [
                row["product_id"],
                row["method"],
                str(row["n"]),
                str(row["exceptions"]),
                number(row["expected"], 1),
                percent(row["rate"], 1),
                number(row["p_pof"], 3),
                number(row["p_ind"], 3),
                number(row["es_z1"]),
                row["light"],
                row["verdict"],
            ]
            for row in last.iter_rows(named=True)
        ],
    )
    return View(last.drop("run_id").to_dicts(), tuple(lines))
