"""Files of candles of any length to daily candles: CSV, feather or Parquet, one product a file.

A row of such a file, as CSV; `date`, `time` and `open_time` may stand for `timestamp`, further columns are ignored::

    timestamp,open,high,low,close,volume
    2023-01-22,22781.5,23083.0,22277.0,22703.5,138759.901

A time is an ISO date or time (without a zone: UTC), or a number of s, ms, us or ns since the epoch.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from tickvol.core.errors import InputError

DAY_S = 86_400
TIMES = ("timestamp", "date", "time", "open_time", "open_time_s")
VALUES = ("open", "high", "low", "close", "volume")
_READERS = {".csv": pl.read_csv, ".feather": pl.read_ipc, ".parquet": pl.read_parquet}
_UNITS = ((1e17, 1_000_000_000), (1e14, 1_000_000), (1e11, 1_000), (0.0, 1))


@dataclass(frozen=True, slots=True)
class DailyFile:
    """Daily candles of a file.

    Attributes
    ----------
    frame : open_time_s (null where unreadable) and VALUES (null where unreadable), in the file's order.
    bar_s : length of the file's candles in s.
    incomplete : days of a file of shorter candles that lack a candle, and are left out, as ISO dates.
    """

    frame: pl.DataFrame
    bar_s: int
    incomplete: tuple[str, ...]


def read_daily_file(path: Path) -> DailyFile:
    """Read a file and drop its last candle, which may still have been open; shorter candles become whole days.

    Raises
    ------
    InputError
        If it cannot be read, lacks a column, or its candles have no common length that divides a day.
    """
    frame = _columns(_read(path), path)
    bar_s = _bar_s(frame["open_time_s"], path)
    newest = frame["open_time_s"].max()
    frame = frame.filter(pl.col("open_time_s").ne_missing(pl.lit(newest, pl.Int64)))
    if bar_s == DAY_S:
        return DailyFile(frame, bar_s, ())
    return _whole_days(frame, bar_s)


def _read(path: Path) -> pl.DataFrame:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: ends in {path.suffix!r}, must be one of {', '.join(_READERS)}")
    try:
        if path.suffix.lower() == ".csv":
            return pl.read_csv(path, infer_schema=False)
        return reader(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: cannot be read: {(str(error).splitlines() or ['no reason given'])[0]}") from error


def _columns(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    named = {name.strip().lower(): name for name in frame.columns}
    time = next((named[name] for name in TIMES if name in named), None)
    absent = [name for name in VALUES if name not in named] + ([] if time else ["timestamp"])
    if absent:
        raise InputError(f"{path}: columns {', '.join(frame.columns)}: {', '.join(absent)} must be among them")
    values = [frame[named[name]].cast(pl.Float64, strict=False).alias(name) for name in VALUES]
    return pl.DataFrame([_times_s(frame[str(time)]), *values])


def _times_s(column: pl.Series) -> pl.Series:
    """Opening times in s since the epoch; null where a time is not readable or not a whole second."""
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None:
            column = column.dt.convert_time_zone("UTC")
        return column.dt.epoch("s").cast(pl.Int64).alias("open_time_s")
    if column.dtype.is_numeric():
        return _from_numbers(column.cast(pl.Float64)).alias("open_time_s")
    text = column.cast(pl.String).str.strip_chars()
    numbers = text.cast(pl.Float64, strict=False)
    if numbers.null_count() < len(text):
        return _from_numbers(numbers).alias("open_time_s")
    return _from_iso(text).alias("open_time_s")


def _from_iso(text: pl.Series) -> pl.Series:
    return pl.Series([_iso_s(value) for value in text], dtype=pl.Int64)


def _iso_s(text: str | None) -> int | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return int(seconds) if seconds == int(seconds) else None


def _from_numbers(numbers: pl.Series) -> pl.Series:
    typical = abs(float(np.median(numbers.drop_nulls().to_numpy()))) if numbers.drop_nulls().len() else 0.0
    unit = next(scale for limit, scale in _UNITS if typical >= limit)
    seconds = numbers / unit
    return pl.select(pl.when(seconds == seconds.round()).then(seconds)).to_series().cast(pl.Int64, strict=False)


def _bar_s(times: pl.Series, path: Path) -> int:
    known = times.drop_nulls().unique().sort()
    if len(known) < 2:
        raise InputError(f"{path}: {len(known)} candles with a readable time: at least two are needed")
    bar_s = int(np.median(np.diff(known.to_numpy())))
    if DAY_S % bar_s != 0:
        raise InputError(f"{path}: its candles are {bar_s} s long: their length must divide a day")
    return bar_s


def _whole_days(frame: pl.DataFrame, bar_s: int) -> DailyFile:
    """Days of which every candle is there and valid: first open, highest high, lowest low, last close, total volume."""
    day = pl.col("open_time_s") // DAY_S * DAY_S
    is_valid = pl.all_horizontal(pl.col(name).is_finite().fill_null(False) for name in VALUES)
    unique = frame.drop_nulls("open_time_s").unique("open_time_s", keep="last", maintain_order=True)
    days = (
        unique.sort("open_time_s")
        .group_by(day.alias("day_s"), maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            bars=(is_valid & (pl.col("open_time_s") % bar_s == 0)).sum(),
        )
        .rename({"day_s": "open_time_s"})
    )
    whole = pl.col("bars") == DAY_S // bar_s
    left_out = days.filter(~whole)["open_time_s"].to_numpy().astype("datetime64[s]").astype("datetime64[D]")
    return DailyFile(days.filter(whole).drop("bars"), bar_s, tuple(str(name) for name in left_out))
