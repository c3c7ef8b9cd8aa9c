"""The steps of a run in their order, what is checked before the next may start, and the run as a whole."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tickvol.core.errors import TickvolError, WorkError
from tickvol.exchange.coinbase_rest import CoinbaseRest
from tickvol.risk.pipeline.anomalies import update_anomalies
from tickvol.risk.pipeline.audit import audit
from tickvol.risk.pipeline.checks import CHECKED_STEPS, judge_step
from tickvol.risk.pipeline.context import RunContext
from tickvol.risk.pipeline.gold import update_gold
from tickvol.risk.pipeline.ingest import Asked, ingest
from tickvol.risk.pipeline.silver import update_silver
from tickvol.risk.pipeline.star import update_star

INGEST = "ingest"
STEPS = (INGEST, "silver", "gold", "anomalies", "audit", "star")

_WORK: Mapping[str, Callable[[RunContext], None]] = {
    "silver": update_silver,
    "gold": update_gold,
    "anomalies": update_anomalies,
    "audit": audit,
    "star": update_star,
}


@dataclass(frozen=True, slots=True)
class Fetching:
    """Days to fetch, and the client that fetches them."""

    asked: Asked
    client: CoinbaseRest


def run_step(run: RunContext, step: str, fetching: Fetching | None, report: Callable[[str], None]) -> bool:
    """Run one step; a fetch that is not wanted is logged as skipped. False if a fetch got no good answer at all.

    Parameters
    ----------
    report : takes a line about each window that failed.

    Raises
    ------
    TickvolError
        If the step fails; it is logged.
    """
    if step != INGEST:
        _WORK[step](run)
    elif fetching is not None:
        return ingest(run, fetching.client, fetching.asked, report)
    else:
        run.log.skip(INGEST, "nothing is fetched in this run")
    return True


def require_checks(run: RunContext, step: str) -> None:
    """Judge the result of a step and log the verdicts, if it has checks.

    Raises
    ------
    WorkError
        With the reason of each failed check.
    """
    if step not in CHECKED_STEPS:
        return
    with run.log.step(f"{step}_checks") as report:
        results = judge_step(run.lake, run.config, step)
        report.message = ", ".join(result.name for result in results)
        problems = [f"{result.name}: {result.reason}" for result in results if not result.passed]
        if problems:
            raise WorkError("; ".join(problems))


def run_steps(run: RunContext, fetching: Fetching | None, report: Callable[[str], None]) -> bool:
    """Run all steps with their checks; what follows a failed one is logged as skipped. True if all succeeded."""
    for step in STEPS:
        try:
            run_step(run, step, fetching, report)
            require_checks(run, step)
        except TickvolError as error:
            report(f"{step}: {error}")
            skip_after(run, step)
            break
        except Exception:  # a bug: the log is closed all the same
            skip_after(run, step)
            run.log.end("")
            raise
    return run.log.end(f"{len(STEPS)} steps")


def skip_after(run: RunContext, step: str) -> None:
    """Log the steps that build on a failed one as skipped."""
    for later in steps_after(step):
        run.log.skip(later, f"{step} failed")


def steps_after(step: str) -> Sequence[str]:
    """Steps that build on a step."""
    return STEPS[STEPS.index(step) + 1 :]
