"""Steps, jobs, checks and the sensor of the volatility system; each step is a command of `tickvol`."""

from collections.abc import Iterator

from tickvol.system import Check, Job, JobPlan, Observation, RunCommand, Sensor, Step, Verdict
from tickvol.volatility.jobs.verdict_names import BUNDLES, FRESH, LEAK_FREE, NOT_EMPTY, ONE_SPEC
from tickvol.volatility.settings.profile import VolatilityConfig

LEAKCHECK = ("leakcheck",)
"""Checks what training saved; a leak stops what would be built on it."""

ON_DRIFT = "retrain_on_drift"
DRIFT = ("drift", "--recent", "--served", "--alert")


def job_plan(config: VolatilityConfig) -> JobPlan:
    """All that this system registers with the scheduler."""
    return JobPlan(steps=steps(config), jobs=jobs(config), checks=checks(config), sensors=(drift_sensor(config),))


def steps(config: VolatilityConfig) -> tuple[Step, ...]:
    """All steps, each behind those that it is built on."""

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
        Step(name="training", command=("train",), after=("features",), about="All bundles; the challenger."),
        Step(name="evaluation", command=("evaluate",), after=("training",), about="All detectors on unseen rows."),
        Step(
            name="promotion",
            command=("promote",),
            after=("training", "evaluation"),
            about="The challenger through the gates, and in the champion's place.",
        ),
        Step(
            name="retraining",
            command=("retrain", "--because"),
            after=("features",),
            about="The decision to train again, and the gates after it.",
            takes_cause=True,
        ),
        Step(
            name="live_performance",
            command=("performance",),
            after=(),
            about="How the live predictions did.",
            nothing_to_do=nothing_to_judge,
        ),
        Step(
            name="drift_summary",
            command=DRIFT,
            after=("features", "live_performance"),
            about="The newest rows against the same hours before, and alerts of what matters.",
        ),
    )


def jobs(config: VolatilityConfig) -> tuple[Job, ...]:
    """All jobs; those with a cron expression are due by themselves."""
    due = config.schedules
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
        Job(name="retrain", steps=retraining, command=("retrain", "--because", "schedule"), cron=due.retrain_cron),
        Job(name=ON_DRIFT, steps=retraining, command=("retrain", "--because", "drift"), cause="drift"),
        Job(name="performance", steps=("live_performance",), command=("performance",), cron=due.performance_cron),
        Job(
            name="drift",
            steps=("features", "drift_summary"),
            command=DRIFT,
            cron=due.drift_cron,
        ),
    )


def checks(config: VolatilityConfig) -> tuple[Check, ...]:
    """Checks of features and of trained bundles."""

    def features(now_ns: int, _: RunCommand) -> Iterator[Verdict]:
        from tickvol.volatility.jobs.verdicts import features_verdicts

        yield from features_verdicts(config, now_ns)

    def bundles(_: int, __: RunCommand) -> Iterator[Verdict]:
        from tickvol.volatility.jobs.verdicts import bundles_verdict

        yield bundles_verdict(config)

    def leaks(_: int, run: RunCommand) -> Iterator[Verdict]:
        from tickvol.volatility.jobs.verdicts import rows_of_training

        code, last_line = run((*LEAKCHECK, *rows_of_training(config)))
        yield Verdict(LEAK_FREE, code == 0, last_line, {"exit_code": code})

    return (
        Check(name="check_features", step="features", verdicts=(NOT_EMPTY, ONE_SPEC, FRESH), judge=features),
        Check(name="check_bundles", step="training", verdicts=(BUNDLES,), judge=bundles),
        Check(name="check_leaks", step="training", verdicts=(LEAK_FREE,), judge=leaks),
    )


def drift_sensor(config: VolatilityConfig) -> Sensor:
    """Asks for a retraining while drift lasts; its cursor is the SHA-256 of the last report that was judged."""

    def observe(cursor: str | None, at: str) -> Observation:
        from tickvol.volatility.jobs.drift_sensor import judge_report

        return judge_report(config, cursor, at)

    return Sensor(
        name="drift_report",
        job=ON_DRIFT,
        interval_s=config.schedules.sensor_interval_s,
        about="A new drift report, and an alarm of drift that lasts.",
        observe=observe,
    )
