"""Run of a job in this process, without the scheduler's processes, for cron."""

from dataclasses import dataclass

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError

from tickvol.orchestration.home import MAKER_TAG, fail_dead_runs, this_process

_CHECK_FAILED = DagsterAssetCheckFailedError.__name__


@dataclass(frozen=True, slots=True)
class JobResult:
    """Result of a job.

    Attributes
    ----------
    done, failed, left_out : asset and check steps by name; left out are those after a failed one.
    problems : reasons for which steps and checks failed, one text each.
    """

    success: bool
    done: tuple[str, ...]
    failed: tuple[str, ...]
    left_out: tuple[str, ...]
    problems: tuple[str, ...]


def run_job(definitions: dg.Definitions, name: str, instance: dg.DagsterInstance) -> JobResult:
    """Run a job to its end; a failed step or blocking check skips the steps after it and raises nothing."""
    job = definitions.resolve_job_def(name)
    fail_dead_runs(instance, of_scheduler=False)
    result = job.execute_in_process(instance=instance, raise_on_error=False, tags={MAKER_TAG: this_process()})
    events = result.all_events
    done = tuple(str(event.step_key) for event in events if event.is_step_success)
    failures = [event for event in events if event.is_step_failure]
    failed = tuple(str(event.step_key) for event in failures)
    checks = [found for found in result.get_asset_check_evaluations() if not found.passed]
    return JobResult(
        success=result.success,
        done=done,
        failed=failed,
        left_out=tuple(node.name for node in job.nodes if node.name not in (*done, *failed)),
        problems=(
            *(f"{found.check_name}: {found.description}" for found in checks),
            *(problem for event in failures if (problem := _problem(event)) is not None),
        ),
    )


def _problem(event: dg.DagsterEvent) -> str | None:
    """Cause of a step's failure; None for a failed check, which has reported its own reason."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return f"{event.step_key}: {data.user_failure_data.description}"
    error = data.error
    if error is None or error.cls_name == _CHECK_FAILED:
        return None
    cause = error.cause or error
    return f"{event.step_key}: {cause.message.strip()}"
