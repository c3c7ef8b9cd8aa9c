"""Log of a run: the lines of its commands and checks, without the scheduler's own."""

import logging

import dagster as dg


class _Line(logging.Formatter):
    """Format of step and line; Dagster's own format repeats job and run id before each."""

    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", {})
        where = meta.get("step_key") or meta.get("job_name") or ""
        return f"{where:<16} {meta.get('orig_message')}"


@dg.logger
def run_log(_: dg.InitLoggerContext) -> logging.Logger:
    """Logger to standard error, from INFO up; Dagster's own events are in its storage."""
    logger = logging.Logger("tickvol.schedule", level=logging.INFO)
    handler = logging.StreamHandler()
    handler.setFormatter(_Line())
    logger.addHandler(handler)
    return logger
