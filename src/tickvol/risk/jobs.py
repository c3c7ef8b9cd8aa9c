"""The daily job of the risk system: a step for each stage of a run, with blocking checks between them."""

import time
from collections.abc import Callable, Iterator

from tickvol.risk.settings import RiskSections
from tickvol.system import Check, CheckResult, Job, JobPlan, RunCommand, Step

_AFTER = {
    "ingest": (),
    "silver": ("ingest",),
    "gold": ("silver",),
    "anomalies": ("gold",),
    "audit": ("anomalies",),
    "star": ("audit",),
    "finish": ("star",),
}
_ABOUT = {
    "ingest": "Answers of the exchange for the days that are not known, as received (bronze).",
    "silver": "Daily candles that meet the rules, and the ledger of known days.",
    "gold": "Risk figures, judged forecasts, correlations and drawdown episodes.",
    "anomalies": "Robust z-scores of daily returns.",
    "audit": "Sanity checks of the gold tables.",
    "star": "The star schema for BI tools.",
    "finish": "The log row of the whole run; fails if a part of the run failed.",
}
_CHECKS = {"silver": ("silver_unique", "coverage_ok", "rules_ok"), "star": ("star_joins",)}
_RETRIES, _RETRY_DELAY_S = 2, 60


def step_name(step: str) -> str:
    """Name of the scheduler's asset for a step of a run."""
    return f"risk_{step}"


def job_plan(config: RiskSections) -> JobPlan:
    """Steps, job and checks that this system registers with the scheduler."""
    steps = tuple(
        Step(
            name=step_name(step),
            command=("risk", "run", "--only", step),
            after=tuple(map(step_name, after)),
            about=_ABOUT[step],
            retries=_RETRIES if step == "ingest" else 0,
            retry_delay_s=_RETRY_DELAY_S,
        )
        for step, after in _AFTER.items()
    )
    job = Job(name="risk", steps=tuple(step.name for step in steps), command=("risk", "run"), cron=config.risk.cron)
    checks = tuple(
        Check(name=f"check_{step_name(step)}", step=step_name(step), verdicts=names, judge=_judge(config, step))
        for step, names in _CHECKS.items()
    )
    return JobPlan(steps=steps, jobs=(job,), checks=checks)


def _judge(config: RiskSections, step: str) -> Callable[[int, RunCommand], Iterator[CheckResult]]:
    def judge(_: int, __: RunCommand) -> Iterator[CheckResult]:
        from tickvol.risk.pipeline.checks import judge_step
        from tickvol.risk.pipeline.session import end_blocked_run, open_lake

        results = judge_step(open_lake(config.lake), config.risk, step)
        problems = [f"{result.name}: {result.reason}" for result in results if not result.passed]
        if problems:
            end_blocked_run(config, step, problems, lambda: time.time_ns() // 1000)
        yield from results

    return judge
