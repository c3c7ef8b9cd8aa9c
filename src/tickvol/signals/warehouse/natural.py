"""Digests of the warehouse's tables by names, so that databases which number the same things differently agree."""

import hashlib

import sqlalchemy as sa

from tickvol.signals.warehouse.declaring import IS_AUDIT
from tickvol.signals.warehouse.dimensions import (
    dim_indicator_type,
    dim_interval,
    dim_metric,
    dim_risk_profile,
    dim_strategy,
    dim_symbol,
)
from tickvol.signals.warehouse.progress import etl_run, kafka_offset
from tickvol.signals.warehouse.research import mining_run
from tickvol.signals.warehouse.schema import TABLES
from tickvol.storage.warehouse.digest import query_digest

_VERSIONED = ("code", "version")
_NAMES: dict[str, tuple[sa.Table, tuple[str, ...]]] = {
    "symbol_id": (dim_symbol, ("code",)),
    "interval_id": (dim_interval, ("code",)),
    "indicator_type_id": (dim_indicator_type, _VERSIONED),
    "reference_type_id": (dim_indicator_type, _VERSIONED),
    "metric_id": (dim_metric, _VERSIONED),
    "risk_profile_id": (dim_risk_profile, _VERSIONED),
    "strategy_id": (dim_strategy, _VERSIONED),
    "mining_id": (mining_run, ("input_hash",)),
}

DIGESTED = tuple(table for table in TABLES if table not in (etl_run, kafka_offset))
"""Tables whose content follows from the input: not those of runs and of positions in Kafka."""


def table_digest(connection: sa.Connection, table: sa.Table) -> str:
    """SHA-256 of the rows of a table: names instead of numbers, without columns that tell when it was written."""
    query, key = natural_query(table)
    return query_digest(connection, query, key)


def whole_digest(digests: dict[str, str]) -> str:
    """SHA-256 of the digests of tables."""
    lines = "".join(f"{name} {digests[name]}\n" for name in sorted(digests))
    return hashlib.sha256(lines.encode()).hexdigest()


def natural_query(table: sa.Table) -> tuple[sa.Select[tuple[object, ...]], list[str]]:
    """Rows of a table by names, and the columns that identify a row."""
    selected: list[sa.ColumnElement[object]] = []
    key: list[str] = []
    source: sa.FromClause = table
    for column in table.columns:
        dimension, names = _NAMES.get(column.name, (None, ()))
        if column.info.get(IS_AUDIT):
            continue
        if dimension is None:
            selected.append(column)
            key += [column.name] if column.primary_key else []
        elif dimension is table and column.primary_key:
            key += names
        else:
            named = dimension.alias(f"of_{column.name}")
            source = source.outerjoin(named, column == named.c[next(iter(dimension.primary_key)).name])
            labels = [f"{column.name}_{name}" for name in names]
            selected += [named.c[name].label(label) for name, label in zip(names, labels, strict=True)]
            key += labels if column.primary_key else []
    query: sa.Select[tuple[object, ...]] = sa.select(*selected).select_from(source)  # type: ignore[assignment]
    return query, key
