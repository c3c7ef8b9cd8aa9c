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
from tickvol.core.times import DAY_S

TIMES = ("timestamp", "date", "time", "open_time", "open_time_s")
VALUES = ("open", "high", "low", "close", "volume")
_READERS = {".csv": pl.read_csv, ".feather": pl.read_ipc, ".parquet": pl.read_parquet}
_UNITS = ((1e17, 1_000_000_000), (1e14, 1_000_000), (1e11, 1_000), (5e8, 1))  # 5e8 s: November 1985
_FORMS = "must be an ISO date such as 2024-01-31, or s, ms, us or ns since the epoch"


@dataclass(frozen=True, slots=True)
class DailyFile:
    """Daily candles of a file.

    Attributes
    ----------
    frame : open_time_s (null where unreadable) and VALUES (null where unreadable), in the file's order.
    bar_s : length of the file's candles in s.
    incomplete : days of a file of shorter candles that are left out, as ISO dates: those that lack a candle, or have
        an invalid one, one off the grid, or two of one time with different values.
    """

    frame: pl.DataFrame
    bar_s: int
    incomplete: tuple[str, ...]

    @property
    def days(self) -> int:
        """Number of days with a row; a day that is there twice counts once."""
        return self.frame["open_time_s"].drop_nulls().n_unique()

    @property
    def unreadable(self) -> int:
        """Number of rows without a readable time."""
        return self.frame["open_time_s"].null_count()


def read_daily_file(path: Path) -> DailyFile:
    """Read a file and drop its last candle, which may still have been open; shorter candles become whole days.

    Raises
    ------
    InputError
        If it cannot be read, lacks a column, its candles have no common length that divides a day, or those of a day
        do not open at 00:00 UTC.
    """
    frame = _columns(_read(path), path)
    times = frame["open_time_s"]
    bar_s = _bar_s(times, path)
    frame = frame.filter(times.ne_missing(pl.Series([times.max()], dtype=pl.Int64)))
    if bar_s != DAY_S:
        return _whole_days(frame, bar_s)
    if not (times.drop_nulls() % DAY_S == 0).any():
        first = datetime.fromtimestamp(int(times.drop_nulls()[0]), UTC)
        raise InputError(f"{path}: {first:%Y-%m-%dT%H:%M:%SZ}: candles of a day must open at 00:00 UTC")
    return DailyFile(frame, bar_s, ())


def _read(path: Path) -> pl.DataFrame:
    reader = _READERS.get(path.suffix.lower())
    if path.is_dir():
        raise InputError(f"{path}: is a directory; name the files in it")
    if reader is None:
        raise InputError(f"{path}: ends in {path.suffix!r}, must be one of {', '.join(_READERS)}")
    try:
        if path.suffix.lower() == ".csv":
            return pl.read_csv(path, infer_schema=False)
        return reader(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except PermissionError:
        raise InputError(f"{path}: no permission to read it") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        kind = path.suffix.lower()[1:].replace("csv", "CSV").replace("parquet", "Parquet")
        reason = "it is empty" if not path.stat().st_size else (str(error).splitlines() or ["no reason given"])[0]
        raise InputError(f"{path}: cannot be read as {kind}: {reason}") from error


def _columns(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    wanted = [name for name in frame.columns if name.strip().lower() in (*TIMES, *VALUES)]
    named = {name.strip().lower(): name for name in wanted}
    if len(named) < len(wanted):
        raise InputError(f"{path}: columns {', '.join(wanted)}: each name must be there once")
    time = next((named[name] for name in TIMES if name in named), None)
    absent = [name for name in VALUES if name not in named] + ([] if time else ["timestamp"])
    if absent:
        raise InputError(f"{path}: columns {_listed(frame.columns)}: {', '.join(absent)} must be among them")
    frame = frame.select(str(time), *(named[name] for name in VALUES))
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))  # blank lines
    values = [_numbers(frame[named[name]]).alias(name) for name in VALUES]
    return pl.DataFrame([_times_s(frame[str(time)], path), *values])


