"""Rows of the star schema from the gold tables."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from tickvol.core.errors import WorkError
from tickvol.risk.star.schema import ANOMALY_FIGURES, FIGURES
from tickvol.risk.tables import ANOMALIES, RISK
from tickvol.storage.delta.spec import TableSpec

_KEY = ["product_id", "day"]
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Star:
    """Frames with the columns of the tables of the same names, ordered by key; flags are 0 and 1."""

    dim_asset: pl.DataFrame
    dim_calendar: pl.DataFrame
    fact_risk_daily: pl.DataFrame

    @property
    def frames(self) -> dict[str, pl.DataFrame]:
        """Frames by table name, each after those that it refers to."""
        return {name: getattr(self, name) for name in ("dim_asset", "dim_calendar", "fact_risk_daily")}


def star_rows(
    risk: pl.DataFrame, anomalies: pl.DataFrame, ranks: Mapping[str, int], known_keys: Mapping[str, int]
) -> Star:
    """Derive the star schema from the gold tables.

    Parameters
    ----------
    risk : rows of `gold_crypto_risk_metrics_daily`.
    anomalies : rows of `gold_crypto_anomalies`; a day of `risk` that is absent here has nulls.
    ranks : place in the risk hierarchy by product, from 1; a product may be absent.
    known_keys : keys given before, by product (`read_asset_keys`): they stay; new products follow by name.

    Raises
    ------
    WorkError
        If a product and day occurs twice, or in `anomalies` alone, or a column is absent.
    """
    _check_columns(risk, RISK)
    _check_columns(anomalies, ANOMALIES)
    for frame, spec in ((risk, RISK), (anomalies, ANOMALIES)):
        _refuse(frame.filter(frame.select(_KEY).is_duplicated()), f"{spec.name}: must have one row per product and day")
    strange = anomalies.join(risk, on=_KEY, how="anti")
    _refuse(strange, f"{ANOMALIES.name}: {RISK.name} has no such row; write the risk figures first")
    days = risk.select("product_id", pl.col("day").str.to_date("%Y-%m-%d"))
    assets = _assets(days, ranks, known_keys)
    return Star(assets, _calendar(days), _facts(risk, anomalies, assets))


def _check_columns(frame: pl.DataFrame, spec: TableSpec) -> None:
    absent = [name for name in spec.names if name not in frame.columns]
    if absent:
        raise WorkError(f"{spec.name}: columns are absent: {', '.join(absent)}")


def _refuse(rows: pl.DataFrame, rule: str) -> None:
    if rows.height:
        product, day = rows.select(_KEY).sort(_KEY).row(0)
        raise WorkError(f"{product} {day}: {rule} ({rows.height} rows)")


def asset_keys(products: list[str], known: Mapping[str, int]) -> dict[str, int]:
    """Keys of all products: the known ones, and the numbers after the highest for new products.

    >>> asset_keys(["ADA-USD", "BTC-USD"], {"BTC-USD": 1, "ETH-USD": 2})
    {'BTC-USD': 1, 'ETH-USD': 2, 'ADA-USD': 3}
    """
    fresh = sorted(set(products) - known.keys())
    first = max(known.values(), default=0) + 1
    return {**known, **{product: first + place for place, product in enumerate(fresh)}}


def _assets(days: pl.DataFrame, ranks: Mapping[str, int], known: Mapping[str, int]) -> pl.DataFrame:
    assets = days.group_by("product_id").agg(first_day=pl.col("day").min(), last_day=pl.col("day").max())
    products = assets["product_id"].to_list()
    keys = asset_keys(products, known)
    return (
        assets.with_columns(
            pl.Series("asset_key", [keys[product] for product in products], pl.Int16),
            pl.Series("risk_rank", [ranks.get(product) for product in products], pl.Int16),
            pl.Series("base", [product.rpartition("-")[0] for product in products], pl.String),
            pl.Series("quote", [product.rpartition("-")[2] for product in products], pl.String),
        )
        .select("asset_key", "product_id", "base", "quote", "first_day", "last_day", "risk_rank")
        .sort("asset_key")
    )


def _calendar(days: pl.DataFrame) -> pl.DataFrame:
    bounds = days.select(first=pl.col("day").min(), last=pl.col("day").max().dt.offset_by("1y")).drop_nulls()
    day = pl.col("day")
    return (
        bounds.select(day=pl.date_ranges("first", "last"))
        .explode("day")
        .select(
            date_key=_date_key(day),
            day=day,
            iso_year=day.dt.iso_year().cast(pl.Int16),
            iso_week=day.dt.week().cast(pl.Int16),
            month=day.dt.month().cast(pl.Int16),
            quarter=day.dt.quarter().cast(pl.Int16),
            year=day.dt.year().cast(pl.Int16),
            weekday=day.dt.weekday().cast(pl.Int16),
            weekday_name=day.dt.weekday().replace_strict(dict(enumerate(_WEEKDAYS, 1)), return_dtype=pl.String),
            is_month_end=(day == day.dt.month_end()).cast(pl.Int16),
        )
    )


def _date_key(day: pl.Expr) -> pl.Expr:
    year, month, date = day.dt.year().cast(pl.Int32), day.dt.month().cast(pl.Int32), day.dt.day().cast(pl.Int32)
    return year * 10_000 + month * 100 + date


def _facts(risk: pl.DataFrame, anomalies: pl.DataFrame, assets: pl.DataFrame) -> pl.DataFrame:
    columns = (*FIGURES, *ANOMALY_FIGURES)
    flags = [column.name for column in columns if column.type == "bool"]
    figures = risk.select(*_KEY, *(column.name for column in FIGURES))
    scores = anomalies.select(*_KEY, *(column.name for column in ANOMALY_FIGURES))
    return (
        figures.join(scores, on=_KEY, how="left")
        .join(assets.select("product_id", "asset_key"), on="product_id", how="left")
        .with_columns(pl.col(flags).cast(pl.Int16), date_key=_date_key(pl.col("day").str.to_date("%Y-%m-%d")))
        .select("asset_key", "date_key", *(column.name for column in columns))
        .sort("asset_key", "date_key")
    )
