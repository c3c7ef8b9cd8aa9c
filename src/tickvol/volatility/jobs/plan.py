"""Steps, jobs, checks and the sensor of the volatility system; each step is a command of `tickvol`."""

from collections.abc import Iterator

from tickvol.settings.schedules import SchedulesConfig
from tickvol.system import Check, CheckResult, Job, JobPlan, Observation, RunCommand, Sensor, Step
from tickvol.volatility.jobs.verdict_names import BUNDLES, FRESH, LEAK_FREE, NOT_EMPTY, ONE_SPEC
from tickvol.volatility.settings.profile import VolatilityConfig

LEAKCHECK = ("leakcheck",)
"""Checks the saved results of training; a leak stops every step that builds on them."""

ON_DRIFT = "retrain_on_drift"
DRIFT = ("drift", "--recent", "--served", "--alert")


def job_plan(config: VolatilityConfig) -> JobPlan:
    """Steps, jobs, checks and sensor that this system registers with the scheduler."""
    return JobPlan(
        steps=steps(config), jobs=jobs(config.schedules), checks=checks(config), sensors=(drift_sensor(config),)
    )


def steps(config: VolatilityConfig) -> tuple[Step, ...]:
    """All steps, each after the steps that it depends on."""

    def nothing_to_judge() -> str | None:
        from tickvol.volatility.jobs.live_topics import why_nothing_to_judge  # imports the Kafka client

        return why_nothing_to_judge(config)

    replay = ("replay", "--data-file", str(config.ingestion.raw_dir))
    return (
        Step(
            name="features",
            command=replay if config.schedules.features == "replay" else (),
            after=(),
            about="The dataset of feature rows.",
            location=str(config.features.dataset_dir),
        ),
        Step(name="training", command=("train",), after=("features",), about="Trained bundles and the challenger."),
        Step(name="evaluation", command=("evaluate",), after=("training",), about="Evaluation on unseen rows."),
        Step(
            name="promotion",
            command=("promote",),
            after=("training", "evaluation"),
            about="Promotion of the challenger if it passes the gates.",
        ),
        Step(
            name="retraining",
            command=("retrain", "--because"),
            after=("features",),
            about="Retraining decision, with the promotion gates if it trains.",
            takes_cause=True,
        ),
        Step(
            name="live_performance",
            command=("performance",),
            after=(),
            about="Performance of the live predictions.",
            nothing_to_do=nothing_to_judge,
        ),
        Step(
            name="drift_summary",
            command=DRIFT,
            after=("features", "live_performance"),
            about="Drift of the newest rows against the same hours of earlier days, with alerts.",
        ),
    )


def jobs(schedules: SchedulesConfig) -> tuple[Job, ...]:
    """All jobs; those with a cron expression are scheduled."""
    retraining = ("features", "retraining")
    return (
        Job(
            name="pipeline",
            steps=("features", "training", "evaluation", "promotion"),
            command=("schedule", "run", "pipeline"),
        ),
        Job(name="train", steps=("features", "training"), command=("train",)),
        Job(name="evaluate", steps=("evaluation",), command=("evaluate",)),
        Job(name="promote", steps=("promotion",), command=("promote",)),
        Job(
            name="retrain", steps=retraining, command=("retrain", "--because", "schedule"), cron=schedules.retrain_cron
        ),
        Job(name=ON_DRIFT, steps=retraining, command=("retrain", "--because", "drift"), cause="drift"),
        Job(name="performance", steps=("live_performance",), command=("performance",), cron=schedules.performance_cron),
        Job(
            name="drift",
            steps=("features", "drift_summary"),
            command=DRIFT,
            cron=schedules.drift_cron,
        ),
    )


def checks(config: VolatilityConfig) -> tuple[Check, ...]:
    """Checks of features and of trained bundles."""

    def features(now_ns: int, _: RunCommand) -> Iterator[CheckResult]:
        from tickvol.volatility.jobs.verdicts import features_verdicts

        yield from features_verdicts(config, now_ns)

    def bundles(_: int, __: RunCommand) -> Iterator[CheckResult]:
        from tickvol.volatility.jobs.verdicts import bundles_verdict

        yield bundles_verdict(config)

    def leaks(_: int, run: RunCommand) -> Iterator[CheckResult]:
        from tickvol.volatility.jobs.verdicts import rows_of_training

        code, last_line = run((*LEAKCHECK, *rows_of_training(config.models)))
        yield CheckResult(LEAK_FREE, code == 0, last_line, {"exit_code": code})

    return (
        Check(name="check_features", step="features", verdicts=(NOT_EMPTY, ONE_SPEC, FRESH), judge=features),
        Check(name="check_bundles", step="training", verdicts=(BUNDLES,), judge=bundles),
        Check(name="check_leaks", step="training", verdicts=(LEAK_FREE,), judge=leaks),
    )


def drift_sensor(config: VolatilityConfig) -> Sensor:
    """Requests retraining while drift lasts; its cursor is the SHA-256 of the last judged report."""

    def observe(cursor: str | None, at: str) -> Observation:
        from tickvol.volatility.jobs.drift_sensor import judge_report

        return judge_report(config, cursor, at)

    return Sensor(
        name="drift_report",
        job=ON_DRIFT,
        interval_s=config.schedules.sensor_interval_s,
        about="New drift reports; requests retraining while the drift alarm is active.",
        observe=observe,
    )
