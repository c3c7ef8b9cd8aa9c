"""The star schema in a SQL database: write it, read its keys, its digest."""

import hashlib

import sqlalchemy as sa

from tickvol.core.errors import WorkError
from tickvol.risk.star.build import Star
from tickvol.risk.star.schema import METADATA, TABLES, dim_asset, dim_calendar, fact_risk_daily
from tickvol.storage.warehouse.columns import ensure_tables
from tickvol.storage.warehouse.digest import query_digest
from tickvol.storage.warehouse.engine import Database, open_database
from tickvol.storage.warehouse.load import Loaded, TableRows, load

SETTING = "risk.database_url"


def read_asset_keys(url: str, *, timeout_s: float = 10.0) -> dict[str, int]:
    """Keys by product that the database has given so far; a database without the star has none.

    Raises
    ------
    ConfigError
        If the URL is not one of a supported database.
    WorkError
        If the database cannot be reached.
    """
    with open_database(url, setting=SETTING, timeout_s=timeout_s) as database, database.reading() as connection:
        return _asset_keys(connection) if sa.inspect(connection).has_table(dim_asset.name) else {}


def _asset_keys(connection: sa.Connection) -> dict[str, int]:
    query = sa.select(dim_asset.c.product_id, dim_asset.c.asset_key).order_by(dim_asset.c.asset_key)
    return {row.product_id: row.asset_key for row in connection.execute(query)}


def write_star(star: Star, url: str, *, timeout_s: float = 10.0) -> dict[str, Loaded]:
    """Bring the star schema of a database to the given rows in one transaction; only what differs is written.

    Tables that are absent are created. A product that the star no longer has loses its facts and keeps its key.

    Returns
    -------
    Counts by table name.

    Raises
    ------
    ConfigError
        If the URL is not one of a supported database.
    Busy
        If another process writes to the database.
    WorkError
        If a fact belongs to no asset or day, a key is that of another product, or the database refuses; nothing is
        written then.
    """
    _check_joins(star)
    with open_database(url, setting=SETTING, timeout_s=timeout_s) as database, database.writing() as connection:
        ensure_tables(connection, METADATA)
        _check_keys(star, _asset_keys(connection), database)
        frames = star.frames
        return load(
            connection,
            [TableRows(table, frames[table.name].to_dicts(), keep_absent=table is dim_asset) for table in TABLES],
        )


def _check_joins(star: Star) -> None:
    facts = star.fact_risk_daily
    for key, dimension in (("asset_key", star.dim_asset), ("date_key", star.dim_calendar)):
        orphans = facts.filter(~facts[key].is_in(dimension[key].to_list()) | facts[key].is_null())
        if orphans.height:
            value = orphans[key][0]
            raise WorkError(
                f"{fact_risk_daily.name}.{key}: {value}: unknown in the dimension ({orphans.height} facts); derive "
                "facts and dimensions from the same tables"
            )


def _check_keys(star: Star, known: dict[str, int], database: Database) -> None:
    product_of = {key: product for product, key in known.items()}
    for product, key in star.dim_asset.select("product_id", "asset_key").iter_rows():
        if known.get(product, key) != key or product_of.get(key, product) != product:
            raise WorkError(
                f"dim_asset.asset_key: {key} for {product}: {database.place} has {product_of.get(key, product)} = "
                f"{known.get(product, key)}; keys never change: read them from the database again and repeat the run"
            )


def star_digest(url: str, *, timeout_s: float = 10.0) -> str:
    """SHA-256 of all facts and dimensions by product and day: equal for equal content in every kind of database.

    Surrogate keys do not count, nor do products without facts.

    Raises
    ------
    WorkError
        If the database cannot be reached or has no star.
    """
    of_facts = [column for column in fact_risk_daily.columns if column.name not in ("asset_key", "date_key")]
    asset, day = dim_asset.c, dim_calendar.c
    facts = (
        sa.select(asset.product_id, day.day, *of_facts)
        .select_from(fact_risk_daily)
        .join(dim_asset, asset.asset_key == fact_risk_daily.c.asset_key)
        .join(dim_calendar, day.date_key == fact_risk_daily.c.date_key)
    )
    has_facts = sa.exists().where(fact_risk_daily.c.asset_key == asset.asset_key)
    assets = sa.select(*(column for column in asset if column.name != "asset_key")).where(has_facts)
    with open_database(url, setting=SETTING, timeout_s=timeout_s) as database, database.reading() as connection:
        parts = [
            query_digest(connection, facts, ["product_id", "day"]),
            query_digest(connection, assets, ["product_id"]),
            query_digest(connection, sa.select(dim_calendar), ["date_key"]),
        ]
    return hashlib.sha256("".join(parts).encode()).hexdigest()
