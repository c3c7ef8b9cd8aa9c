"""Steps as Dagster assets, and the blocking checks between them."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from tickvol.config import Config
from tickvol.orchestration.commands import Run
from tickvol.volatility.jobs.plan import LEAKCHECK, Step, steps
from tickvol.volatility.jobs.verdicts import (
    BUNDLES,
    FRESH,
    LEAK_FREE,
    NOT_EMPTY,
    ONE_SPEC,
    Verdict,
    bundles_verdict,
    features_verdicts,
    rows_of_training,
)

LAST_WORDS = 6
RETRAINING = "retraining"

Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


class RetrainingConfig(dg.Config):
    """What asks for a training: schedule or drift."""

    because: str = "schedule"


@dataclass(frozen=True, slots=True)
class Commands:
    """Runs commands with the configuration file of this project; what they say goes to the log of the run."""

    config_path: Path
    run: Run

    def carry_out(self, context: Context, words: Sequence[str]) -> tuple[int, list[str]]:
        """Exit code and the last lines."""
        last: deque[str] = deque(maxlen=LAST_WORDS)

        def tell(line: str) -> None:
            last.append(line)
            context.log.info(line)

        shown = f"tickvol {' '.join(words)}"
        context.log.info(shown)
        code = self.run([*words, "--config", str(self.config_path)], tell)
        return code, [shown, *last]

    def materialize(self, context: Context, words: Sequence[str]) -> dg.MaterializeResult[None]:
        """The result of a command that ended well.

        Raises
        ------
        dagster.Failure
            With its last words, when it did not.
        """
        code, said = self.carry_out(context, words)
        if code != 0:
            raise dg.Failure("\n".join([f"exit code {code}", *said]), allow_retries=False)
        return dg.MaterializeResult(metadata={"command": said[0], "said": "\n".join(said[1:])})


def assets(config: Config, commands: Commands) -> list[dg.AssetsDefinition]:
    """All steps; features that somebody else keeps are only looked at."""
    special = {RETRAINING: _retraining, "live_performance": _performance}
    return [special.get(step.name, _usual)(config, step, commands) for step in steps(config)]


def _usual(config: Config, step: Step, commands: Commands) -> dg.AssetsDefinition:
    @dg.asset(name=step.name, deps=step.after, description=step.about)
    def usual(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        if not step.command:
            return dg.MaterializeResult(metadata={"dataset": str(config.features.dataset_dir)})
        return commands.materialize(context, step.command)

    return usual


def _retraining(_: Config, step: Step, commands: Commands) -> dg.AssetsDefinition:
    @dg.asset(name=step.name, deps=step.after, description=step.about)
    def retraining(context: dg.AssetExecutionContext, config: RetrainingConfig) -> dg.MaterializeResult[None]:
        return commands.materialize(context, (*step.command, config.because))

    return retraining


def _performance(config: Config, step: Step, commands: Commands) -> dg.AssetsDefinition:
    @dg.asset(name=step.name, deps=step.after, description=step.about, output_required=False)
    def performance(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        from tickvol.volatility.jobs.live_topics import why_nothing_to_judge  # brings the client of Kafka

        reason = why_nothing_to_judge(config)
        if reason is not None:
            context.log.info(f"nothing to judge: {reason}")
            return
        yield commands.materialize(context, step.command)

    return performance


def asset_checks(config: Config, commands: Commands, now_ns: Callable[[], int]) -> list[dg.AssetChecksDefinition]:
    """All of them blocking: with one that fails nothing behind its asset is run."""
    features, training = dg.AssetKey("features"), dg.AssetKey("training")

    @dg.multi_asset_check(name="check_features", specs=[_spec(name, features) for name in (NOT_EMPTY, ONE_SPEC, FRESH)])
    def check_features(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        for verdict in features_verdicts(config, now_ns()):
            yield _result(context, verdict, features)

    @dg.multi_asset_check(name="check_bundles", specs=[_spec(BUNDLES, training)])
    def check_bundles(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        yield _result(context, bundles_verdict(config), training)

    @dg.multi_asset_check(name="check_leaks", specs=[_spec(LEAK_FREE, training)])
    def check_leaks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        code, said = commands.carry_out(context, (*LEAKCHECK, *rows_of_training(config)))
        yield _result(context, Verdict(LEAK_FREE, code == 0, said[-1], {"exit_code": code}), training)

    return [check_features, check_bundles, check_leaks]


def _spec(name: str, asset: dg.AssetKey) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name=name, asset=asset, blocking=True)


def _result(context: Context, verdict: Verdict, asset: dg.AssetKey) -> dg.AssetCheckResult:
    context.log.info(f"{'pass' if verdict.passed else 'FAIL'}  {verdict.name}: {verdict.reason}")
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=verdict.name,
        passed=verdict.passed,
        description=verdict.reason,
        metadata=dict(verdict.figures),
    )
