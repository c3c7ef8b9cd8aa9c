"""Declarations of a system: the topics, tables, jobs, routes and pages that it registers with the hosts.

A system is one folder of `tickvol`. Its `system.py` holds one `System`; `tickvol/systems.py` lists them, and the hosts
(Kafka commands, `orchestration`, `serving`, `dashboard`) take everything from that list. Functions of a declaration
import what they need when they are called, so that listing the systems stays cheap.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from dash.development.base_component import Component

    from tickvol.bus.topics import TopicSpec
    from tickvol.pages.states import State
    from tickvol.storage.delta.spec import TableSpec

RunCommand = Callable[[Sequence[str]], tuple[int, str]]
"""Runs a command of `tickvol` by its words; exit code and last line of output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that a command keeps up to date: an asset of the scheduler.

    Attributes
    ----------
    name : of the asset; never that of a job.
    command : words after `tickvol`; empty where another process keeps it up to date.
    after : steps that it is built on.
    takes_cause : whether the cause of the job is the last word of the command.
    nothing_to_do : gives the reason to skip the command, None to run it.
    location : where the result is, for steps without a command.
    retries : number of times that a failed command is run again, after `retry_delay_s`, then twice that, and so on.
    """

    name: str
    command: tuple[str, ...]
    after: tuple[str, ...]
    about: str
    takes_cause: bool = False
    nothing_to_do: Callable[[], str | None] | None = None
    location: str = ""
    retries: int = 0
    retry_delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Steps that run together.

    Attributes
    ----------
    steps : names, in their order.
    command : words after `tickvol` that do the same without a scheduler, for cron.
    cron : when it is due; empty: not by the clock.
    cause : for steps that take one.
    """

    name: str
    steps: tuple[str, ...]
    command: tuple[str, ...]
    cron: str = ""
    cause: str = "schedule"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Result of a check, with its reason and the figures behind it."""

    name: str
    passed: bool
    reason: str
    figures: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Blocking checks of a step: after a failed one, nothing that builds on the step runs.

    Attributes
    ----------
    step : name of the step that is checked.
    verdicts : names of the verdicts that `judge` gives.
    judge : takes the time in ns since the epoch and a runner of commands.
    """

    name: str
    step: str
    verdicts: tuple[str, ...]
    judge: Callable[[int, RunCommand], Iterable[CheckResult]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Result of a sensor: a job to run, or the reason why there is none.

    Attributes
    ----------
    cursor : what the sensor is given the next time.
    run_key : asks for one run per key; None asks for none.
    reason : of the run, or of its absence.
    """

    cursor: str | None
    reason: str
    run_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """Looks at something every `interval_s` and asks for a job; `observe` takes the cursor and the time (ISO 8601)."""

    name: str
    job: str
    interval_s: int
    about: str
    observe: Callable[[str | None, str], Observation]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """All that a system registers with the scheduler."""

    steps: tuple[Step, ...] = ()
    jobs: tuple[Job, ...] = ()
    checks: tuple[Check, ...] = ()
    sensors: tuple[Sensor, ...] = ()


class Route(NamedTuple):
    """An HTTP endpoint: `request` is the pydantic model of its body for POST, None for GET."""

    name: str
    about: str
    request: type | None = None

    @property
    def method(self) -> str:
        """POST for routes with a body, else GET."""
        return "GET" if self.request is None else "POST"


class RequestHandler(Protocol):
    """An opened system behind its routes."""

    def answer(self, name: str, asked: Any) -> bytes:
        """JSON for the route of a name: the body, or the query parameters as pairs; raises `RequestError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the dashboard, a function of its address and of what is stored.

    Attributes
    ----------
    path : last part of its address, such as risk.
    about : what the page shows, in a sentence.
    layout : builds the content below the page's title; takes the query of the address. Called at each refresh.
    state : what a reader must know before opening the page: whether anything is stored, stale or unreadable.
    """

    path: str
    title: str
    about: str
    layout: Callable[[Mapping[str, str]], "Component"]
    state: Callable[[], "State"]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A system by its declarations; each function takes the configuration.

    Attributes
    ----------
    topics : topics that it writes.
    jobs : its part of the scheduler's plan.
    routes : its HTTP endpoints; takes nothing, as routes do not depend on the configuration.
    open_routes : loads what the routes need; raises `TickvolError` where it cannot answer.
    tables : its Delta tables.
    pages : its pages of the dashboard.
    """

    name: str
    topics: Callable[[Any], "Sequence[TopicSpec]"] | None = None
    jobs: Callable[[Any], JobPlan] | None = None
    routes: Callable[[], Sequence[Route]] | None = None
    open_routes: Callable[[Any], RequestHandler] | None = None
    tables: Callable[[], "Sequence[TableSpec]"] | None = None
    pages: Callable[[Any], Sequence[Page]] | None = None
