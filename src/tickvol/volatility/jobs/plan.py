"""Steps and jobs by the configuration, as the scheduler and its list know them; each step is a command of `tickvol`."""

from dataclasses import dataclass

from tickvol.config import Config

LEAKCHECK = ("leakcheck",)
"""Looks at what training saved; what finds a leak stops what would be built on it."""

DRIFT = ("drift", "--recent", "--served", "--alert")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A thing that is kept up to date by a command.

    Attributes
    ----------
    name : of the asset; never that of a job.
    command : words behind `tickvol`; empty where somebody else keeps it and it is only looked at.
    after : steps that it is built on.
    """

    name: str
    command: tuple[str, ...]
    after: tuple[str, ...]
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Steps that are run together.

    Attributes
    ----------
    steps : names, in their order.
    command : words behind `tickvol`: the same without a scheduler, for cron.
    cron : when it is due; empty: not by the clock.
    because : for steps that ask: why they are run.
    """

    name: str
    steps: tuple[str, ...]
    command: tuple[str, ...]
    cron: str = ""
    because: str = "schedule"


def steps(config: Config) -> tuple[Step, ...]:
    """All steps, each behind those that it is built on."""
    replay = ("replay", "--data-file", str(config.ingestion.raw_dir))
    return (
        Step(
            name="features",
            command=replay if config.schedules.features == "replay" else (),
            after=(),
            about="The dataset of feature rows.",
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
        ),
        Step(name="live_performance", command=("performance",), after=(), about="How the live predictions did."),
        Step(
            name="drift_summary",
            command=DRIFT,
            after=("features", "live_performance"),
            about="The newest rows against the same hours before, and alerts of what matters.",
        ),
    )


def jobs(config: Config) -> tuple[Job, ...]:
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
        Job(name="retrain_on_drift", steps=retraining, command=("retrain", "--because", "drift"), because="drift"),
        Job(name="performance", steps=("live_performance",), command=("performance",), cron=due.performance_cron),
        Job(
            name="drift",
            steps=("features", "drift_summary"),
            command=DRIFT,
            cron=due.drift_cron,
        ),
    )
