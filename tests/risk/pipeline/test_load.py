"""Candles from files: recorded ones, bad rows, corrections, and the origins kept apart."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from tests.risk.figures.closes import RECORDINGS
from tests.risk.pipeline.conftest import NewDesk
from tests.risk.pipeline.exchange import Desk, Outcome, noon_s
from tickvol.core.errors import InputError, UsageError
from tickvol.risk.figures.calendar import day_text
from tickvol.risk.pipeline.coverage_table import read_ledgers
from tickvol.risk.pipeline.ingest import Asked
from tickvol.risk.pipeline.load import parse_candle_file
from tickvol.risk.pipeline.session import Reports, load, run_all
from tickvol.risk.tables import BRONZE, REVISIONS, RISK, SILVER
from tickvol.storage.delta.shared_tables import QUARANTINE

KLINES = RECORDINGS.parent / "klines"


def load_into(desk: Desk, *files: str, hours: float = 0.0) -> list[str]:
    lines: list[str] = []
    reports = Reports(lambda _: None, lines.append)
    chosen = [parse_candle_file(text) for text in files]
    end = load(desk.config, chosen, reports, now_us=lambda: round(noon_s(hours=hours) * 1e6))
    assert end.has_succeeded
    return lines


def computed(desk: Desk, hours: float = 0.0) -> Outcome:
    ended = desk.run(noon_s(hours=hours), fetch=False)
    assert ended.succeeded, ended.lines
    return ended


def written(path: Path, rows: Sequence[str]) -> Path:
    path.write_text("\n".join(("timestamp,open,high,low,close,volume", *rows)) + "\n")
    return path


def days_of_january(**changed: str) -> list[str]:
    """Rows of 20 days; a day may have another row."""
    usual = {f"2026-01-{n:02}": f"2026-01-{n:02},{100 + n},{110 + n},{90 + n},{101 + n},7" for n in range(1, 21)}
    return list((usual | {name.replace("_", "-"): row for name, row in changed.items()}).values())


def test_a_file_is_stored_as_an_answer_and_gets_figures(new_desk: NewDesk, tmp_path: Path) -> None:
    desk = new_desk()
    file = written(tmp_path / "BTC-USD.csv", days_of_january())
    assert load_into(desk, str(file)) == [f"BTC-USD: 19 days of {file}; its last candle is dropped"]
    computed(desk)
    assert not desk.server.log.requests
    (stored,) = desk.table(BRONZE.name).iter_rows(named=True)
    assert (stored["source"], stored["records_count"], stored["outcome"]) == ("file", 19, "ok")
    risk = desk.table(RISK.name)
    assert (len(risk), set(risk["source"])) == (19, {"file"})
    assert risk["close"].to_list() == [102.0 + n for n in range(19)]


def test_a_bad_row_of_a_file_is_kept_apart_and_the_others_are_stored(new_desk: NewDesk, tmp_path: Path) -> None:
    desk = new_desk(max_rejected_share=0.3)
    rows = days_of_january(
        **{
            "2026_01_05": "2026-01-05,100,90,110,100,7",
            "2026_01_07": "2026-01-07,100,110,90,nonsense,7",
            "2026_01_09": "someday,100,110,90,100,7",
        }
    )
    load_into(desk, str(written(tmp_path / "BTC-USD.csv", rows)))
    computed(desk)
    assert len(desk.table(SILVER.name)) == 16
    assert set(desk.table(QUARANTINE.name)["rules"]) == {
        "low_is_lowest,high_is_highest",
        "prices_positive,low_is_lowest,high_is_highest",
        "time_readable,on_the_grid,not_in_the_future",
    }
    ledger = read_ledgers(desk.lake, "file")["BTC-USD"]
    states = {day_text(day)[-2:]: entry.state for day, entry in ledger.items() if entry.state != "known"}
    assert states == {"05": "failed", "07": "failed", "09": "unasked"}


def test_loading_a_file_again_changes_nothing_and_a_corrected_one_gives_a_revision(
    new_desk: NewDesk, tmp_path: Path
) -> None:
    desk = new_desk()
    file = tmp_path / "BTC-USD.csv"
    for number in range(2):
        load_into(desk, str(written(file, days_of_january())), hours=number)
        computed(desk, number)
    assert desk.versions()[SILVER.name] == desk.versions()[RISK.name] == 0
    load_into(desk, str(written(file, days_of_january(**{"2026_01_05": "2026-01-05,105,115,95,107,7"}))), hours=2)
    assert "1 final days revised" in computed(desk, 2).step("silver").message
    (revision,) = desk.table(REVISIONS.name).iter_rows(named=True)
    assert (revision["close_before"], revision["close_after"], revision["revision"]) == (106.0, 107.0, 1)
    assert desk.lake.table(RISK.name).read(where=pl.col("day") == "2026-01-05")["close"].item() == 107.0


def test_a_file_that_cannot_be_read_ends_the_run_as_failed_and_keeps_those_before(
    new_desk: NewDesk, tmp_path: Path
) -> None:
    desk = new_desk()
    good = written(tmp_path / "BTC-USD.csv", days_of_january())
    with pytest.raises(InputError, match="no such file"):
        load_into(desk, str(good), f"ETH-USD={tmp_path / 'none.csv'}")
    assert dict(desk.logs().select("step", "status").iter_rows()) == {"load": "failed", "run": "failed"}
    assert len(desk.table(BRONZE.name)) == 1
    computed(desk)
    assert set(desk.table(SILVER.name)["product_id"]) == {"BTC-USD"}


def test_candles_of_the_exchange_come_before_those_of_files(new_desk: NewDesk, tmp_path: Path) -> None:
    desk = new_desk(products=["BTC-USD"])
    files = [written(tmp_path / f"{product}.csv", days_of_january()) for product in ("BTC-USD", "ADA-USD")]
    load_into(desk, *map(str, files))
    assert desk.run(noon_s()).succeeded
    risk = desk.table(RISK.name)
    assert dict(risk.select("product_id", "source").unique().iter_rows()) == {
        "BTC-USD": "advanced_trade",
        "ADA-USD": "file",
    }
    assert risk.filter(pl.col("product_id") == "BTC-USD")["day"].min() == "2026-01-29"


def test_simulated_candles_do_not_mix_with_others(new_desk: NewDesk, tmp_path: Path) -> None:
    desk = new_desk()
    load_into(desk, str(written(tmp_path / "BTC-USD.csv", days_of_january())))
    computed(desk)
    silent = Reports(lambda _: None, lambda _: None)
    with pytest.raises(UsageError, match="holds candles of file: must hold none but simulated"):
        run_all(desk.config, Asked(["BTC-USD"]), silent, simulate=True, now_us=lambda: round(noon_s() * 1e6))
    assert set(desk.table(SILVER.name)["source"]) == {"file"}


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings at {RECORDINGS}; set TICKVOL_DATA")
def test_recorded_daily_candles_of_six_products_get_figures(new_desk: NewDesk) -> None:
    desk = new_desk(var_window_days=365, z_window_days=365)
    files = sorted(str(path) for path in RECORDINGS.glob("*_1d.csv"))
    lines = load_into(desk, *files, hours=24 * 365)
    assert len(lines) == len(files) == 6
    ended = computed(desk, 24 * 365)
    assert ended.step("silver").status == "success"
    silver = desk.table(SILVER.name)
    assert silver["product_id"].n_unique() == 6
    assert len(silver) + len(desk.table(QUARANTINE.name)) == ended.step("silver").rows_written
    assert len(desk.table(RISK.name)) >= len(silver)


@pytest.mark.skipif(not KLINES.is_dir(), reason=f"no recordings at {KLINES}; set TICKVOL_DATA")
def test_recorded_candles_of_an_hour_become_days(new_desk: NewDesk) -> None:
    desk = new_desk()
    files = sorted(str(path) for path in KLINES.glob("*-1h.feather"))
    lines = load_into(desk, *files, hours=24 * 365)
    assert len(files) == 3
    assert all("from candles of 3600 s" in line for line in lines)
    computed(desk, 24 * 365)
    stored = desk.table(SILVER.name)
    assert stored["product_id"].n_unique() == 3
    assert set(stored["open_time_s"] % 86_400) == {0}
