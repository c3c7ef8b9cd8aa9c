"""Risk figures, judged forecasts, correlations and drawdown episodes from the stored closes."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from tickvol.risk.figures.calendar import days_from
from tickvol.risk.figures.correlation import common_days, correlation
from tickvol.risk.figures.daily import DailyRisk, backtests, risk_of
from tickvol.risk.figures.drawdown import episodes
from tickvol.risk.pipeline.closes import Closes, daily_closes
from tickvol.risk.pipeline.context import RunContext, config_hash, risk_spec
from tickvol.risk.tables import BACKTEST, CORRELATION, EPISODES, RISK, SILVER
from tickvol.storage.delta.spec import TableSpec

_FLAGS = ("exception_roll", "exception_fhs", "exception_ewma", "exception_garch")


def update_gold(run: RunContext) -> None:
    """Compute the figures of all products from all their closes, and log the step."""
    with run.log.step("gold", table=RISK.name) as step:
        series = daily_closes(run.lake, run.config.source)
        spec = risk_spec(run.config)
        figures = {product: risk_of(closes.values, spec) for product, closes in series.items()}
        frames = {
            RISK: [_risk_rows(run, product, series[product], risk) for product, risk in figures.items()],
            BACKTEST: [_backtest_rows(product, series[product], risk) for product, risk in figures.items()],
            CORRELATION: [_correlation_rows(series, figures, a, b) for a, b in combinations(sorted(series), 2)],
            EPISODES: [_episode_rows(product, series[product]) for product in series],
        }
        step.rows_read = sum(len(closes.values) for closes in series.values())
        step.rows_written = sum(_replace(run, table, rows) for table, rows in frames.items())
        step.message = _summary(series)


def _summary(series: Mapping[str, Closes]) -> str:
    if not series:
        return "no complete day is stored"
    return ", ".join(f"{product} to {closes.days[-1]} ({closes.source})" for product, closes in series.items())


def _replace(run: RunContext, spec: TableSpec, frames: list[pl.DataFrame]) -> int:
    table = run.lake.table(spec.name)
    schema = table.read(where=pl.lit(False)).schema
    rows = pl.concat([frame for frame in frames if len(frame)] or [pl.DataFrame(schema=schema)], how="diagonal_relaxed")
    if "run_id" in schema:
        rows = rows.with_columns(run_id=pl.lit(run.log.run_id))
    written = table.replace(rows.select(schema.names()).cast(schema), run_id=run.log.run_id)
    return written.inserted + written.updated + written.deleted


def _risk_rows(run: RunContext, product: str, closes: Closes, risk: DailyRisk) -> pl.DataFrame:
    count = len(risk)
    columns: dict[str, Any] = {"product_id": [product] * count, "day": closes.days, "source": [closes.source] * count}
    for column in RISK.columns:
        if column.name not in columns and hasattr(risk, column.name):
            columns[column.name] = _values(getattr(risk, column.name), count)
    frame = pl.DataFrame(columns)
    return frame.with_columns(
        pl.col(_FLAGS).cast(pl.Boolean),
        silver_version=pl.lit(run.lake.table(SILVER.name).version() or 0),
        config_hash=pl.lit(config_hash(run.config)),
    )


def _values(values: Any, count: int) -> pl.Series:
    """One value for each day; NaN, which is unknown, as null."""
    array = np.full(count, values) if isinstance(values, float) else values
    return pl.Series(array, nan_to_null=True)


def _backtest_rows(product: str, closes: Closes, risk: DailyRisk) -> pl.DataFrame:
    """Judgements as of the last day of each month, and as of the last day of all."""
    days = closes.days
    last_of_month = [place for place in range(len(days) - 1) if days[place][:7] != days[place + 1][:7]]
    rows = []
    for place in [*(place for place in last_of_month if place > risk.first_judged), len(days) - 1]:
        for method, judged in backtests(risk, as_of=place).items():
            values = {name: getattr(judged, name) for name in BACKTEST.names if hasattr(judged, name)}
            rows.append({"product_id": product, "method": method, "as_of_day": days[place], **values})
    return pl.DataFrame(rows).with_columns(pl.col(pl.Float64).fill_nan(None))


def _correlation_rows(series: Mapping[str, Closes], figures: Mapping[str, DailyRisk], a: str, b: str) -> pl.DataFrame:
    first, part_a, part_b = common_days(
        series[a].first_day, len(series[a].values), series[b].first_day, len(series[b].values)
    )
    spec = figures[a].spec
    window = spec.correlation_window_days
    found = correlation(figures[a].log_return[part_a], figures[b].log_return[part_b], window, spec.min_known(window))
    count = len(found.pairs)
    return pl.DataFrame(
        {
            "product_a": [a] * count,
            "product_b": [b] * count,
            "day": days_from(first, count),
            "corr_30": _values(found.rolling, count),
            "corr_full": _values(found.expanding, count),
            "pairs": pl.Series(found.pairs),
        }
    )


def _episode_rows(product: str, closes: Closes) -> pl.DataFrame:
    days = closes.days
    rows = [
        {
            "product_id": product,
            "peak_day": days[episode.peak],
            "trough_day": days[episode.trough],
            "recovery_day": None if episode.recovery is None else days[episode.recovery],
            "depth": episode.depth,
            "days_down": episode.days_down,
            "days_up": episode.days_up,
        }
        for episode in episodes(closes.values)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)
