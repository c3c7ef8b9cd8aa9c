"""Frames to feature rows, against twelve rolling statistics of river, updated by each tick."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from outcome import Outcome, cpu_seconds
from river import stats, utils
from stream import Input, Pipeline, exhaust
from ticks import Ticks, tick_columns

from tickvol.config import Config

GOAL = 15
TICKS_PER_S = 4
"""Where a window of river counts ticks, this many make a second, about as in the recordings."""
MOMENTS = (
    ("return_mean_60", "log_return", stats.Mean, 60),
    ("return_var_10", "log_return", stats.Var, 10),
    ("return_var_30", "log_return", stats.Var, 30),
    ("return_var_60", "log_return", stats.Var, 60),
    ("return_var_300", "log_return", stats.Var, 300),
    ("return_var_900", "log_return", stats.Var, 900),
    ("spread_mean_60", "spread_bps", stats.Mean, 60),
    ("imbalance_mean_60", "imbalance", stats.Mean, 60),
)
"""Name, column, statistic, window in seconds; the other four, extremes and quantiles, only exist by count of ticks."""
OTHERS = ("mid_max_900", "mid_min_900", "return_median_900", "return_quantile05_900")

Update = Callable[..., object]


def against_river(config: Config, found: Input, repeats: int) -> list[Outcome]:
    """Ticks a second, over those of river with windows in seconds as ours, and with its cheaper windows in ticks."""
    ticks = tick_columns(config, found)
    clocks = [[datetime.fromtimestamp(ns / 1e9, UTC).replace(tzinfo=None) for ns in part.time_ns] for part in ticks]

    def ours() -> None:
        exhaust(Pipeline(config, config.products).recordings(found.recordings))

    def by_time() -> None:
        for part, clock in zip(ticks, clocks, strict=True):
            _update(part, clock)

    def by_count() -> None:
        for part in ticks:
            _update(part, None)

    seconds, *river_seconds = cpu_seconds(ours, by_time, by_count, repeats=repeats)
    count = sum(len(part.mid) for part in ticks)
    names = ", ".join([*(name for name, *_ in MOMENTS), *OTHERS])
    windows = ("windows of seconds (TimeRolling)", "windows of ticks (Rolling)")
    timed, counted = (
        Outcome(
            name=name,
            value=count / seconds,
            unit="ticks/s",
            yardstick=f"river, moments over {window}: {names}",
            yardstick_value=count / spent,
            input=f"{count:,} ticks of {found.about}",
        )
        for name, window, spent in zip(("against_river", "against_river_by_count"), windows, river_seconds, strict=True)
    )
    return [timed.at_least(GOAL), counted]


def _statistics(*, by_time: bool) -> tuple[list[tuple[str, Update]], list[tuple[str, Update]]]:
    """Column and update of those that take a time, and of those that do not."""
    moments = [(column, _rolling(statistic, window_s, by_time=by_time)) for _, column, statistic, window_s in MOMENTS]
    longest = 900 * TICKS_PER_S
    others = [
        ("mid", stats.RollingMax(longest).update),
        ("mid", stats.RollingMin(longest).update),
        ("log_return", stats.RollingQuantile(0.5, longest).update),
        ("log_return", stats.RollingQuantile(0.05, longest).update),
    ]
    return (moments, others) if by_time else ([], moments + others)


def _rolling(statistic: Any, window_s: int, *, by_time: bool) -> Update:
    if by_time:
        return utils.TimeRolling(statistic, period=timedelta(seconds=window_s)).update
    return utils.Rolling(statistic, window_size=window_s * TICKS_PER_S).update


def _update(ticks: Ticks, clock: Sequence[datetime] | None) -> None:
    timed, counted = _statistics(by_time=clock is not None)
    columns = ("mid", "log_return", "spread_bps", "imbalance")
    timed_by = [[update for column, update in timed if column == name] for name in columns]
    counted_by = [[update for column, update in counted if column == name] for name in columns]
    rows = zip(*(getattr(ticks, name).tolist() for name in columns), strict=True)
    for place, row in enumerate(rows):
        for value, updates in zip(row, counted_by, strict=True):
            for update in updates:
                update(value)
        if clock is not None:
            now = clock[place]
            for value, updates in zip(row, timed_by, strict=True):
                for update in updates:
                    update(value, t=now)
