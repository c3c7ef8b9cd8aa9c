"""Made-up gold tables: the values mean nothing, but types, nulls and keys are those of the declarations."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from tickvol.risk.tables import ANOMALIES, RISK

RANKS = {"BTC-USD": 1, "ETH-USD": 2, "SOL-USD": 3}
FIRST = date(2023, 12, 20)
TYPES = {"text": pl.String, "float64": pl.Float64, "bool": pl.Boolean, "int16": pl.Int16, "int32": pl.Int32}
TYPES |= {"int64": pl.Int64}


def filled(spec, rows, seed, **given):
    """A frame with the columns of a table, filled at random with a tenth of the optional values null."""
    random = np.random.default_rng(seed)
    columns = {}
    for column in spec.columns:
        if column.name == spec.key[-1] and column.type == "text":
            values = [f"{column.name} {number:04}" for number in range(rows)]
        elif column.name == spec.key[-1]:
            values = list(range(rows))
        elif column.type == "text":
            values = [f"{column.name} {number}" for number in random.integers(0, 5, rows)]
        elif column.type == "bool":
            values = (random.random(rows) < 0.1).tolist()
        elif column.type == "float64":
            values = (random.normal(size=rows) * 0.03).tolist()
        else:
            values = random.integers(0, 366, rows).tolist()
        if column.optional:
            values = [
                None if unknown else value for value, unknown in zip(values, random.random(rows) < 0.1, strict=True)
            ]
        columns[column.name] = pl.Series(column.name, given.get(column.name, values), TYPES[column.type])
    return pl.DataFrame(columns)


def risk_of(products=tuple(RANKS), days=80, seed=1):
    """Risk figures of some products; each starts a week after the one before."""
    keys = [
        (product, FIRST + timedelta(7 * late + day)) for late, product in enumerate(products) for day in range(days)
    ]
    source = ["advanced_trade"] * len(keys)
    return filled(
        RISK,
        len(keys),
        seed,
        product_id=[product for product, _ in keys],
        day=[day.isoformat() for _, day in keys],
        source=source,
    )


def anomalies_of(risk, seed=2):
    """Anomalies of the same products, days and returns."""
    shared = {name: risk[name] for name in ("product_id", "day", "log_return")}
    signs = [("up", "moderate"), ("down", "extreme"), (None, None)]
    drawn = [signs[number] for number in np.random.default_rng(seed).choice(3, risk.height, p=[0.05, 0.05, 0.9])]
    shared |= {"direction": [sign[0] for sign in drawn], "severity": [sign[1] for sign in drawn]}
    return filled(ANOMALIES, risk.height, seed, **shared)
