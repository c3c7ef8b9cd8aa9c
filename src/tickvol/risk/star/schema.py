"""Tables of the star schema: the facts of a product and day, the products, and the calendar."""

import sqlalchemy as sa

from tickvol.risk.tables import ANOMALIES, RISK
from tickvol.storage.delta.spec import Column
from tickvol.storage.warehouse.columns import CONVENTION, flag_column, name_type, sql_column, sql_table

METADATA = sa.MetaData(naming_convention=CONVENTION)

_LENGTHS = {"source": 16, "direction": 8, "severity": 16}
_ANOMALY_NAMES = ("z_trailing", "z_full", "is_anomaly", "is_anomaly_full", "direction", "severity")

FIGURES: tuple[Column, ...] = tuple(
    column for column in RISK.columns if column.name not in RISK.key and not column.is_provenance
)
"""Columns of the facts that come from the daily risk figures."""

ANOMALY_FIGURES: tuple[Column, ...] = tuple(ANOMALIES.column(name) for name in _ANOMALY_NAMES)
"""Columns of the facts that come from the anomalies."""

dim_asset = sql_table(
    METADATA,
    "dim_asset",
    sa.Column("asset_key", sa.SmallInteger, primary_key=True, autoincrement=False, comment="number, never reused"),
    sa.Column("product_id", name_type(64), nullable=False, unique=True, comment="product, such as BTC-USD"),
    sa.Column("base", name_type(32), nullable=False, comment="currency that is bought"),
    sa.Column("quote", name_type(32), nullable=False, comment="currency of the prices"),
    sa.Column("first_day", sa.Date, nullable=False, comment="first day with a fact"),
    sa.Column("last_day", sa.Date, nullable=False, comment="last day with a fact"),
    sa.Column("risk_rank", sa.SmallInteger, comment="place in the risk hierarchy, from 1; null: not ranked"),
    comment="One product.",
)

dim_calendar = sql_table(
    METADATA,
    "dim_calendar",
    sa.Column("date_key", sa.Integer, primary_key=True, autoincrement=False, comment="yyyymmdd"),
    sa.Column("day", sa.Date, nullable=False, unique=True, comment="UTC date"),
    sa.Column("iso_year", sa.SmallInteger, nullable=False, comment="year of the ISO week"),
    sa.Column("iso_week", sa.SmallInteger, nullable=False, comment="ISO week, 1 to 53"),
    sa.Column("month", sa.SmallInteger, nullable=False, comment="1 to 12"),
    sa.Column("quarter", sa.SmallInteger, nullable=False, comment="1 to 4"),
    sa.Column("year", sa.SmallInteger, nullable=False, comment="calendar year"),
    sa.Column("weekday", sa.SmallInteger, nullable=False, comment="1 Monday to 7 Sunday"),
    sa.Column("weekday_name", name_type(9), nullable=False, comment="English name"),
    flag_column("is_month_end", "whether it is the last day of its month"),
    comment="One day, from the first day with a fact to one year after the last.",
)

fact_risk_daily = sql_table(
    METADATA,
    "fact_risk_daily",
    sa.Column("asset_key", sa.SmallInteger, sa.ForeignKey(dim_asset.c.asset_key), primary_key=True),
    sa.Column("date_key", sa.Integer, sa.ForeignKey(dim_calendar.c.date_key), primary_key=True),
    *(sql_column(column, length=_LENGTHS.get(column.name)) for column in (*FIGURES, *ANOMALY_FIGURES)),
    comment="The risk figures of a product on one complete day; null where unknown.",
    by_key=True,
)

TABLES = (dim_asset, dim_calendar, fact_risk_daily)
"""Each after those that it refers to."""
