"""Declared steps as Dagster assets, and the blocking checks between them."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from tickvol.orchestration.commands import Run
from tickvol.system import Check, CheckResult, Step

LAST_LINES = 6

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


class CauseConfig(dg.Config):
    """The cause of a run, for steps that take one."""

    because: str = "schedule"


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs commands with the configuration file of this project; their output goes to the log of the run."""

    config_path: Path
    run: Run

    def follow(self, context: Context, words: Sequence[str]) -> tuple[int, list[str]]:
        """Run a command; return its exit code, and the command with its last lines of output."""
        last: deque[str] = deque(maxlen=LAST_LINES)

        def tell(line: str) -> None:
            last.append(line)
            context.log.info(line)

        shown = f"tickvol {' '.join(words)}"
        context.log.info(shown)
        code = self.run([*words, "--config", str(self.config_path)], tell)
        return code, [shown, *last]

    def materialize(self, context: Context, words: Sequence[str], *, retries: int = 0) -> dg.MaterializeResult[None]:
        """Run a command and return the result of its success.

        Raises
        ------
        dagster.Failure
            With its last lines of output, if it failed.
        """
        code, output = self.follow(context, words)
        if code != 0:
            raise dg.Failure("\n".join([f"exit code {code}", *output]), allow_retries=retries > 0)
        return dg.MaterializeResult(metadata={"command": output[0], "said": "\n".join(output[1:])})


def asset(step: Step, commands: Commands) -> dg.AssetsDefinition:
    """The asset of a step; a step that another process keeps up to date is only reported."""
    if step.takes_cause:
        return _with_cause(step, commands)
    if step.nothing_to_do is not None:
        return _skippable(step, step.nothing_to_do, commands)

    policy = None
    if step.retries:
        policy = dg.RetryPolicy(max_retries=step.retries, delay=step.retry_delay_s, backoff=dg.Backoff.EXPONENTIAL)

    @dg.asset(name=step.name, deps=step.after, description=step.about, retry_policy=policy)
    def usual(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        if not step.command:
            return dg.MaterializeResult(metadata={"dataset": step.location})
        return commands.materialize(context, step.command, retries=step.retries)

    return usual


def _with_cause(step: Step, commands: Commands) -> dg.AssetsDefinition:
    @dg.asset(name=step.name, deps=step.after, description=step.about)
    def caused(context: dg.AssetExecutionContext, config: CauseConfig) -> dg.MaterializeResult[None]:
        return commands.materialize(context, (*step.command, config.because))

    return caused


def _skippable(step: Step, nothing_to_do: Callable[[], str | None], commands: Commands) -> dg.AssetsDefinition:
    @dg.asset(name=step.name, deps=step.after, description=step.about, output_required=False)
    def skippable(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        reason = nothing_to_do()
        if reason is not None:
            context.log.info(f"nothing to judge: {reason}")
            return
        yield commands.materialize(context, step.command)

    return skippable


def asset_check(check: Check, commands: Commands, now_ns: Callable[[], int]) -> dg.AssetChecksDefinition:
    """Blocking checks: if one fails, nothing that builds on the asset runs."""
    key = dg.AssetKey(check.step)
    specs = [dg.AssetCheckSpec(name=name, asset=key, blocking=True) for name in check.verdicts]

    @dg.multi_asset_check(name=check.name, specs=specs)
    def judged(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        def run(words: Sequence[str]) -> tuple[int, str]:
            code, output = commands.follow(context, words)
            return code, output[-1]

        for verdict in check.judge(now_ns(), run):
            yield _result(context, verdict, key)

    return judged


def _result(context: Context, verdict: CheckResult, key: dg.AssetKey) -> dg.AssetCheckResult:
    context.log.info(f"{'pass' if verdict.passed else 'FAIL'}  {verdict.name}: {verdict.reason}")
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=verdict.name,
        passed=verdict.passed,
        description=verdict.reason,
        metadata=dict(verdict.figures),
    )
