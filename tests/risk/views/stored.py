"""A lake with the figures of three products, written by the pipeline from files of generated candles."""

from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from tests.risk.pipeline.exchange import noon_s, sections
from tickvol.risk.figures.calendar import day_number, day_text
from tickvol.risk.pipeline.load import CandleFile
from tickvol.risk.pipeline.session import Reports, load, open_lake, run_all
from tickvol.risk.settings import RiskSections
from tickvol.storage.delta.lake import Lake

FIRST_DAY = "2024-01-01"
DAYS = 700
"""Days of each product; the file holds one more, which is dropped."""
LAST_DAY = day_text(day_number(FIRST_DAY) + DAYS - 1)
CRASH_DAY = day_text(day_number(FIRST_DAY) + 500)
SIGMAS = {"BTC-USD": 0.02, "ETH-USD": 0.0202, "SOL-USD": 0.06}
CRASHES = {"BTC-USD": -0.30, "ETH-USD": -0.31, "SOL-USD": -0.70}
"""Log returns of the crash day."""

WINDOWS = {
    "var_window_days": 60,
    "z_window_days": 60,
    "vol_window_days": 20,
    "ewma_start_days": 20,
    "correlation_window_days": 20,
}
NOW_S = noon_s("2026-03-10")
SILENT = Reports(lambda _: None, lambda _: None)


@dataclass(frozen=True)
class Stored:
    """A lake, the sections that wrote it, and the files that it was made of."""

    lake: Lake
    sections: RiskSections
    files: tuple[CandleFile, ...]


def log_returns(product: str) -> np.ndarray:
    random = np.random.default_rng(sum(map(ord, product)))
    returns = SIGMAS[product] * random.standard_normal(DAYS + 1)
    returns[500] = CRASHES[product]
    return returns


def candle_lines(product: str) -> list[str]:
    close = 100.0 * np.exp(np.cumsum(log_returns(product)))
    before = np.concatenate(([100.0], close[:-1]))
    first = day_number(FIRST_DAY)
    rows = enumerate(zip(before.tolist(), close.tolist(), strict=True))
    return [f"{day_text(first + n)},{o!r},{max(o, c)!r},{min(o, c)!r},{c!r},{7.0 + n}" for n, (o, c) in rows]


def store(directory: Path) -> Stored:
    """Write the files, load them and compute all figures, without GARCH."""
    files = []
    for product in SIGMAS:
        path = directory / f"{product}.csv"
        path.write_text("\n".join(("timestamp,open,high,low,close,volume", *candle_lines(product))) + "\n")
        files.append(CandleFile(product, path))
    chosen = sections(directory, "http://127.0.0.1:9", max_rejected_share=0.5, **WINDOWS)
    loading, computing = (count(round(NOW_S * 1e6) + later, 1000) for later in (0, 60_000_000))
    load(chosen, files, SILENT, now_us=lambda: next(loading))
    end = run_all(chosen, None, SILENT, now_us=lambda: next(computing))
    assert end.has_succeeded, end.steps
    return Stored(open_lake(chosen.lake), chosen, tuple(files))
