"""Series of closes: made ones with known quirks, and recorded ones."""

import csv
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support import ROOT
from tickvol.risk.figures.calendar import day_number
from tickvol.risk.figures.spec import RiskSpec

RECORDINGS = Path(os.environ.get("TICKVOL_DATA", ROOT.parent / "shared" / "data")) / "daily"
ABSENT = f"no recordings at {RECORDINGS}; set TICKVOL_DATA"

SPEC = RiskSpec(
    vol_window_days=30,
    year_days=365,
    min_known_share=0.9,
    var_level=0.05,
    var_window_days=365,
    ewma_lambda=0.94,
    ewma_start_days=30,
    garch_refit_days=30,
    garch_starts=6,
    z_window_days=365,
    z_threshold=3.5,
    correlation_window_days=30,
)


def walk(days: int, seed: int = 1, sigma: float = 0.03) -> NDArray[np.float64]:
    """Closes whose log returns have fat tails and calm and lively months."""
    random = np.random.default_rng(seed)
    level = sigma * (1.0 + 0.6 * np.sin(np.arange(days) / 40.0))
    return 100.0 * np.exp(np.cumsum(level * random.standard_t(4, days) / 2**0.5))


def without(closes: NDArray[np.float64], *days: int | slice) -> NDArray[np.float64]:
    holed = closes.copy()
    for day in days:
        holed[day] = np.nan
    return holed


def scattered(days: int, missing: int, seed: int) -> NDArray[np.float64]:
    random = np.random.default_rng(seed)
    return without(walk(days, seed), *(int(day) for day in random.choice(np.arange(1, days - 1), missing, False)))


def grid(days: int) -> NDArray[np.float64]:
    """Few distinct prices, so that many returns are equal and many are 0."""
    return 10.0 + np.random.default_rng(3).integers(0, 3, days) / 2.0


MADE = {
    "no day": np.empty(0),
    "a single day": walk(1),
    "two days": walk(2),
    "30 days": walk(30),
    "31 days": walk(31),
    "366 days": walk(366),
    "367 days": walk(367),
    "500 days": walk(500, 2),
    "holes everywhere, windows just full enough": scattered(480, 17, 4),
    "holes everywhere, windows not full enough": scattered(480, 30, 5),
    "the first days missing": without(walk(420), slice(1, 5)),
    "no close on day 0": without(walk(420), slice(0, 3)),
    "a month missing in the middle": without(walk(450), slice(200, 240)),
    "the last days missing": without(walk(420), slice(410, 420)),
    "every other day": without(walk(420), slice(1, None, 2)),
    "a constant price": np.full(420, 7.0),
    "constant, then moving": np.concatenate((np.full(300, 100.0), walk(200))),
    "moving, then constant": np.concatenate((walk(200), np.full(400, 100.0))),
    "few distinct prices": grid(430),
    "prices of 1e-8": walk(420, 6) * 1e-10,
    "prices of 1e8": walk(420, 7) * 1e6,
    "from 1e-8 to 1e8 and back": np.where(np.arange(420) % 100 < 50, 1e-8, 1e8) * walk(420, 8),
}


def recorded(path: Path) -> tuple[int, NDArray[np.float64]]:
    """First day's number and the closes of a recorded file, without its unfinished last day."""
    with path.open() as lines:
        rows = {day_number(row["timestamp"]): float(row["close"]) for row in csv.DictReader(lines)}
    assert list(rows) == list(range(min(rows), min(rows) + len(rows))), "the recordings have no missing day"
    return min(rows), np.array(list(rows.values()))[:-1]


def recorded_files() -> list[Path]:
    return sorted(RECORDINGS.glob("*_1d.csv"))
