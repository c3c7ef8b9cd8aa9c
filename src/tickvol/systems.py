"""The systems of tickvol, and what they register together."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tickvol.risk.system import RISK
from tickvol.system import JobPlan, Page, RequestHandler, Route, System
from tickvol.volatility.system import VOLATILITY

if TYPE_CHECKING:
    from tickvol.bus.topics import TopicSpec
    from tickvol.config import Config
    from tickvol.storage.delta.spec import TableSpec

SYSTEMS: tuple[System, ...] = (VOLATILITY, RISK)


def all_topics(config: "Config", systems: Sequence[System] = SYSTEMS) -> "tuple[TopicSpec, ...]":
    """The topic of ticks, those of the systems, dead letters and alerts."""
    from tickvol.alerts.topic_sink import alerts_topic
    from tickvol.bus.dead_letters import dead_letter_topic
    from tickvol.capture.topics import ticks_topic

    own = [topic for system in systems if system.topics is not None for topic in system.topics(config)]
    shared = (dead_letter_topic(config.kafka), alerts_topic(config.alerts))
    return ticks_topic(config.kafka, config.ingestion), *own, *shared


def job_plan(config: "Config", systems: Sequence[System] = SYSTEMS) -> JobPlan:
    """Steps, jobs, checks and sensors of all systems."""
    plans = [system.jobs(config) for system in systems if system.jobs is not None]
    return JobPlan(
        steps=tuple(step for plan in plans for step in plan.steps),
        jobs=tuple(job for plan in plans for job in plan.jobs),
        checks=tuple(check for plan in plans for check in plan.checks),
        sensors=tuple(sensor for plan in plans for sensor in plan.sensors),
    )


def all_tables(systems: Sequence[System] = SYSTEMS) -> "tuple[TableSpec, ...]":
    """Delta tables of all systems, and those that they share."""
    from tickvol.storage.delta.shared_tables import SHARED_TABLES

    own = [table for system in systems if system.tables is not None for table in system.tables()]
    return *own, *SHARED_TABLES


def pages(config: "Config", systems: Sequence[System] = SYSTEMS) -> tuple[Page, ...]:
    """Pages of all systems."""
    return tuple(page for system in systems if system.pages is not None for page in system.pages(config))


def routes(systems: Sequence[System] = SYSTEMS) -> tuple[Route, ...]:
    """HTTP endpoints of all systems."""
    return tuple(route for system in systems if system.routes is not None for route in system.routes())


def open_routes(config: "Config", systems: Sequence[System] = SYSTEMS) -> dict[str, RequestHandler]:
    """Every route's name with the opened system behind it.

    Raises
    ------
    TickvolError
        When a system cannot answer.
    """
    opened: dict[str, RequestHandler] = {}
    for system in systems:
        if system.routes is not None and system.open_routes is not None:
            opened |= dict.fromkeys((route.name for route in system.routes()), system.open_routes(config))
    return opened
