"""The warehouse as Parquet files, one a table and view."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine

from tickvol.signals.warehouse.schema import TABLES, VIEWS
from tickvol.storage.warehouse.export import write_parquet

_TYPES: dict[str, TypeEngine[Any]] = {column.name: column.type for table in TABLES for column in table.columns}
_OF_VIEWS: dict[str, TypeEngine[Any]] = {"symbol": sa.String(), "interval_code": sa.String(), "pnl_pct": sa.Double()}
_ORDERS = {
    "v_history": ("predicting_at_ms", "prediction_id"),
    "fp_growth_win_patterns": ("mining_id", "pattern_hash"),
    "fp_growth_win_rules": ("mining_id", "rule_hash"),
}
VIEW_COLUMNS = {
    "v_history": (
        *("prediction_id", "symbol", "interval_code", "predicting_at_ms", "action", "market_score"),
        *("confidence_score", "reason_no_trade", "result_status", "exit_reason", "entry_price", "exit_price"),
        *("pnl_pct", "confirmed_at_ms"),
    ),
    "fp_growth_win_patterns": (
        *("mining_id", "pattern_hash", "items", "item_count", "n_trades", "n_pattern", "support"),
    ),
    "fp_growth_win_rules": (
        *("mining_id", "rule_hash", "antecedent", "n_antecedent", "n_both", "support", "confidence", "lift"),
        *("p_value", "q_value", "n_antecedent_oos", "confidence_oos", "base_rate_oos", "verdict"),
    ),
}
"""Columns of the views."""


def export_warehouse(connection: sa.Connection, directory: Path) -> dict[Path, int]:
    """Write `TABLE.parquet` for each table and view, ordered by key; return the number of rows of each file."""
    directory.mkdir(parents=True, exist_ok=True)
    written = {}
    for table in TABLES:
        types = {column.name: column.type for column in table.columns}
        path = directory / f"{table.name}.parquet"
        written[path] = write_parquet(connection, sa.select(table).order_by(*table.primary_key), types, path)
    for name in VIEWS:
        types = {column: _OF_VIEWS.get(column) or _TYPES[column] for column in VIEW_COLUMNS[name]}
        columns = {column: sa.column(column, kind) for column, kind in types.items()}
        view = sa.table(name, *columns.values())
        path = directory / f"{name}.parquet"
        query = sa.select(view).order_by(*(view.c[column] for column in _ORDERS[name]))
        written[path] = write_parquet(connection, query, types, path)
    return written
