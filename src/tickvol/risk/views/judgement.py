"""VaR methods judged by the returns that followed."""

from collections.abc import Sequence

import polars as pl

from tickvol.core.errors import NotEnoughData, UsageError
from tickvol.risk.tables import BACKTEST
from tickvol.risk.views.figures import products_of
from tickvol.risk.views.view import View, number, percent, table_lines
from tickvol.risk.views.words import METHODS, NOTES, plain
from tickvol.storage.delta.lake import Lake


def backtest(lake: Lake, method: str | None = None, products: Sequence[str] | None = None) -> View:
    """Exceptions, tests and traffic light of each method as of the last day.

    Raises
    ------
    NotEnoughData
        If nothing is stored of the method.
    UsageError
        If there is no such method or product.
    """
    if method is not None and method not in METHODS:
        raise UsageError(f"--method: {method!r}: must be one of {', '.join(METHODS)}")
    names = products_of(lake, products)
    rows = lake.table(BACKTEST.name).read(where=pl.col("product_id").is_in(names))
    last = rows.filter(pl.col("as_of_day") == pl.col("as_of_day").max().over("product_id"))
    wanted = METHODS if method is None else (method,)
    places = {name: place for place, name in enumerate(wanted)}
    last = last.filter(pl.col("method").is_in(wanted)).sort(
        "product_id", pl.col("method").replace_strict(places, default=None)
    )
    if last.is_empty():
        raise NotEnoughData(
            f"no forecasts by {method or 'any method'} are stored; `tickvol risk run` computes them"
            " (garch: where risk.garch.refit_days is above 0)"
        )
    header = ["asset", "as of", "method", "exceptions", "days", "expected", "rate", "p rate", "p indep.", "ES z1"]
    lines = table_lines(
        [*header, "light", "verdict"],
        [
            [
                row["product_id"],
                row["as_of_day"],
                row["method"],
                str(row["exceptions"]),
                str(row["n"]),
                number(row["expected"], 1),
                percent(row["rate"], 1),
                number(row["p_pof"], 3),
                number(row["p_ind"], 3),
                number(row["es_z1"]),
                plain(row["light"]),
                plain(row["verdict"]),
            ]
            for row in last.iter_rows(named=True)
        ],
    )
    about_es = "ES z1: the exceptions against the ES; about 0 where the ES is right, below 0 where it is too small."
    return View(last.drop("run_id").to_dicts(), (*lines, "", *NOTES, about_es))
