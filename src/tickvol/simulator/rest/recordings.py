"""Markets from recorded files: daily candles as CSV, or shorter ones as feather, one product a file.

A file is named after its product, with `-` or without, and USDT counts as USD: `BTCUSDT_1d.csv`, `ETH-USD.csv`. A CSV
has the columns timestamp (ISO date), open, high, low, close, volume::

    timestamp,open,high,low,close,volume
    2023-01-22,22781.5,23083.0,22277.0,22703.5,138759.901
"""

import csv
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tickvol.core.errors import InputError
from tickvol.core.times import DAY_S
from tickvol.simulator.rest.market import Bar, DailyMarket, Day

_VALUES = ("open", "high", "low", "close", "volume")
_NAME = re.compile(r"([A-Z0-9]{2,10}?)-?(?:USDT|USDC|USD)(?![A-Z])")


def recorded_market(paths: Sequence[Path]) -> DailyMarket:
    """Daily bars of the files; shorter candles are put together to days, also where a day lacks some.

    Raises
    ------
    InputError
        If a file cannot be read, its name is not that of a product, or two files are of one product.
    """
    bars: dict[str, dict[Day, Bar]] = {}
    for path in paths:
        product_id = product_of(path)
        if product_id in bars:
            raise InputError(f"{path}: a second file of {product_id}; give one file a product")
        try:
            bars[product_id] = _daily(_csv_rows(path) if path.suffix.lower() == ".csv" else _feather_rows(path))
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise InputError(f"{path}: cannot be read as candles: {type(error).__name__}: {error}") from error
    return DailyMarket(bars)


def product_of(path: Path) -> str:
    """The product that a file is named after.

    >>> product_of(Path("BTCUSDT_1d.csv")), product_of(Path("ETH-USD.csv"))
    ('BTC-USD', 'ETH-USD')

    Raises
    ------
    InputError
        If the name begins with none.
    """
    match = _NAME.match(path.name.upper())
    if match is None:
        raise InputError(f"{path}: must be named after its product, such as BTC-USD.csv or BTCUSDT_1d.csv")
    return f"{match[1]}-USD"


def _csv_rows(path: Path) -> Iterable[tuple[float, Bar]]:
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            moment = datetime.fromisoformat(row["timestamp"])
            time_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
            yield time_s, Bar(*(float(row[name]) for name in _VALUES))


def _feather_rows(path: Path) -> Iterable[tuple[float, Bar]]:
    from pyarrow import feather, timestamp, types

    table = feather.read_table(path)
    if not types.is_timestamp(table.schema.field("date").type):
        raise ValueError("date: must be a timestamp")
    times_s = [moment.timestamp() for moment in table["date"].cast(timestamp("ms", "UTC")).to_pylist()]
    columns = [table[name].to_pylist() for name in _VALUES]
    return [(time_s, Bar(*values)) for time_s, *values in zip(times_s, *columns, strict=True)]


def _daily(rows: Iterable[tuple[float, Bar]]) -> dict[Day, Bar]:
    days: dict[Day, Bar] = {}
    for time_s, bar in sorted(rows, key=lambda row: row[0]):
        day = int(time_s) // DAY_S
        known = days.get(day)
        days[day] = (
            bar
            if known is None
            else Bar(
                known.open, max(known.high, bar.high), min(known.low, bar.low), bar.close, known.volume + bar.volume
            )
        )
    return days
