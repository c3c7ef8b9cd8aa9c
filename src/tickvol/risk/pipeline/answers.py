"""Stored answers that are not in the candles yet, judged, and the ledger as it will be after them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from tickvol.exchange.coinbase_candles import ParsedCandles
from tickvol.risk.pipeline.bronze import answers_after
from tickvol.risk.pipeline.candles import candle_rows, parse_answer
from tickvol.risk.pipeline.context import SYSTEM, RunContext
from tickvol.risk.pipeline.coverage_table import Ledgers, read_ledgers
from tickvol.risk.pipeline.judged_candles import Judged, judge_candles
from tickvol.risk.pipeline.ledger import WindowAnswer, fold
from tickvol.storage.delta.shared_tables import PIPELINE_LOGS


@dataclass(frozen=True, slots=True)
class NewAnswers:
    """Answers in the order of their arrival.

    Attributes
    ----------
    stored : all of them, as rows of the raw table. parsed : the good ones, with their candles.
    windows : what they say of the days, by source and product.
    """

    stored: Sequence[dict[str, Any]]
    parsed: Sequence[tuple[dict[str, Any], ParsedCandles]]
    judged: Judged
    windows: Mapping[tuple[str, str], Sequence[WindowAnswer]]

    @property
    def newest_run(self) -> str:
        """Id of the newest run with an answer; "" without any."""
        return max((row["run_id"] for row in self.stored), default="")

    @property
    def sources(self) -> list[str]:
        """Their origins."""
        return sorted({source for source, _ in self.windows})


def new_answers(run: RunContext) -> NewAnswers:
    """Answers of this run, and of earlier ones that never got as far as the candles."""
    rows = answers_after(run.lake, _last_processed_run(run))
    stored = list(rows.iter_rows(named=True))
    parsed = [(row, candles) for row in stored if (candles := parse_answer(row)) is not None]
    judged = judge_candles(run, candle_rows(parsed, run.ledger_rules))
    windows: dict[tuple[str, str], list[WindowAnswer]] = {}
    for row in stored:
        windows.setdefault((row["source"], row["product_id"]), []).append(_window_answer(row, judged))
    return NewAnswers(stored, parsed, judged, windows)


def _last_processed_run(run: RunContext) -> str | None:
    """Id of the last run whose answers are all in the candles; ids of runs ascend."""
    done = (pl.col("system") == SYSTEM) & (pl.col("step") == "silver") & (pl.col("status") == "success")
    last = run.lake.table(PIPELINE_LOGS.name).read(where=done, columns=["run_id"])["run_id"].max()
    return None if last is None else str(last)


def ledgers_after(run: RunContext, source: str, answers: NewAnswers, products: Sequence[str] = ()) -> Ledgers:
    """Ledgers of a source after the answers, for their products and the given ones."""
    found: dict[str, Sequence[WindowAnswer]] = dict.fromkeys(products, ())
    found |= {product: own for (origin, product), own in answers.windows.items() if origin == source}
    before = read_ledgers(run.lake, source, found)
    return {product: fold(before[product], own, run.ledger_rules) for product, own in found.items()}


def _window_answer(row: dict[str, Any], judged: Judged) -> WindowAnswer:
    step_s, batch = row["granularity_s"], row["ingestion_batch_id"]
    first, last = row["window_start_s"] // step_s, row["window_end_s"] // step_s
    good = judged.good_days.get(batch, frozenset())
    rejected = dict(judged.rejected_days.get(batch, {}))
    if batch in judged.unplaced:
        rejected = dict.fromkeys(range(first, last + 1), "a candle without a readable time") | rejected
    return WindowAnswer(
        run_id=row["run_id"],
        received_at_us=row["received_at_us"],
        first_day=first,
        last_day=last,
        error=row["error"] or row["outcome"] if row["outcome"] in ("failed", "refused") else "",
        good=good,
        rejected={day: rules for day, rules in rejected.items() if day not in good},
    )
