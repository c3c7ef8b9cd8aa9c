"""What the systems register together."""

import pytest

from tests.support import ROOT
from tickvol.bus.topics import topic_named
from tickvol.config import load_config
from tickvol.core.errors import UsageError
from tickvol.systems import all_topics, job_plan, routes

CONFIG = load_config(ROOT / "config.yaml", env_file=None)


def test_a_topic_of_unknown_schema_is_refused_by_name():
    with pytest.raises(UsageError, match="'else': no such topic in the configuration; one of ticks"):
        topic_named(all_topics(CONFIG), "else")


def test_every_topic_name_job_step_and_route_is_registered_once():
    plan = job_plan(CONFIG)
    for names in (
        [topic.name for topic in all_topics(CONFIG)],
        [job.name for job in plan.jobs] + [step.name for step in plan.steps],
        [route.name for route in routes()],
    ):
        assert len(names) == len(set(names))


def test_jobs_name_only_steps_that_exist():
    plan = job_plan(CONFIG)
    steps = {step.name for step in plan.steps}
    assert {name for job in plan.jobs for name in job.steps} <= steps
    assert {name for step in plan.steps for name in step.after} <= steps
    assert {check.step for check in plan.checks} <= steps
    assert {sensor.job for sensor in plan.sensors} <= {job.name for job in plan.jobs}
