"""Rows per second into `fact_indicator` of a warehouse, as a ratio to SQLAlchemy's insert of dictionaries.

    python benchmarks/warehouse.py URL...

Each URL names an empty database. Prints new rows, the same rows again, and the yardstick, which writes the rows after
they were deleted.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import sqlalchemy as sa

from tickvol.signals.warehouse.declaring import METADATA
from tickvol.signals.warehouse.facts import fact_indicator
from tickvol.signals.warehouse.upgrading import open_warehouse, upgrade
from tickvol.storage.warehouse.engine import Database
from tickvol.storage.warehouse.insert import insert_new

ROWS = 200_000
BATCH = 50_000
TYPES = 20


def columns() -> dict[str, np.ndarray]:
    """Values of 20 indicators at each bar, in the order of the key."""
    bars = ROWS // TYPES
    return {
        "symbol_id": np.ones(ROWS, np.int16),
        "interval_id": np.ones(ROWS, np.int16),
        "indicator_type_id": np.repeat(np.arange(TYPES, dtype=np.int16), bars),
        "close_time_ms": 1_700_000_000_000 + 3_600_000 * np.tile(np.arange(bars), TYPES),
        "value": np.random.default_rng(7).normal(size=ROWS),
        "history_bars": np.full(ROWS, 140, np.int32),
    }


def measure(url: str) -> dict[str, float]:
    """Rows per second of each way."""
    content = columns()
    with open_warehouse(url, setting="URL") as database:
        upgrade(database)
        _write_dimensions(database)
        dicts = [
            dict(zip(content, row, strict=True))
            for row in zip(*(values.tolist() for values in content.values()), strict=True)
        ]
        rates = {
            "new": _rate(database, lambda c, a, b: insert_new(c, fact_indicator, _part(content, a, b))),
            "again": _rate(database, lambda c, a, b: insert_new(c, fact_indicator, _part(content, a, b))),
        }
        with database.writing("bench") as connection:
            connection.execute(sa.delete(fact_indicator))
        return rates | {"dicts": _rate(database, lambda c, a, b: c.execute(sa.insert(fact_indicator), dicts[a:b]))}


def _part(content: dict[str, np.ndarray], start: int, stop: int) -> dict[str, np.ndarray]:
    return {name: values[start:stop] for name, values in content.items()}


def _rate(database: Database, write: Callable[[sa.Connection, int, int], object]) -> float:
    start = time.perf_counter()
    for first in range(0, ROWS, BATCH):
        with database.writing("bench") as connection:
            write(connection, first, first + BATCH)
    return ROWS / (time.perf_counter() - start)


def _write_dimensions(database: Database) -> None:
    tables = METADATA.tables
    with database.writing() as connection:
        connection.execute(
            sa.insert(tables["dim_symbol"]),
            {"symbol_id": 1, "code": "BTC-USDT", "base": "BTC", "quote": "USDT", "venue": "x", "active": 1},
        )
        connection.execute(sa.insert(tables["dim_interval"]), {"interval_id": 1, "code": "1h", "length_ms": 3_600_000})
        row = {"version": 1, "source": "stored", "kind": "x", "params": "{}", "unit": "x", "warmup_bars": 1}
        more = {"memory_bars": 140, "formula_hash": "0" * 64}
        connection.execute(
            sa.insert(tables["dim_indicator_type"]),
            [{"indicator_type_id": number, "code": f"x{number}", **row, **more} for number in range(TYPES)],
        )


if __name__ == "__main__":
    for one in sys.argv[1:]:
        rates = measure(one)
        shown = ", ".join(f"{name} {rate:,.0f} rows/s ({rate / rates['dicts']:.1f}x)" for name, rate in rates.items())
        print(f"{one.partition(':')[0]}: {shown}")
