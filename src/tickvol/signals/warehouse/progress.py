"""Records of progress: runs of steps, watermarks, offsets of consumers."""

from tickvol.signals.warehouse.declaring import METADATA, big, key, number, one_of, small, text, time_ms
from tickvol.storage.warehouse.columns import sql_table

etl_run = sql_table(
    METADATA,
    "etl_run",
    key(text("run_id", 36, "run")),
    text("step", 32, "step"),
    text("status", 10, "state of the run"),
    text("message", 500, "first line of the error; null: none", nullable=True),
    time_ms("started_at_ms", "start of the run"),
    big("duration_ms", "duration [ms]; null: not ended", nullable=True),
    big("rows_read", "rows read", nullable=True),
    big("rows_written", "rows inserted or corrected", nullable=True),
    big("rows_unchanged", "rows that were stored already", nullable=True),
    small("attempt", "number of the attempt, from 1"),
    text("code_version", 40, "version of the program"),
    one_of("status", "running", "ok", "failed", "partial"),
    comment="A run of a step. Only appended to.",
)

etl_watermark = sql_table(
    METADATA,
    "etl_watermark",
    key(text("step", 32, "step")),
    key(small("symbol_id", "symbol")),
    key(small("interval_id", "length of the bars")),
    time_ms("complete_to_ms", "close time up to which the step is complete"),
    comment="Progress of a step.",
)

kafka_offset = sql_table(
    METADATA,
    "kafka_offset",
    key(text("consumer", 64, "consumer")),
    key(text("topic", 64, "topic")),
    key(number("partition_no", "partition")),
    big("next_offset", "offset of the first message that was not consumed"),
    comment="Position of a consumer, written with the rows of its messages.",
)
