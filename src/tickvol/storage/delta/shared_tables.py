"""Tables that all systems write: the log of their runs, counts of their rules, and rejected rows."""

from tickvol.storage.delta.spec import Column, TableSpec

US = "us since the epoch, UTC"

PIPELINE_LOGS = TableSpec(
    name="pipeline_logs",
    about="One attempt of a step of a run, written when it ended.",
    columns=(
        Column("run_id", "text", "run that the step belongs to (UUID version 7, so it sorts by time)"),
        Column("system", "text", "system that ran"),
        Column("step", "text", "step of the run; `run` is the whole run"),
        Column("attempt", "int32", "number of the attempt, from 1"),
        Column("started_us", "int64", "start", US),
        Column("ended_us", "int64", "end", US),
        Column("duration_s", "float64", "duration by a monotonic clock", "s"),
        Column("status", "text", "success, failed or skipped"),
        Column("rows_read", "int64", "rows that the step read"),
        Column("rows_written", "int64", "rows inserted or changed"),
        Column("rows_rejected", "int64", "rows that went to quarantine"),
        Column("message", "text", "summary, or the reason of a failure"),
        Column("error_type", "text", "class of the error", optional=True),
        Column("config_hash", "text", "SHA-256 of the settings that decide the result"),
        Column("code_version", "text", "version of tickvol"),
        Column("table", "text", "table that the step writes", optional=True),
        Column("table_version_before", "int64", "its version before the step", optional=True),
        Column("table_version_after", "int64", "its version after the step", optional=True),
    ),
    key=("run_id", "step", "attempt"),
    append_only=True,
)

RULE_COUNTS = TableSpec(
    name="rule_counts",
    about="Rows of a run that one rule accepted and rejected, for one product; written also when all passed.",
    columns=(
        Column("run_id", "text", "run that applied the rule"),
        Column("attempt", "int32", "number of the step's attempt in the run, from 1"),
        Column("table", "text", "table whose rows were checked"),
        Column("rule", "text", "name of the rule"),
        Column("product_id", "text", "product; empty: rows without a valid one"),
        Column("action", "text", "warn, quarantine or fail"),
        Column("checked", "int64", "rows that were checked"),
        Column("violated", "int64", "rows that broke the rule"),
    ),
    key=("run_id", "attempt", "table", "rule", "product_id"),
    append_only=True,
)

QUARANTINE = TableSpec(
    name="quarantine",
    about="A row that was rejected, with all rules that it broke; rejected again under other rules it is another row.",
    columns=(
        Column("run_id", "text", "run that rejected the row", is_provenance=True),
        Column("table", "text", "table that it was meant for"),
        Column("row_sha256", "text", "SHA-256 of `row`"),
        Column("product_id", "text", "product; empty: unknown"),
        Column("rules", "text", "names of the rules that it broke, separated by commas"),
        Column("row", "text", "the row as JSON"),
        Column("ingestion_batch_id", "text", "batch in bronze that it came with", optional=True, is_provenance=True),
    ),
    key=("table", "row_sha256", "rules"),
    append_only=True,
)

SHARED_TABLES = (PIPELINE_LOGS, RULE_COUNTS, QUARANTINE)
