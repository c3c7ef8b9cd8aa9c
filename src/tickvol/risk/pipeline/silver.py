"""Clean candles from raw answers: rules, the latest answer wins, revisions of final days, and the ledger of days."""

import logging

import polars as pl

from tickvol.core.errors import WorkError
from tickvol.risk.pipeline.answers import NewAnswers, ledgers_after, new_answers
from tickvol.risk.pipeline.candles import latest_candles
from tickvol.risk.pipeline.context import RunContext
from tickvol.risk.pipeline.coverage_table import ledger_rows, read_ledgers
from tickvol.risk.pipeline.judged_candles import store_judgement
from tickvol.risk.tables import COVERAGE, REVISIONS, SCHEMA_EVENTS, SILVER

logger = logging.getLogger(__name__)

_KEY = list(SILVER.key)
_VALUES = ("open", "high", "low", "close", "volume")


def update_silver(run: RunContext) -> None:
    """Bring candles, revisions and ledger up to date with all answers since the last time; log the step.

    Raises
    ------
    WorkError
        If more than `risk.max_rejected_share` of the days have only rejected candles; the tables are as before.
    """
    with run.log.step("silver", table=SILVER.name) as step:
        answers = new_answers(run)
        judged = answers.judged
        step.rows_read = len(judged.good) + len(judged.rejected)
        step.rows_rejected = len(judged.rejected)
        store_judgement(run, judged)
        _refuse_bad_batch(run, answers)
        _store_schema_events(run, answers)
        changes = [
            _merge(run, latest_candles(judged.good.filter(pl.col("run_id") == run_id)))
            for run_id in judged.good["run_id"].unique().sort()  # one by one: a run cut short leaves no other revisions
        ]
        new, changed, revised = (sum(numbers) for numbers in zip((0, 0, 0), *changes, strict=True))
        step.rows_written = new + changed
        step.message = f"{new:,} new, {changed:,} changed, {revised:,} final days revised"
        if revised:
            logger.warning("%d final days were revised, see the table %s", revised, REVISIONS.name)
        _update_ledgers(run, answers)


def _refuse_bad_batch(run: RunContext, answers: NewAnswers) -> None:
    good, bad = _days(run, answers)
    days, limit = good + bad, run.config.max_rejected_share
    if days and bad / days > limit:
        raise WorkError(
            f"risk.max_rejected_share: {bad} of {days} days have only rejected candles: must be at most {limit:.0%};"
            f" the candles are left as they were, see `tickvol risk gaps` and the table quarantine"
        )
    if failed := answers.judged.failed:
        raise WorkError(f"risk.rules: {', '.join(failed)}: violated, and the action is fail")


def _days(run: RunContext, answers: NewAnswers) -> tuple[int, int]:
    """Days of the newest run with a good candle, and with only rejected ones that are news.

    A day that an older run was refused for may be known, so that no run asks for it again: it must not count for ever.
    """
    good, bad = 0, 0
    for source in answers.sources:
        ledgers = read_ledgers(run.lake, source)
        for (origin, product), windows in answers.windows.items():
            if origin == source:
                newest = [window for window in windows if window.run_id == answers.newest_run]
                good_days = {day for window in newest for day in window.good}
                bad_days = {day for window in newest for day in window.rejected} - good_days
                ledger = ledgers.get(product, {})
                good += len(good_days)
                bad += sum(not (day in ledger and ledger[day].is_rejected) for day in bad_days)
    return good, bad


def _store_schema_events(run: RunContext, answers: NewAnswers) -> None:
    table = run.lake.table(SCHEMA_EVENTS.name)
    found: dict[tuple[str, str, str, str], dict[str, object]] = {}
    for row, candles in answers.parsed:
        events = {"new": candles.new_fields, "missing": candles.missing_fields, "retyped": candles.retyped_fields}
        for event, fields in events.items():
            for field in fields:
                found.setdefault(
                    (row["source"], candles.fingerprint, field, event),
                    {
                        "source": row["source"],
                        "schema_fingerprint": candles.fingerprint,
                        "field": field,
                        "event": event,
                        "ingestion_batch_id": row["ingestion_batch_id"],
                        "run_id": run.log.run_id,
                    },
                )
    if found:
        schema = table.read(where=pl.lit(False)).schema
        table.append(pl.DataFrame(list(found.values()), schema=schema), run_id=run.log.run_id)


def _merge(run: RunContext, latest: pl.DataFrame) -> tuple[int, int, int]:
    """Numbers of candles that are new, changed, and changed after they were final."""
    silver = run.lake.table(SILVER.name)
    stored = silver.read(where=pl.col("source").is_in(latest["source"].unique().to_list()))
    both = latest.join(stored, on=_KEY, how="left", suffix="_before", nulls_equal=True)
    is_new = pl.col("close_before").is_null()
    is_later = pl.struct("received_at_us", "ingestion_batch_id").is_not_null() & (
        (pl.col("received_at_us") > pl.col("received_at_us_before"))
        | (
            (pl.col("received_at_us") == pl.col("received_at_us_before"))
            & (pl.col("ingestion_batch_id") > pl.col("ingestion_batch_id_before"))
        )
    )
    has_other_values = pl.any_horizontal(pl.col(name) != pl.col(f"{name}_before") for name in _VALUES)
    is_changed = (
        has_other_values
        | (pl.col("is_final") & ~pl.col("is_final_before"))
        | pl.col("_rescued_data").ne_missing(pl.col("_rescued_data_before"))
    )
    written = both.filter(is_new | (is_later & is_changed))
    is_revision = (has_other_values & pl.col("is_final_before")).fill_null(False)
    written = written.with_columns(
        is_final=pl.col("is_final") | pl.col("is_final_before").fill_null(False),
        revision=(pl.col("revision").fill_null(0) + is_revision.cast(pl.Int32)).cast(pl.Int32),
        first_seen_us=pl.coalesce("first_seen_us", "received_at_us"),
        changed_us=pl.col("received_at_us"),
        is_revision=is_revision,
    )
    _store_revisions(run, written.filter("is_revision"))
    result = silver.merge(written.select(SILVER.names), run_id=run.log.run_id)
    return result.inserted, result.updated, int(written["is_revision"].sum())


def _store_revisions(run: RunContext, revised: pl.DataFrame) -> None:
    if revised.is_empty():
        return
    renamed = [
        pl.col(f"{name}_before" if which == "before" else name).alias(f"{name}_{which}")
        for name in _VALUES
        for which in ("before", "after")
    ]
    rows = revised.select(*_KEY, "revision", *renamed, "ingestion_batch_id", "received_at_us").with_columns(
        run_id=pl.lit(run.log.run_id)
    )
    run.lake.table(REVISIONS.name).append(rows.select(REVISIONS.names), run_id=run.log.run_id)


def _update_ledgers(run: RunContext, answers: NewAnswers) -> None:
    table = run.lake.table(COVERAGE.name)
    schema = table.read(where=pl.lit(False)).schema
    frames = [ledger_rows(source, ledgers_after(run, source, answers), schema) for source in answers.sources]
    if frames:
        table.merge(pl.concat(frames), run_id=run.log.run_id)
