"""The first tables and views."""

from alembic import op

from tickvol.core.errors import WorkError
from tickvol.signals.warehouse.declaring import METADATA
from tickvol.signals.warehouse.schema import VIEWS

revision = "0001"
down_revision = None

_TABLES = (
    *("dim_symbol", "dim_interval", "dim_indicator_type", "dim_metric", "dim_risk_profile", "dim_strategy"),
    *("strategy_metric", "fact_kline", "kline_correction", "kline_gap", "fact_indicator", "fact_metric_value"),
    *("fact_prediction", "fact_prediction_result", "trial_ledger", "mining_run", "fp_growth_patterns"),
    *("fp_growth_rules", "etl_run", "etl_watermark", "kafka_offset"),
)


def upgrade() -> None:
    """Create the tables that are absent, and the views."""
    connection = op.get_bind()
    METADATA.create_all(connection, tables=[METADATA.tables[name] for name in _TABLES])
    for name in ("v_history", "fp_growth_win_patterns", "fp_growth_win_rules"):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {VIEWS[name]}")


def downgrade() -> None:
    """Refuse: facts would be lost."""
    raise WorkError("schema of the warehouse: there is no way back; restore a backup instead")