def _listed(names: list[str], most: int = 12) -> str:
    shown = [name[:40] for name in names[:most]]
    return ", ".join([*shown, f"and {len(names) - most} more"] if len(names) > most else shown)


def _numbers(column: pl.Series) -> pl.Series:
    """Values as float64; null where unreadable, as are NaN and infinity."""
    text = column.str.strip_chars() if column.dtype == pl.String else column
    try:
        numbers = text.cast(pl.Float64, strict=False)
    except pl.exceptions.PolarsError:  # a type that holds no number, such as a list
        return pl.Series([None] * len(column), dtype=pl.Float64)
    return pl.select(pl.when(numbers.is_finite()).then(numbers)).to_series()


def _times_s(column: pl.Series, path: Path) -> pl.Series:
    """Opening times in s since the epoch; null where a time is not readable or not a whole second."""
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        micros = column.cast(pl.Datetime("us", getattr(column.dtype, "time_zone", None))).dt.epoch("us")
        return pl.select(pl.when(micros % 1_000_000 == 0).then(micros // 1_000_000)).to_series().alias("open_time_s")
    text = column.cast(pl.String, strict=False).str.strip_chars()
    numbers = _numbers(column if column.dtype.is_numeric() else text)
    if 2 * len(numbers.drop_nulls()) > len(text.drop_nulls()):
        return _from_numbers(numbers, path).alias("open_time_s")
    return pl.Series("open_time_s", [_iso_s(value) for value in text], dtype=pl.Int64)


def _iso_s(text: str | None) -> int | None:
    try:
        moment = datetime.fromisoformat(text or "")
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return int(seconds) if seconds == int(seconds) else None


def _from_numbers(numbers: pl.Series, path: Path) -> pl.Series:
    typical = float(np.median(numbers.drop_nulls().to_numpy()))
    unit = next((scale for limit, scale in _UNITS if typical >= limit), None)
    if unit is None:
        raise InputError(f"{path}: time {numbers.drop_nulls()[0]:.15g}: {_FORMS}")
    seconds = numbers / unit
    return pl.select(pl.when(seconds == seconds.round()).then(seconds)).to_series().cast(pl.Int64, strict=False)


def _bar_s(times: pl.Series, path: Path) -> int:
    known = times.drop_nulls().unique().sort()
    if len(known) < 2:
        rule = "at least 2 are needed, as the last one is dropped"
        raise InputError(f"{path}: {len(known)} of {len(times)} rows with a time of their own: {rule}; a time {_FORMS}")
    bar_s = int(np.median(np.diff(known.to_numpy())))
    if DAY_S % bar_s != 0:
        raise InputError(f"{path}: its candles are {bar_s} s long: their length must divide a day")
    return bar_s


def _whole_days(frame: pl.DataFrame, bar_s: int) -> DailyFile:
    """Days of which every candle is there and valid: first open, highest high, lowest low, last close, total volume."""
    day = pl.col("open_time_s") // DAY_S * DAY_S
    is_valid = pl.all_horizontal(pl.col(name).is_finite().fill_null(False) for name in VALUES)
    different = frame.drop_nulls("open_time_s").unique()
    is_only = pl.col("open_time_s").is_unique()
    days = (
        different.with_columns(is_good=is_valid & is_only & (pl.col("open_time_s") % bar_s == 0))
        .sort("open_time_s")
        .group_by(day.alias("day_s"), maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            bars=pl.len(),
            is_good=pl.col("is_good").all(),
        )
        .rename({"day_s": "open_time_s"})
    )
    whole = pl.col("is_good") & (pl.col("bars") == DAY_S // bar_s)
    left_out = days.filter(~whole)["open_time_s"].to_numpy().astype("datetime64[s]").astype("datetime64[D]")
    return DailyFile(days.filter(whole).drop("bars", "is_good"), bar_s, tuple(str(name) for name in left_out))
