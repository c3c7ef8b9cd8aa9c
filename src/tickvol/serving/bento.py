"""The BentoML service: the routes that the systems declare, and nothing else.

BentoML supports only POST, so GET routes are a small mounted application. The process that supervises the worker
imports this module too: everything heavy waits until an instance is created.
"""

# mypy: disallow-untyped-decorators=false

import logging
import os
import signal as signals
import threading
import time
from pathlib import Path
from typing import Any

import bentoml
import starlette.routing
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from tickvol.config import DEFAULT_CONFIG, load_config
from tickvol.core.errors import RequestError, TickvolError
from tickvol.serving.guard import Guard
from tickvol.serving.problems import error_body
from tickvol.system import Answering, Route
from tickvol.systems import SYSTEMS, open_routes, routes

logger = logging.getLogger(__name__)


class Arguments(BaseModel):
    """`bentoml serve ... --arg config=FILE`."""

    config: Path = DEFAULT_CONFIG


_CONFIG = load_config(bentoml.use_arguments(Arguments).config)


_ROUTES = routes(SYSTEMS)


class _Service:
    """Opens every system, and answers their routes once all of them are open."""

    def __init__(self) -> None:
        logging.getLogger("tickvol").setLevel(logging.INFO)
        _shorten_validation_logs()
        if bentoml.server_context.worker_index is not None:
            threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
        self._answering: dict[str, Answering] | None = None
        try:
            self._answering = open_routes(_CONFIG, SYSTEMS)
        except TickvolError as error:
            # The worker stays up, not ready: a restart would only fail on the same bundle again.
            logger.error("not ready: %s", error)

    def __is_ready__(self) -> bool:
        return self._answering is not None

    def answer_query(self, name: str, request: Request) -> Response:
        """Answer a GET route."""
        return self.answer(name, request.query_params.multi_items())

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
        return service.answer_query(route.name, request)  # type: ignore[no-any-return]

    return starlette.routing.Route(f"/{route.name}", answer, methods=["GET"])


def _post(route: Route) -> Any:
    """The BentoML endpoint of a route; BentoML reads the model of the body from the annotation."""

    def answer(self: _Service, request: Any, /) -> Any:
        return self.answer(route.name, request)

    answer.__name__, answer.__doc__ = route.name, route.about
    answer.__annotations__ = {"request": route.request, "return": Any}
    return bentoml.api(route=f"/{route.name}")(answer)


_endpoints = {route.name: _post(route) for route in _ROUTES if route.request is not None}
_queries = [_query(route) for route in _ROUTES if route.request is None]

Tickvol = bentoml.asgi_app(Starlette(routes=_queries), path="/")(
    bentoml.service(
        name="tickvol",
        workers=1,
        traffic={"timeout": _CONFIG.serving.timeout_s},
        http={"host": _CONFIG.serving.host, "port": _CONFIG.serving.port},  # BentoML's own default is 0.0.0.0
    )(
        type(
            "Tickvol", (_Service,), {"__doc__": "Answers over HTTP; docs/serving.md shows each endpoint.", **_endpoints}
        )
    )
)
Tickvol.add_asgi_middleware(Guard, max_body_bytes=_CONFIG.serving.max_body_bytes, routes=_ROUTES)


def _end_with_parent(parent: int) -> None:
    """End the worker when its supervisor was killed outright: it would survive and keep the port."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signals.SIGTERM)


class _WithoutRejectedBodies(logging.Filter):
    """Drops the traceback that BentoML logs for each invalid body; the access log shows its 422 anyway."""

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if record.exc_info else None
        return not (kind is not None and issubclass(kind, ValidationError))


def _shorten_validation_logs() -> None:
    logging.getLogger("bentoml._internal.server.http_app").addFilter(_WithoutRejectedBodies())
