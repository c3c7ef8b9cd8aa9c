"""The ledger of days as rows of its table."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict

import polars as pl

from tickvol.risk.figures.calendar import day_number, day_text
from tickvol.risk.pipeline.context import GRANULARITY_S
from tickvol.risk.pipeline.ledger import DayEntry
from tickvol.risk.tables import COVERAGE
from tickvol.storage.delta.lake import Lake

Ledgers = dict[str, dict[int, DayEntry]]

_FIELDS = tuple(DayEntry.__dataclass_fields__)


def read_ledgers(lake: Lake, source: str, products: Iterable[str] | None = None) -> Ledgers:
    """The ledger of each product of a source, by day since the epoch; a product without one has an empty ledger."""
    wanted = pl.col("source") == source
    if products is not None:
        products = list(products)
        wanted &= pl.col("product_id").is_in(products)
    rows = lake.table(COVERAGE.name).read(where=wanted)
    ledgers: Ledgers = {product: {} for product in products or ()}
    for row in rows.iter_rows(named=True):
        entry = DayEntry(**{name: row[name] for name in _FIELDS})
        ledgers.setdefault(row["product_id"], {})[day_number(row["day"])] = entry
    return ledgers


def ledger_rows(source: str, ledgers: Mapping[str, Mapping[int, DayEntry]], schema: pl.Schema) -> pl.DataFrame:
    """Rows of the table for the entries of a source."""
    rows = [
        {
            "source": source,
            "product_id": product,
            "granularity_s": GRANULARITY_S,
            "day": day_text(day),
            **asdict(entry),
        }
        for product, entries in ledgers.items()
        for day, entry in sorted(entries.items())
    ]
    return pl.DataFrame(rows, schema=schema)
