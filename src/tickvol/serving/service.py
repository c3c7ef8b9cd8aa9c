"""The BentoML service that answers the routes of the systems, and nothing else.

BentoML supports only POST, so GET routes are a small mounted application.
"""

# mypy: disallow-untyped-decorators=false

import logging
import os
import signal as signals
import threading
import time
from collections.abc import Sequence
from typing import Any

import bentoml
import starlette.routing
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from tickvol.config import Config
from tickvol.core.errors import RequestError, TickvolError
from tickvol.serving.guard import Guard
from tickvol.serving.problems import error_body
from tickvol.system import RequestHandler, Route, System
from tickvol.systems import SYSTEMS, open_routes, routes

logger = logging.getLogger(__name__)


def build_service(config: Config, systems: Sequence[System] = SYSTEMS, *, module: str = __name__) -> Any:
    """The service of a configuration.

    Parameters
    ----------
    module : where BentoML finds the service, as a variable named `Tickvol`.

    Returns
    -------
    bentoml.Service
        With an endpoint for each route; ready once every system is open.
    """
    declared = routes(systems)
    members = {
        "__doc__": "Answers over HTTP; docs/serving.md shows each endpoint.",
        "__module__": module,
        "config": config,
        "systems": tuple(systems),
        **{route.name: _post(route) for route in declared if route.request is not None},
    }
    decorated = bentoml.service(
        name="tickvol",
        workers=1,
        traffic={"timeout": config.serving.timeout_s},
        http={"host": config.serving.host, "port": config.serving.port},  # BentoML's own default is 0.0.0.0
    )(type("Tickvol", (_Service,), members))
    queries = Starlette(routes=[_query(route) for route in declared if route.request is None])
    service = bentoml.asgi_app(queries, path="/")(decorated)
    service.add_asgi_middleware(Guard, max_body_bytes=config.serving.max_body_bytes, routes=declared)
    return service


class _Service:
    """Opens every system, and answers their routes once all of them are open."""

    config: Config
    systems: Sequence[System]

    def __init__(self) -> None:
        logging.getLogger("tickvol").setLevel(logging.INFO)
        _shorten_validation_logs()
        if bentoml.server_context.worker_index is not None:
            threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
        self._answering: dict[str, RequestHandler] | None = None
        try:
            self._answering = open_routes(self.config, self.systems)
        except TickvolError as error:
            # The worker stays up, not ready: a restart would only fail on the same bundle again.
            logger.error("not ready: %s", error)

    def __is_ready__(self) -> bool:
        return self._answering is not None

    def answer(self, name: str, asked: Any) -> Response:
        """Answer a route from its body, or from its query parameters as pairs."""
        try:
            if self._answering is None:
                raise RequestError(503, "service", None, "no verified bundle is loaded; the service's log says why")
            return Response(self._answering[name].answer(name, asked), media_type="application/json")
        except RequestError as error:
            return Response(error_body(error), status_code=error.status, media_type="application/json")


def _query(route: Route) -> starlette.routing.Route:
    def answer(request: Request) -> Response:
        service = bentoml.get_current_service()
        return service.answer(route.name, request.query_params.multi_items())  # type: ignore[no-any-return]

    return starlette.routing.Route(f"/{route.name}", answer, methods=["GET"])


def _post(route: Route) -> Any:
    """The BentoML endpoint of a route; BentoML reads the model of the body from the annotation."""

    def answer(self: _Service, request: Any, /) -> Any:
        return self.answer(route.name, request)

    answer.__name__, answer.__doc__ = route.name, route.about
    answer.__annotations__ = {"request": route.request, "return": Any}
    return bentoml.api(route=f"/{route.name}")(answer)


def _end_with_parent(parent: int) -> None:
    """End this worker when its supervisor is killed outright, so that the port becomes free."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signals.SIGTERM)


class _WithoutRejectedBodies(logging.Filter):
    """Drop the traceback that BentoML logs for each invalid body; the access log has its 422."""

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if record.exc_info else None
        return not (kind is not None and issubclass(kind, ValidationError))


def _shorten_validation_logs() -> None:
    logging.getLogger("bentoml._internal.server.http_app").addFilter(_WithoutRejectedBodies())
