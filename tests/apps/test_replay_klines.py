"""`tickvol replay --klines`: candles to a dataset, with every row that gave none kept beside it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support import ROOT
from tickvol.apps import replay
from tickvol.volatility.dataset import read_features

COUNT = 400


def candles(directory: Path, *bad: int) -> Path:
    """A file whose rows `bad` have a close above their high."""
    directory.mkdir(exist_ok=True)
    close = 100 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 1e-3, COUNT)))
    table = pd.DataFrame(
        {
            "date": pd.date_range("2025-01-01", periods=COUNT, freq="5min", tz="UTC"),
            "high": close * 1.001,
            "low": close * 0.999,
            "close": close,
        }
    )
    table.loc[list(bad), "close"] = 1e6
    path = directory / "candles.csv"
    table.to_csv(path, index=False)
    return path


def test_rejected_rows_lie_beside_the_dataset_by_file_and_the_rest_are_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    btc, eth = candles(tmp_path / "a", 7, 30), candles(tmp_path / "b", 9)
    out = tmp_path / "candles.parquet"
    assert replay.main(["--klines", f"BTC-USDT={btc}", f"ETH-USDT={eth}", "--out", str(out)]) == 0
    table = read_features(out)
    assert table.products == ("BTC-USDT", "ETH-USDT")
    unknown = np.isnan(table.column("mid"))
    assert [int(np.count_nonzero(unknown & (table.product == number))) for number in (0, 1)] == [2, 1]
    letters = {
        path.name: [json.loads(line) for line in path.read_text().splitlines()]
        for path in (tmp_path / "candles.deadletters").iterdir()
    }
    assert {name: [letter["line"] for letter in own] for name, own in letters.items()} == {
        "BTC-USDT-candles.csv": [8, 31],
        "ETH-USDT-candles.csv": [10],
    }
    (letter,) = letters["ETH-USDT-candles.csv"]
    assert letter["reason"] == "close outside of low to high"
    assert json.loads(letter["text"])["close"] == 1e6
    assert (
        f"candles     BTC-USDT: {COUNT - 3} of candles.csv used "
        "(the last one perhaps not closed yet; close outside of low to high: 2)"
    ) in capsys.readouterr().out


def test_a_product_in_two_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    one, other = candles(tmp_path / "a"), candles(tmp_path / "b")
    assert replay.main(["--klines", f"BTC-USDT={one}", f"BTC-USDT={other}", "--out", str(tmp_path / "x.parquet")]) == 2
    assert "BTC-USDT: named by more than one file" in capsys.readouterr().err
