"""Files of candles (klines) to columns: feather, Parquet or CSV with the columns date, high, low and close.

A row of such a file, as CSV::

    date,open,high,low,close,volume
    2025-01-01 00:00:00+00:00,93576.0,93702.15,93489.03,93656.18,28.3

`date` is the candle's start; without a zone it is UTC.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tickvol.core.candle_columns import CandleColumns
from tickvol.core.errors import InputError, UsageError
from tickvol.core.times import NS_PER_MS

if TYPE_CHECKING:
    import pandas as pd

QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "USD", "EUR", "GBP", "BTC", "ETH")
_PRODUCT = re.compile(r"[A-Z0-9]{1,16}-[A-Z0-9]{1,16}")
_COLUMNS = ("date", "high", "low", "close")
_NO_TIME = np.datetime64("NaT", "ns").astype(np.int64)


@dataclass(frozen=True, slots=True)
class KlineFile:
    """A file and the product that it holds."""

    product_id: str
    path: Path

    @classmethod
    def named(cls, text: str) -> "KlineFile":
        """Parse `PRODUCT=FILE`, or a file's name such as `BTCUSDT-5m.feather`.

        Raises
        ------
        UsageError
            If neither names a product.

        >>> KlineFile.named("BTCUSDT-5m.feather").product_id
        'BTC-USDT'
        >>> KlineFile.named("ETH-EUR=dir/x.csv").path
        PosixPath('dir/x.csv')
        """
        product_id, given, path = text.partition("=")
        if given and _PRODUCT.fullmatch(product_id):
            return cls(product_id, Path(path))
        symbol = re.split(r"[-_.]", Path(text).name)[0].upper()
        for quote in QUOTES:
            if symbol.endswith(quote) and len(symbol) > len(quote):
                return cls(f"{symbol.removesuffix(quote)}-{quote}", Path(text))
        raise UsageError(f"--klines: {text!r}: its name has no product; write PRODUCT=FILE, such as BTC-USDT={text}")


class RejectedRow(NamedTuple):
    """A row that gave no candle: its number in the file, from 1, the reason, and its content as JSON."""

    number: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Klines:
    """Candles and rejected rows of a file.

    Attributes
    ----------
    candles : closed and valid ones, ascending.
    rejected : ascending; the last valid row, which may still have been open, is in neither.
    """

    candles: CandleColumns
    rejected: list[RejectedRow]


def read_klines(file: KlineFile, *, product: int, bar_ms: int) -> Klines:
    """Read a file, except its last candle: it may still have been open, as no later candle confirms it.

    Parameters
    ----------
    product : product index in the columns.
    bar_ms : required length of the candles.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or holds candles of another length.
    """
    frame = _read(file.path)
    absent = [name for name in _COLUMNS if name not in frame.columns]
    if absent:
        raise InputError(f"{file.path}: columns {', '.join(frame.columns)}: {', '.join(absent)} must be among them")
    start_ns = _start_ns(frame, file.path)
    high, low, close = (_numbers(frame[name]) for name in _COLUMNS[1:])
    timeless = start_ns == _NO_TIME
    _require_length(file.path, start_ns[~timeless], bar_ms)
    bad = {
        "no time": timeless,
        "not on the grid": start_ns % (bar_ms * NS_PER_MS) != 0,
        "no price": ~(np.isfinite(high) & np.isfinite(low) & np.isfinite(close)) | (low <= 0),
        "close outside of low to high": (close > high) | (close < low),
        "not after the one before": np.append(False, start_ns[1:] <= np.maximum.accumulate(start_ns)[:-1]),
    }
    reasons: dict[int, str] = {}
    for reason, rows in bad.items():
        reasons = dict.fromkeys(np.flatnonzero(rows).tolist(), reason) | reasons
    left_out = sorted(reasons)
    texts = (
        frame.iloc[left_out].to_json(orient="records", lines=True, date_format="iso").split("\n")
    )  # "" after the last
    rejected = [RejectedRow(row + 1, reasons[row], text) for row, text in zip(left_out, texts, strict=False)]
    good = np.ones(len(start_ns), np.bool_)
    good[left_out] = False
    good[np.flatnonzero(good)[-1:]] = False
    chosen = np.full(int(good.sum()), product, np.int32)
    return Klines(CandleColumns(chosen, start_ns[good], high[good], low[good], close[good]), rejected)


def _read(path: Path) -> "pd.DataFrame":
    import pandas as pd

    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".feather": pd.read_feather,
        ".parquet": pd.read_parquet,
        ".csv": pd.read_csv,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"--klines: {path}: ends in {path.suffix!r}, must be one of {', '.join(readers)}")
    try:
        frame = reader(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--klines: {path}: cannot be read: {(str(error).splitlines() or ['no reason given'])[0]}"
        ) from error
    return frame


def _start_ns(frame: "pd.DataFrame", path: Path) -> NDArray[np.int64]:
    import pandas as pd

    moments = pd.to_datetime(frame["date"], utc=True, format="ISO8601", errors="coerce")
    if len(moments) and moments.isna().all():
        raise InputError(f"--klines: {path}: date: {frame['date'].iloc[0]!r}: must be a time such as 2025-01-01 00:05")
    return moments.to_numpy("datetime64[ns]").astype(np.int64)


def _numbers(column: "pd.Series[Any]") -> NDArray[np.float64]:
    import pandas as pd

    return pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)


def _require_length(path: Path, start_ns: NDArray[np.int64], bar_ms: int) -> None:
    steps = np.diff(start_ns)
    if len(steps) == 0:
        raise InputError(f"--klines: {path}: {len(start_ns)} candles: at least two are needed to know their length")
    typical_ms = int(np.median(steps)) // NS_PER_MS
    if typical_ms != bar_ms:
        raise InputError(
            f"--klines: {path}: its candles are {typical_ms} ms long, candles.bar_ms is {bar_ms}: must be equal"
        )
