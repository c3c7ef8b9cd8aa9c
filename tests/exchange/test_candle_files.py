"""Files of candles to daily ones: every form of a time, every fault of a file, and whole days from shorter candles."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tickvol.core.errors import InputError
from tickvol.exchange.candle_files import DAY_S, DailyFile, read_daily_file

HEADER = "timestamp,open,high,low,close,volume"
FIRST_S = 1_704_067_200  # 2024-01-01
TAIL = "100,110,90,101,7"


def read(tmp_path: Path, *lines: str, header: str = HEADER, name: str = "x.csv") -> DailyFile:
    path = tmp_path / name
    path.write_text("\n".join((header, *lines)) + "\n")
    return read_daily_file(path)


def days_from(times: Sequence[str]) -> list[str]:
    return [f"{time},{TAIL}" for time in times]


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_daily_file(path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: ")
    return line.removeprefix(f"{path}: ")


def frame(count: int, step_s: int = DAY_S) -> pl.DataFrame:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    times = [start + timedelta(seconds=step_s * number) for number in range(count)]
    bar = {"open": 100.0, "high": 110.0, "low": 90.0, "close": 101.0, "volume": 7.0}
    numbers = pl.Series(range(count), dtype=pl.Float64)
    return pl.DataFrame({"date": times}).with_columns((numbers + value).alias(name) for name, value in bar.items())


@pytest.mark.parametrize(
    "times",
    [
        ("2024-01-01", "2024-01-02", "2024-01-03"),
        ("2024-01-01T00:00:00", "2024-01-02T00:00:00", "2024-01-03T00:00:00"),
        ("2024-01-01 00:00:00+00:00", "2024-01-02 00:00:00+00:00", "2024-01-03 00:00:00+00:00"),
        ("2024-01-01T00:00:00Z", "2024-01-02T00:00:00.000Z", "2024-01-03T00:00:00Z"),
        ("2024-01-01T08:00:00+08:00", "2024-01-02T08:00:00+08:00", "2024-01-03T08:00:00+08:00"),
        *(tuple(f"{FIRST_S + n * DAY_S}{zeros}" for n in range(3)) for zeros in ("", "000", "000000", "000000000")),
        ("1704067200.0", "1.7041536e9", " 1704240000 "),
        ("2024-01-03", "2024-01-01", "2024-01-02"),
    ],
    ids=["date", "naive", "zone", "Z", "east", "s", "ms", "us", "ns", "float", "unsorted"],
)
def test_every_form_of_a_time_gives_the_same_days(times: Sequence[str], tmp_path: Path) -> None:
    found = read(tmp_path, *days_from(times))
    assert sorted(found.frame["open_time_s"].to_list()) == [FIRST_S, FIRST_S + DAY_S]
    assert (found.bar_s, found.days, found.unreadable, found.incomplete) == (DAY_S, 2, 0, ())


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("suffix", ["feather", "parquet"])
def test_binary_files_give_the_same_days(unit: str, zone: str | None, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    times = pl.col("date").dt.cast_time_unit(unit)  # type: ignore[arg-type]
    stored = frame(3).with_columns(times.dt.convert_time_zone(zone) if zone else times.dt.replace_time_zone(None))
    (stored.write_ipc if suffix == "feather" else stored.write_parquet)(path)
    found = read_daily_file(path)
    assert found.frame["open_time_s"].to_list() == [FIRST_S, FIRST_S + DAY_S]
    assert found.frame["close"].to_list() == [101.0, 102.0]


def test_a_column_of_dates_and_one_of_integers_are_read(tmp_path: Path) -> None:
    for times in (pl.col("date").dt.date(), pl.col("date").dt.epoch("ms")):
        frame(3).with_columns(times).write_parquet(tmp_path / "x.parquet")
        assert read_daily_file(tmp_path / "x.parquet").frame["open_time_s"].to_list() == [FIRST_S, FIRST_S + DAY_S]


@pytest.mark.parametrize("name", ["Timestamp", "DATE", " time", "open_time", "open_time_s"])
def test_names_of_columns_in_other_case_and_further_columns_are_read(name: str, tmp_path: Path) -> None:
    header = f"turnover,{name}, Open,HIGH,Low,Close ,Volume"
    found = read(tmp_path, f"1,2024-01-01,{TAIL}", f"2,2024-01-02,{TAIL}", header=header)
    assert found.frame.row(0) == (FIRST_S, 100.0, 110.0, 90.0, 101.0, 7.0)


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    lines = [HEADER, "", *days_from(["2024-01-01", "2024-01-02"]), "", ""]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    found = read_daily_file(path)
    assert (found.frame["open_time_s"].to_list(), found.unreadable) == ([FIRST_S], 0)


def test_the_newest_candle_is_left_out_wherever_it_stands(tmp_path: Path) -> None:
    found = read(tmp_path, *days_from(["2024-01-03", "2024-01-01", "2024-01-03", "2024-01-02"]))
    assert found.frame["open_time_s"].to_list() == [FIRST_S, FIRST_S + DAY_S]


def test_bad_cells_become_unknown_and_stay_for_the_rules(tmp_path: Path) -> None:
    rows = ["2024-01-01,x,110,90,,nan", f"someday,{TAIL}", f"2024-01-02T00:00:00.5,{TAIL}", f",{TAIL}"]
    found = read(tmp_path, *rows, *days_from(["2024-01-02", "2024-01-03", "2024-01-04"]))
    assert found.frame.row(0) == (FIRST_S, None, 110.0, 90.0, None, None)
    assert (found.days, found.unreadable) == (3, 3)


def test_one_number_among_dates_makes_no_dates_unreadable(tmp_path: Path) -> None:
    found = read(tmp_path, *days_from(["5", "2024-01-01", "2024-01-02", "2024-01-03"]))
    assert (found.days, found.unreadable) == (2, 1)


def test_the_same_day_twice_stays_for_the_rules_and_counts_once(tmp_path: Path) -> None:
    found = read(tmp_path, f"2024-01-01,{TAIL}", "2024-01-01,1,2,0.5,1,7", *days_from(["2024-01-02", "2024-01-03"]))
    assert (len(found.frame), found.days) == (3, 2)


def test_missing_days_leave_gaps(tmp_path: Path) -> None:
    found = read(tmp_path, *days_from(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-09", "2024-01-10"]))
    assert (found.bar_s, found.days) == (DAY_S, 4)


def hours(
    tmp_path: Path, edit: pl.Expr | None = None, *, count: int = 73, more: pl.DataFrame | None = None
) -> DailyFile:
    table = frame(count, 3600)
    if edit is not None:
        table = table.filter(edit)
    path = tmp_path / "x.parquet"
    (table if more is None else pl.concat([table, more])).write_parquet(path)
    return read_daily_file(path)


def test_whole_days_are_made_of_shorter_candles(tmp_path: Path) -> None:
    found = hours(tmp_path)
    assert (found.bar_s, found.incomplete) == (3600, ())
    assert found.frame.row(1) == (
        FIRST_S + DAY_S,
        124.0,
        110.0 + 47,
        90.0 + 24,
        101.0 + 47,
        24 * 7.0 + sum(range(24, 48)),
    )


@pytest.mark.parametrize(
    ("edit", "more"),
    [
        (pl.col("open") != 130.0, None),
        (None, frame(31, 3600).tail(1).with_columns(close=pl.lit(1.0))),
        (None, frame(62, 1800).tail(1)),
        (pl.col("open") != 131.0, frame(31, 3600).tail(1).with_columns(close=pl.lit(1.0))),
    ],
    ids=["an hour is absent", "an hour is there twice with other values", "off the grid", "absent and twice"],
)
def test_a_day_that_is_not_whole_is_left_out_by_name(
    edit: pl.Expr | None, more: pl.DataFrame | None, tmp_path: Path
) -> None:
    found = hours(tmp_path, edit, more=more)
    assert found.frame["open_time_s"].to_list() == [FIRST_S, FIRST_S + 2 * DAY_S]
    assert found.incomplete == ("2024-01-02",)


def test_an_hour_that_is_there_twice_with_the_same_values_counts_once(tmp_path: Path) -> None:
    found = hours(tmp_path, more=frame(31, 3600).tail(1))
    assert (found.days, found.incomplete) == (3, ())
    assert found.frame["volume"].to_list() == hours(tmp_path).frame["volume"].to_list()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "cannot be read as CSV: it is empty"),
        (HEADER, "0 of 0 rows with a time of their own: at least 2 are needed"),
        (f"{HEADER}\n2024-01-01,{TAIL}", "1 of 1 rows with a time of their own: at least 2 are needed"),
        (f"{HEADER}\nmonday,{TAIL}\ntuesday,{TAIL}", "0 of 2 rows with a time of their own"),
        (
            "timestamp,open,high,low,close\n2024-01-01,1,1,1,1",
            "columns timestamp, open, high, low, close: volume must be",
        ),
        (f"day,open,high,low,close,volume\n2024-01-01,{TAIL}", "close, volume: timestamp must be among them"),
        (f"{HEADER},Open\n2024-01-01,{TAIL},1", "columns timestamp, open, high, low, close, volume, Open: each name"),
        (f"{HEADER}\n20240101,{TAIL}\n20240102,{TAIL}", "time 20240101: must be an ISO date such as 2024-01-31"),
        (f"{HEADER}\n45292,{TAIL}\n45293,{TAIL}", "time 45292: must be an ISO date"),
        (
            f"{HEADER}\n2024-01-01,{TAIL}\n2024-01-08,{TAIL}",
            "its candles are 604800 s long: their length must divide a day",
        ),
        (
            f"{HEADER}\n2024-01-01T00:00,{TAIL}\n2024-01-01T00:07,{TAIL}\n2024-01-01T00:14,{TAIL}",
            "its candles are 420 s long: their length must divide a day",
        ),
        (
            f"{HEADER}\n2024-01-01T00:00+08:00,{TAIL}\n2024-01-02T00:00+08:00,{TAIL}",
            "2023-12-31T16:00:00Z: candles of a day must open at 00:00 UTC",
        ),
        (f"{HEADER}\n2024-01-01,{TAIL},9\n2024-01-02,{TAIL}", "cannot be read as CSV: found more fields"),
    ],
)
def test_a_text_that_holds_no_daily_candles_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    assert reason in refused(path)


@pytest.mark.parametrize("suffix", ["csv", "feather", "parquet"])
@pytest.mark.parametrize(
    "content", [b"", bytes(range(256)) * 9, b"PAR1" + bytes(40) + b"PAR1", b"ARROW1\0\0" + b"\xff" * 60]
)
def test_bytes_of_another_kind_are_refused(suffix: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(content)
    refused(path)


def test_a_directory_an_absent_file_and_another_kind_of_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    assert refused(tmp_path / "x.csv") == "is a directory; name the files in it"
    assert refused(tmp_path / "none.csv") == "no such file"
    assert refused(tmp_path / "x.txt") == "ends in '.txt', must be one of .csv, .feather, .parquet"
