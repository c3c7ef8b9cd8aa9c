"""Frames to feature rows, beside a recomputation of the windows by pandas, for scale."""

import numpy as np
import pandas as pd
from outcome import Outcome, cpu_seconds
from stream import Input, Pipeline, exhaust
from ticks import bar_table, tick_columns

from tickvol.config import Config


def against_pandas(config: Config, found: Input, repeats: int) -> list[Outcome]:
    """Rows a second, beside those of pandas, which is given all bars at once and decodes nothing."""
    bars = [bar_table(part) for part in tick_columns(config, found)]
    windows = [config.features.spec().bars(window_s) for window_s in config.features.windows_s]
    rows = exhaust(Pipeline(config, config.products).recordings(found.recordings))

    def ours() -> None:
        exhaust(Pipeline(config, config.products).recordings(found.recordings))

    def rolled() -> None:
        for table in bars:
            roll(table, windows)

    seconds, pandas_seconds = cpu_seconds(ours, rolled, repeats=repeats)
    count = sum(map(len, bars))
    return [
        Outcome(
            name="beside_pandas",
            value=rows / seconds,
            unit="rows/s",
            yardstick="pandas, rolling once over the ready table of all bars, no frame decoded",
            yardstick_value=count / pandas_seconds,
            input=f"{rows:,} rows of {found.about}; pandas: the {count:,} bars with ticks of the same",
        )
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
