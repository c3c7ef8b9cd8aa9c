"""What a run says: the lines of its commands and checks, without the scheduler's own."""

import logging

import dagster as dg


class _Line(logging.Formatter):
    """Step and line; Dagster's own form repeats job and run id before each."""

    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", {})
        where = meta.get("step_key") or meta.get("job_name") or ""
        return f"{where:<16} {meta.get('orig_message')}"


@dg.logger
def run_log(_: dg.InitLoggerContext) -> logging.Logger:
    """To standard error, from INFO on; events of Dagster itself are in its storage."""
    logger = logging.Logger("tickvol.schedule", level=logging.INFO)
    handler = logging.StreamHandler()
    handler.setFormatter(_Line())
    logger.addHandler(handler)
    return logger
