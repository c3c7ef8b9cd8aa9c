"""Anomalies of daily returns by the robust z-score."""

import polars as pl

from tickvol.risk.figures.anomalies import direction, full_z, is_anomaly, severity, trailing_z
from tickvol.risk.figures.returns import log_returns
from tickvol.risk.figures.spec import RiskSpec
from tickvol.risk.pipeline.closes import Closes, daily_closes
from tickvol.risk.pipeline.context import RunContext, risk_spec
from tickvol.risk.tables import ANOMALIES


def update_anomalies(run: RunContext) -> None:
    """Score every day of all products and log the step."""
    with run.log.step("anomalies", table=ANOMALIES.name) as step:
        table, spec = run.lake.table(ANOMALIES.name), risk_spec(run.config)
        schema = table.read(where=pl.lit(False)).schema
        series = daily_closes(run.lake, run.config.source)
        frames = [_rows(product, closes, spec) for product, closes in series.items()]
        rows = pl.concat([pl.DataFrame(schema=schema), *frames], how="diagonal_relaxed").with_columns(
            scored_at_run=pl.lit(run.log.run_id)
        )
        written = table.replace(rows.select(schema.names()).cast(schema), run_id=run.log.run_id)
        step.rows_read = len(rows)
        step.rows_written = written.inserted + written.updated + written.deleted
        found = rows.select(pl.col("is_anomaly").sum(), pl.col("is_anomaly_full").sum()).row(0)
        step.message = f"{found[0] or 0} anomalies by the days before, {found[1] or 0} by all days"


def _rows(product: str, closes: Closes, spec: RiskSpec) -> pl.DataFrame:
    returns = log_returns(closes.values)
    trailing = trailing_z(returns, spec.z_window_days, spec.min_known(spec.z_window_days))
    full = full_z(returns)
    numbers = {
        "log_return": returns,
        "z_trailing": trailing.z,
        "z_full": full,
        "median_365": trailing.median,
        "mad_365": trailing.mad,
        "is_anomaly": is_anomaly(trailing.z, spec.z_threshold),
        "is_anomaly_full": is_anomaly(full, spec.z_threshold),
    }
    frame = pl.DataFrame({name: pl.Series(values, nan_to_null=True) for name, values in numbers.items()})
    zs = trailing.z.tolist()
    return frame.with_columns(
        pl.col("is_anomaly", "is_anomaly_full").cast(pl.Boolean),
        product_id=pl.lit(product),
        day=pl.Series(closes.days, dtype=pl.String),
        direction=pl.Series([direction(z, spec.z_threshold) for z in zs], dtype=pl.String),
        severity=pl.Series([severity(z, spec.z_threshold) for z in zs], dtype=pl.String),
    )
