"""Fetch what the ledger does not know, one window of days after the other, and store every answer as it came."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tickvol.exchange.coinbase_rest import CandleAnswer, CoinbaseRest
from tickvol.risk.figures.calendar import day_text
from tickvol.risk.pipeline.answers import ledgers_after, new_answers
from tickvol.risk.pipeline.bronze import BronzeWriter
from tickvol.risk.pipeline.context import GRANULARITY_S, RunContext
from tickvol.risk.pipeline.ledger import DAY_US, days_to_ask, windows
from tickvol.risk.tables import BRONZE
from tickvol.storage.delta.run_log import StepReport

FIRST_LISTING = 16_636
"""2015-07-20, the first daily candle of BTC-USD: https://docs.cdp.coinbase.com/exchange/reference."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A span of days to fetch.

    Attributes
    ----------
    first_day : since the epoch; None: by `risk.history_days`.
    retry : also days that failed so recently that they would have to wait.
    again : also days that are known.
    """

    products: Sequence[str]
    first_day: int | None = None
    retry: bool = False
    again: bool = False


def plan_windows(run: RunContext, asked: Asked) -> tuple[list[tuple[str, int, int]], list[str]]:
    """Windows to ask for: product, first and last day, inclusive; and a line for each product with days that wait."""
    now_us = run.now_us()
    today = now_us // DAY_US
    history = run.config.history_days
    first = asked.first_day if asked.first_day is not None else (today - history if history else FIRST_LISTING)
    planned, waiting = [], []
    ledgers = ledgers_after(run, run.source, new_answers(run), asked.products)
    for product in asked.products:
        entries = ledgers[product]
        days = days_to_ask(
            entries,
            first_day=min(first, min(entries, default=first)),
            today=today,
            recheck_days=today - first if asked.again else run.config.recheck_days,
            now_us=now_us,
            retry=asked.retry or asked.again,
        )
        planned += [(product, start, end) for start, end in windows(days, run.config.window_days)]
        late = [day for day in entries.keys() - set(days) if entries[day].state == "failed"]
        if late := [day for day in late if not entries[day].is_rejected]:
            waiting.append(
                f"{product}: {len(late)} days from {day_text(min(late))} failed before and wait for their retry"
            )
    return planned, waiting


def ingest(run: RunContext, client: CoinbaseRest, asked: Asked, report: Callable[[str], None]) -> bool:
    """Fetch the windows and log the step, as failed if a window failed; False if not one got a good answer.

    Failed windows are stored too; the silver step records them in the ledger.
    """
    with run.log.step("ingest", table=BRONZE.name) as step:
        planned, waiting = plan_windows(run, asked)
        writer = BronzeWriter(run)
        problems: list[str] = []
        try:
            for product, first, last in planned:
                answer = client.candles(product, GRANULARITY_S, first * GRANULARITY_S, last * GRANULARITY_S)
                writer.add(answer, run.source)
                _count(step, answer)
                if answer.error:
                    problems.append(
                        f"{product} {day_text(first)} to {day_text(last)}: {answer.outcome}: {answer.error}"
                    )
                    report(problems[-1])
        finally:
            step.rows_written = writer.flush()
        _conclude(step, len(planned), problems, waiting)
    has_answer = not planned or len(problems) < len(planned)
    if not has_answer:
        report(
            "no request got a good answer; without a network, --simulate fetches from a simulated exchange, and"
            " `tickvol risk load` takes candles from files"
        )
    return has_answer


def _count(step: StepReport, answer: CandleAnswer) -> None:
    step.rows_read += 0 if answer.candles is None else len(answer.candles.rows)


def _conclude(step: StepReport, planned: int, problems: Sequence[str], waiting: Sequence[str]) -> None:
    good = planned - len(problems)
    step.message = f"{good} of {planned} windows, {step.rows_read:,} candles"
    if lines := [*problems, *waiting]:
        step.message += f"; {lines[0]}" + (f" and {len(lines) - 1} more" if len(lines) > 1 else "")
        step.has_failed = True
