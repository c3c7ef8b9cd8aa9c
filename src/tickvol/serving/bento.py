"""The BentoML service: endpoints only; what they answer is in `desk` and below.

BentoML knows POST alone, so GET /backtest and GET /model are a small mounted application. The process that supervises
the worker imports this module too: everything heavy waits until an instance is made.
"""

# mypy: disallow-untyped-decorators=false

import logging
import os
import signal as signals
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tickvol.config import DEFAULT_CONFIG, load_config
from tickvol.core.errors import TickvolError
from tickvol.serving.guard import Guard
from tickvol.serving.problems import RequestError, error_body
from tickvol.volatility.answers.requests import AnomalyRequest, PredictRequest, RowsOrFrames, SignalRequest

if TYPE_CHECKING:
    from tickvol.volatility.answers.answerer import Desk

logger = logging.getLogger(__name__)


class Arguments(BaseModel):
    """`bentoml serve ... --arg config=FILE`."""

    config: Path = DEFAULT_CONFIG


_CONFIG = load_config(bentoml.use_arguments(Arguments).config)


def _query(name: str) -> Route:
    def answer(request: Request) -> Response:
        service = bentoml.get_current_service()
        return service.answer_query(name, request)  # type: ignore[no-any-return]

    return Route(f"/{name}", answer, methods=["GET"])


@bentoml.asgi_app(Starlette(routes=[_query("backtest"), _query("model")]), path="/")
@bentoml.service(
    name="tickvol",
    workers=1,
    traffic={"timeout": _CONFIG.serving.timeout_s},
    http={"host": _CONFIG.serving.host, "port": _CONFIG.serving.port},  # BentoML's own default is 0.0.0.0
)
class Tickvol:
    """Volatility spikes over HTTP; docs/serving.md shows each endpoint."""

    def __init__(self) -> None:
        from tickvol.volatility.answers.answerer import open_desk

        logging.getLogger("tickvol").setLevel(logging.INFO)
        _shorten_validation_logs()
        if bentoml.server_context.worker_index is not None:
            threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
        self._desk: Desk | None = None
        try:
            self._desk = open_desk(_CONFIG)
        except TickvolError as error:
            # The worker stays up, not ready: a restart would meet the same bundle again, and again.
            logger.error("not ready: %s", error)

    def __is_ready__(self) -> bool:
        return self._desk is not None

    @bentoml.api(route="/predict")
    def predict(self, request: PredictRequest, /) -> Any:
        """Calibrated probability of a volatility spike, for feature rows or raw exchange frames."""
        return self._answer("predict", request)

    @bentoml.api(route="/anomaly")
    def anomaly(self, request: AnomalyRequest, /) -> Any:
        """Whether what has just happened is abnormal, and by which rule."""
        return self._answer("anomaly", request)

    @bentoml.api(route="/signal")
    def signal(self, request: SignalRequest, /) -> Any:
        """CALM, WATCH or ALERT, with the features that moved the score most."""
        return self._answer("signal", request)

    def answer_query(self, name: str, request: Request) -> Response:
        """GET /backtest and GET /model."""
        return self._answer(name, request.query_params.multi_items())

    def _answer(self, name: str, asked: RowsOrFrames | list[tuple[str, str]]) -> Response:
        try:
            if self._desk is None:
                raise RequestError(503, "service", None, "no verified bundle is loaded; the service's log says why")
            return Response(self._desk.answer(name, asked), media_type="application/json")
        except RequestError as error:
            return Response(error_body(error), status_code=error.status, media_type="application/json")


Tickvol.add_asgi_middleware(Guard, max_body_bytes=_CONFIG.serving.max_body_bytes)  # type: ignore[attr-defined]


def _end_with_parent(parent: int) -> None:
    """A supervisor killed outright takes no worker with it; the worker then ends itself instead of holding the port."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signals.SIGTERM)


class _WithoutRejectedBodies(logging.Filter):
    """BentoML logs a traceback for each body that does not validate; the access log tells its 422 anyway."""

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if record.exc_info else None
        return not (kind is not None and issubclass(kind, ValidationError))


def _shorten_validation_logs() -> None:
    logging.getLogger("bentoml._internal.server.http_app").addFilter(_WithoutRejectedBodies())
