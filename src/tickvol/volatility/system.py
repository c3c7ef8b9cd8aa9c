"""The volatility system as it registers with the host programs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tickvol.system import JobPlan, RequestHandler, Route, System

if TYPE_CHECKING:
    from tickvol.bus.topics import TopicSpec
    from tickvol.volatility.settings.profile import VolatilityConfig


def _topics(config: "VolatilityConfig") -> "Sequence[TopicSpec]":
    from tickvol.volatility.topics import topics

    return topics(config)


def _jobs(config: "VolatilityConfig") -> JobPlan:
    from tickvol.volatility.jobs.plan import job_plan

    return job_plan(config)


def _routes() -> Sequence[Route]:
    from tickvol.volatility.answers.routes import ROUTES

    return ROUTES


def _open_routes(config: "VolatilityConfig") -> RequestHandler:
    from tickvol.volatility.answers.answerer import open_answerer

    return open_answerer(config)


VOLATILITY = System(name="volatility", topics=_topics, jobs=_jobs, routes=_routes, open_routes=_open_routes)
