"""Frames to feature rows, beside a recomputation of the windows by pandas, for scale."""

import numpy as np
import pandas as pd
from outcome import Outcome, cpu_seconds
from stream import Input, Pipeline, exhaust
from ticks import bar_table, tick_columns

from tickvol.config import Config

LIVE_BARS = 50
"""So many bars are enough to time what is done anew for each."""


def against_pandas(config: Config, found: Input, repeats: int) -> list[Outcome]:
    """Rows a second, beside those of pandas, which decodes nothing: all bars at once, and bar by bar as if live."""
    bars = [bar_table(part) for part in tick_columns(config, found)]
    windows = [config.features.spec().bars(window_s) for window_s in config.features.windows_s]
    rows = exhaust(Pipeline(config, config.products).recordings(found.recordings))

    def ours() -> None:
        exhaust(Pipeline(config, config.products).recordings(found.recordings))

    def rolled() -> None:
        for table in bars:
            roll(table, windows)

    memory = config.features.spec().memory_bars
    last = bars[0].iloc[-memory - LIVE_BARS :]

    def rolled_live() -> None:
        for bar in range(LIVE_BARS):
            roll(last.iloc[bar : bar + memory], windows).iloc[-1]

    seconds, *pandas_seconds = cpu_seconds(ours, rolled, rolled_live, repeats=repeats)
    count = sum(map(len, bars))
    cases = (
        ("beside_pandas", "once over the ready table of all bars", count),
        ("beside_pandas_live", f"the last {memory} bars again for each new one ({LIVE_BARS} of them)", LIVE_BARS),
    )
    return [
        Outcome(
            name=name,
            value=rows / seconds,
            unit="rows/s",
            yardstick=f"pandas, rolling {how}, no frame decoded",
            yardstick_value=rolled_bars / spent,
            input=f"{rows:,} rows of {found.about}; pandas: of the {count:,} bars with ticks of the same",
        )
        for (name, how, rolled_bars), spent in zip(cases, pandas_seconds, strict=True)
    ]


def roll(bars: pd.DataFrame, windows: list[int]) -> pd.DataFrame:
    """The sums, extremes and quantiles behind a feature row, for every bar; windows in bars."""
    squares, products = bars.log_return**2, bars.log_return.abs() * bars.log_return.abs().shift()
    columns = {}
    for window in windows:
        columns[f"log_return_{window}"] = bars.log_return.rolling(window).sum()
        columns[f"realized_vol_{window}"] = np.sqrt(squares.rolling(window).sum())
        columns[f"bipower_{window}"] = products.rolling(window).sum()
        columns[f"range_{window}"] = np.log(bars.mid.rolling(window).max() / bars.mid.rolling(window).min())
        columns[f"tick_rate_{window}"] = bars.ticks.rolling(window).mean()
        columns[f"spread_{window}"] = bars.spread_bps.rolling(window).mean()
        columns[f"imbalance_{window}"] = bars.imbalance.rolling(window).mean()
    longest = bars.log_return.rolling(windows[-1])
    columns["median"], columns["quantile05"] = longest.median(), longest.quantile(0.05)
    vol = columns[f"realized_vol_{windows[len(windows) // 2]}"].rolling(windows[-1])
    columns["vol_mean"], columns["vol_spread"], columns["vol_median"] = vol.mean(), vol.std(), vol.median()
    columns["ewma"] = squares.ewm(halflife=60).mean()
    return pd.DataFrame(columns)
