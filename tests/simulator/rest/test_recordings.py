"""Markets from recorded files."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import feather

from tests.simulator.rest.markets import exchange, get
from tests.support import ROOT
from tickvol.core.errors import InputError
from tickvol.simulator.rest.market import day_number
from tickvol.simulator.rest.recordings import product_of, recorded_market

RECORDINGS = Path(os.environ.get("TICKVOL_DATA", ROOT.parent / "shared" / "data"))
HEADER = "timestamp,open,high,low,close,volume,turnover\n"


@pytest.mark.parametrize(
    ("name", "product_id"),
    [
        ("BTCUSDT_1d.csv", "BTC-USD"),
        ("ETHUSDT-1h.feather", "ETH-USD"),
        ("sol-usd.csv", "SOL-USD"),
        ("DOGEUSD.csv", "DOGE-USD"),
    ],
)
def test_a_file_is_named_after_its_product(name: str, product_id: str) -> None:
    assert product_of(Path(name)) == product_id


@pytest.mark.parametrize("name", ["candles.csv", "BTC.csv", "USD.csv", "BTCUSDX.csv"])
def test_a_file_of_another_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="must be named after its product"):
        product_of(Path(name))


def test_daily_candles_are_served_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT_1d.csv"
    path.write_text(
        HEADER + "2023-01-22,22781.5,23083.0,22277.0,22703.5,138759.901,3\n2023-01-24,1.1,1.3,1.0,1.2,7,1\n"
    )
    start = day_number("2023-01-22") * 86_400
    with exchange(market=recorded_market([path])) as server:
        _, rows = get(server, f"/products/BTC-USD/candles?granularity=86400&start={start}&end={start + 9 * 86_400}")
    assert rows == [[start + 172_800, 1.0, 1.3, 1.1, 1.2, 7.0], [start, 22277.0, 23083.0, 22781.5, 22703.5, 138759.901]]


def test_shorter_candles_become_days(tmp_path: Path) -> None:
    path = tmp_path / "ETHUSDT-1h.feather"
    times = [
        datetime(2025, 1, 1, 23, tzinfo=UTC),
        datetime(2025, 1, 2, tzinfo=UTC),
        datetime(2025, 1, 2, 1, tzinfo=UTC),
    ]
    columns = {"open": [1.0, 2.0, 3.0], "high": [9.0, 5.0, 4.0], "low": [0.5, 1.5, 1.0], "close": [2.0, 3.0, 3.5]}
    feather.write_feather(pa.table({"date": times} | columns | {"volume": [1.0, 2.0, 4.0]}), path)
    market = recorded_market([path])
    assert market.day_bar("ETH-USD", day_number("2025-01-01"), 0.0) == (1.0, 9.0, 0.5, 2.0, 1.0)
    assert market.day_bar("ETH-USD", day_number("2025-01-02"), 0.0) == (2.0, 5.0, 1.0, 3.5, 6.0)


@pytest.mark.parametrize(
    "content",
    ["", "a,b\n1,2\n", HEADER + "2023-01-22,x,1,1,1,1,1\n", HEADER + "soon,1,1,1,1,1,1\n", HEADER + "2023-01-22\n"],
)
def test_a_file_that_is_no_recording_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "BTC-USD.csv"
    path.write_text(content)
    if not content:
        assert recorded_market([path]).day_bar("BTC-USD", 0, 0.0) is None
        return
    with pytest.raises(InputError, match=r"BTC-USD\.csv: cannot be read as candles"):
        recorded_market([path])


def test_files_that_are_absent_or_of_one_product_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read as candles: FileNotFoundError"):
        recorded_market([tmp_path / "BTC-USD.csv"])
    for name in ("BTC-USD.csv", "BTCUSDT.csv"):
        (tmp_path / name).write_text(HEADER)
    with pytest.raises(InputError, match="a second file of BTC-USD"):
        recorded_market([tmp_path / "BTC-USD.csv", tmp_path / "BTCUSDT.csv"])


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings at {RECORDINGS}; set TICKVOL_DATA")
def test_recordings_are_served_whole() -> None:
    market = recorded_market([RECORDINGS / "daily" / "BTCUSDT_1d.csv", RECORDINGS / "klines" / "ETHUSDT-1h.feather"])
    days = range(day_number("2023-01-22"), day_number("2025-10-23"))
    assert all(market.day_bar("BTC-USD", day, 0.0) for day in days)
    assert market.day_bar("ETH-USD", day_number("2025-01-01"), 0.0) is not None
