"""Files of candles: what is read, what is left out and why."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tickvol.core.errors import InputError, UsageError
from tickvol.exchange.klines import KlineFile, Klines, read_klines

BAR_MS = 300_000


def frame(count: int = 6) -> pd.DataFrame:
    date = pd.date_range("2025-01-01", periods=count, freq="5min", tz="UTC")
    close = np.linspace(100.0, 101.0, count)
    return pd.DataFrame(
        {"date": date, "open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 1.0}
    )


def read(table: pd.DataFrame, path: Path) -> Klines:
    table.to_feather(path)
    return read_klines(KlineFile("BTC-USDT", path), product=0, bar_ms=BAR_MS)


def test_all_but_the_last_candle_are_closed(tmp_path: Path) -> None:
    found = read(frame(), tmp_path / "x.feather")
    assert found.candles.close.tolist() == frame().close.tolist()[:-1]
    assert found.rejected == []


@pytest.mark.parametrize("suffix", [".feather", ".parquet", ".csv"])
def test_every_format_gives_the_same_candles(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    table = frame()
    {".feather": table.to_feather, ".parquet": table.to_parquet, ".csv": lambda p: table.to_csv(p, index=False)}[
        suffix
    ](path)
    found = read_klines(KlineFile("BTC-USDT", path), product=2, bar_ms=BAR_MS).candles
    assert found.start_ns.tolist() == [int(time.value) for time in table.date[:-1]]
    assert found.product.tolist() == [2] * 5


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("close", float("nan"), "no price"),
        ("close", float("inf"), "no price"),
        ("low", 0.0, "no price"),
        ("close", 500.0, "close outside of low to high"),
        ("high", 1.0, "close outside of low to high"),
        ("date", pd.Timestamp("2025-01-01 00:11", tz="UTC"), "not on the grid"),
        ("date", pd.Timestamp("2025-01-01 00:05", tz="UTC"), "not after the one before"),
    ],
)
def test_a_bad_candle_is_left_out_and_kept_with_its_reason(
    column: str, value: object, reason: str, tmp_path: Path
) -> None:
    table = frame()
    table.loc[2, column] = value
    found = read(table, tmp_path / "x.feather")
    assert [(row.number, row.reason) for row in found.rejected] == [(3, reason)]
    assert json.loads(found.rejected[0].text)["open"] == pytest.approx(table.open[2])
    assert found.candles.close.tolist() == frame().close[[0, 1, 3, 4]].tolist()


def test_words_where_numbers_and_times_belong_cost_their_own_rows(tmp_path: Path) -> None:
    table = frame().astype({"close": object, "date": str})
    table.loc[1, "close"], table.loc[2, "date"] = "n/a", "soon"
    path = tmp_path / "x.csv"
    table.to_csv(path, index=False)
    found = read_klines(KlineFile("BTC-USDT", path), product=0, bar_ms=BAR_MS)
    assert [(row.number, row.reason) for row in found.rejected] == [(2, "no price"), (3, "no time")]
    assert json.loads(found.rejected[1].text)["date"] == "soon"
    assert found.candles.close.tolist() == frame().close[[0, 3, 4]].tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="high"), "high must be among them"),
        (lambda t: t.assign(date=pd.date_range("2025-01-01", periods=6, freq="1min", tz="UTC")), "60000 ms long"),
        (lambda t: t.iloc[:1], "at least two"),
        (lambda t: t.assign(date="soon"), "date"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(change: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.feather"
    change(frame()).to_feather(path)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        read_klines(KlineFile("BTC-USDT", path), product=0, bar_ms=BAR_MS)


@pytest.mark.parametrize(("name", "content"), [("x.feather", b"none"), ("x.txt", b""), ("absent.csv", None)])
def test_a_file_that_cannot_be_read_is_named(name: str, content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_klines(KlineFile("BTC-USDT", path), product=0, bar_ms=BAR_MS)


def test_a_name_without_a_product_is_refused() -> None:
    with pytest.raises(UsageError, match="PRODUCT=FILE"):
        KlineFile.named("prices.csv")
