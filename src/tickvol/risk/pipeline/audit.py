"""Sanity checks of the gold tables by SQL: what can never be true of correct figures."""

from typing import NamedTuple

import polars as pl

from tickvol.core.errors import WorkError
from tickvol.risk.pipeline.closes import daily_closes
from tickvol.risk.pipeline.context import RunContext
from tickvol.risk.tables import ANOMALIES, BACKTEST, CORRELATION, EPISODES, RISK

GOLD = (RISK, ANOMALIES, BACKTEST, CORRELATION, EPISODES)


class Audit(NamedTuple):
    """A query that counts the rows that break a rule."""

    name: str
    query: str


AUDITS = (
    Audit("close is positive", f"SELECT count(*) FROM {RISK.name} WHERE close <= 0"),
    Audit("peak is at least the close", f"SELECT count(*) FROM {RISK.name} WHERE peak < close"),
    Audit("drawdown is from -1 to 0", f"SELECT count(*) FROM {RISK.name} WHERE drawdown > 0 OR drawdown <= -1"),
    Audit("maximum drawdown is the lowest", f"SELECT count(*) FROM {RISK.name} WHERE max_drawdown > drawdown"),
    Audit("worst daily loss is the lowest", f"SELECT count(*) FROM {RISK.name} WHERE worst_daily_loss > simple_return"),
    Audit("volatility is not negative", f"SELECT count(*) FROM {RISK.name} WHERE vol_30 < 0 OR vol_30_annual < vol_30"),
    Audit(
        "ES is at or below VaR",
        f"SELECT count(*) FROM {RISK.name} WHERE es_95_roll > var_95_roll OR es_95_fhs > var_95_fhs"
        " OR es_95_ewma > var_95_ewma OR es_95_garch > var_95_garch",
    ),
    Audit("99% VaR is at or below 95% VaR", f"SELECT count(*) FROM {RISK.name} WHERE var_99_roll > var_95_roll"),
    Audit(
        "an exception is a return below the VaR",
        f"SELECT count(*) FROM {RISK.name} WHERE exception_fhs <> (log_return < var_95_fhs)"
        " OR exception_roll <> (log_return < var_95_roll)",
    ),
    Audit(
        "correlation is from -1 to 1",
        f"SELECT count(*) FROM {CORRELATION.name} WHERE abs(corr_30) > 1 OR abs(corr_full) > 1",
    ),
    Audit(
        "an anomaly has a direction", f"SELECT count(*) FROM {ANOMALIES.name} WHERE is_anomaly AND direction IS NULL"
    ),
    Audit("exceptions are at most the days", f"SELECT count(*) FROM {BACKTEST.name} WHERE exceptions > n"),
    Audit("an episode ends after its trough", f"SELECT count(*) FROM {EPISODES.name} WHERE recovery_day < trough_day"),
)


def audit(run: RunContext) -> None:
    """Apply all checks to the gold tables and log the step.

    Raises
    ------
    WorkError
        With each check that failed and the number of rows.
    """
    with run.log.step("audit") as step:
        frames = {spec.name: run.lake.table(spec.name).read() for spec in GOLD}
        step.rows_read = sum(map(len, frames.values()))
        context = pl.SQLContext(frames=frames, eager=True)
        counted = {check.name: int(context.execute(check.query).item()) for check in AUDITS}
        problems = [f"{name}: broken by {count} rows" for name, count in counted.items() if count]
        problems += _missing_days(run, frames[RISK.name])
        if problems:
            raise WorkError("; ".join(problems))
        step.message = f"{len(AUDITS) + 1} checks passed"


def _missing_days(run: RunContext, risk: pl.DataFrame) -> list[str]:
    """Products whose figures are not on exactly the days of their candles."""
    rows = dict(risk.group_by("product_id").len().iter_rows())
    days = {product: len(closes.values) for product, closes in daily_closes(run.lake, run.config.source).items()}
    return [
        f"{product}: {rows.get(product, 0)} rows for {days.get(product, 0)} days"
        for product in sorted({*rows, *days})
        if rows.get(product) != days.get(product)
    ]
