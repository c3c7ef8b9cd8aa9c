"""Check the star schema of a database: joins, keys, and its sums against the gold tables."""

import math

import polars as pl
import sqlalchemy as sa

from tickvol.risk.star.schema import ANOMALY_FIGURES, FIGURES, TABLES, dim_asset, dim_calendar, fact_risk_daily
from tickvol.risk.star.store import SETTING
from tickvol.risk.tables import ANOMALIES, RISK
from tickvol.storage.delta.spec import Column
from tickvol.storage.warehouse.engine import open_database


def check_star(
    url: str,
    risk: pl.DataFrame | None = None,
    anomalies: pl.DataFrame | None = None,
    *,
    timeout_s: float = 10.0,
) -> tuple[str, ...]:
    """Problems of the star schema, one line each; none where all is well.

    Parameters
    ----------
    risk, anomalies : rows of the gold tables, whose counts and sums the facts must have; None: not compared.

    Raises
    ------
    ConfigError
        If the URL is not one of a supported database.
    WorkError
        If the database cannot be reached.
    """
    with open_database(url, setting=SETTING, timeout_s=timeout_s) as database, database.reading() as connection:
        inspector = sa.inspect(connection)
        absent = [table.name for table in TABLES if not inspector.has_table(table.name)]
        if absent:
            return (f"{database.place}: tables are absent: {', '.join(absent)}",)
        problems = _orphans(connection) + _duplicates(connection)
        if risk is not None:
            problems += _differences(connection, risk, FIGURES, RISK.name)
        if anomalies is not None:
            problems += _differences(connection, anomalies, ANOMALY_FIGURES, ANOMALIES.name)
    return tuple(problems)


def _orphans(connection: sa.Connection) -> list[str]:
    problems = []
    for name, dimension in (("asset_key", dim_asset), ("date_key", dim_calendar)):
        join = fact_risk_daily.outerjoin(dimension, fact_risk_daily.c[name] == dimension.c[name])
        query = sa.select(sa.func.count()).select_from(join).where(dimension.c[name].is_(None))
        if count := connection.scalar(query):
            problems.append(f"{fact_risk_daily.name}.{name}: {count} facts have no row in {dimension.name}")
    return problems


def _duplicates(connection: sa.Connection) -> list[str]:
    problems = []
    keys = [(table, list(table.primary_key.columns)) for table in TABLES]
    for table, columns in [*keys, (dim_asset, [dim_asset.c.product_id]), (dim_calendar, [dim_calendar.c.day])]:
        groups = sa.select(*columns).group_by(*columns).having(sa.func.count() > 1).subquery()
        if count := connection.scalar(sa.select(sa.func.count()).select_from(groups)):
            named = ", ".join(column.name for column in columns)
            problems.append(f"{table.name}: {count} values of {named} occur more than once")
    return problems


def _differences(connection: sa.Connection, gold: pl.DataFrame, columns: tuple[Column, ...], name: str) -> list[str]:
    """Compare known values and their exactly rounded sums, by product and column."""
    names = [column.name for column in columns if column.type != "text"]
    join = fact_risk_daily.join(dim_asset, dim_asset.c.asset_key == fact_risk_daily.c.asset_key)
    query = sa.select(dim_asset.c.product_id, *(fact_risk_daily.c[one] for one in names)).select_from(join)
    facts: dict[str, list[tuple[float | None, ...]]] = {}
    for product, *figures in connection.execute(query):
        facts.setdefault(product, []).append(tuple(figures))
    golds: dict[str, list[tuple[float | None, ...]]] = {}
    for product, *figures in gold.select("product_id", *names).iter_rows():
        golds.setdefault(product, []).append(tuple(figures))
    problems = []
    for product in sorted(facts.keys() | golds.keys()):
        ours, theirs = facts.get(product, []), golds.get(product, [])
        if name == RISK.name and len(ours) != len(theirs):
            problems.append(f"{product}: {len(ours)} facts, {len(theirs)} rows in {name}")
        for place, column in enumerate(names):
            found, expected = _sum(ours, place), _sum(theirs, place)
            if found != expected:
                problems.append(
                    f"{product} {column}: {found[0]} known facts with sum {found[1]!r}, {name} has {expected[0]} with "
                    f"sum {expected[1]!r}"
                )
    return problems


def _sum(rows: list[tuple[float | None, ...]], place: int) -> tuple[int, float]:
    known = [value for row in rows if (value := row[place]) is not None]
    return len(known), math.fsum(known)
