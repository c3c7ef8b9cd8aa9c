"""Prometheus metrics over HTTP on loopback, read from counts that exist anyway, and only during a scrape."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
PATH = "/metrics"

Values = Mapping[str, Mapping[tuple[str, ...], float]]
"""Value by metric and label values; the empty tuple if there are no labels."""


class Metric(NamedTuple):
    """A declared metric: a counter if its name ends with `_total`, else a gauge."""

    name: str
    about: str
    labels: tuple[str, ...] = ()

    def family(self, values: Mapping[tuple[str, ...], float]) -> CounterMetricFamily | GaugeMetricFamily:
        """The metric with its values, in the client library's form."""
        kind = CounterMetricFamily if self.name.endswith("_total") else GaugeMetricFamily
        family = kind(self.name, self.about, labels=self.labels)
        for labels, value in values.items():
            family.add_metric(labels, value)
        return family


def by_label(values: Mapping[Any, float]) -> dict[tuple[str, ...], float]:
    """Values of a metric with one label; copied at once, as their owner may change them in another thread."""
    return {(str(label),): value for label, value in dict(values).items()}


class _Figures:
    """The collector: reads all values once per scrape."""

    def __init__(self, declared: Sequence[Metric], read: Callable[[], Values]) -> None:
        self._declared = declared
        self._read = read

    def describe(self) -> Iterator[Any]:
        return (metric.family({}) for metric in self._declared)

    def collect(self) -> Iterator[Any]:
        values = self._read()
        undeclared = values.keys() - {metric.name for metric in self._declared}
        assert not undeclared, undeclared
        return (metric.family(values.get(metric.name, {})) for metric in self._declared)


class MetricsServer:
    """Server of `http://127.0.0.1:PORT/metrics`; other paths give 404, and 503 means that the values cannot be read.

    The client library's metrics of the process (`process_*`: memory, CPU, open files) are there too.

    Parameters
    ----------
    port : 0 chooses a free one.
    read : called for each scrape, on a thread of the server.

    Raises
    ------
    OSError
        If the port is not available.
    """

    def __init__(self, port: int, declared: Sequence[Metric], read: Callable[[], Values]) -> None:
        registry = CollectorRegistry()
        registry.register(_Figures(declared, read))
        ProcessCollector(registry=registry)
        self._server = make_server(HOST, port, _guarded(make_wsgi_app(registry)), ThreadingWSGIServer, _Silent)
        self.port = int(self._server.server_port)
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True, name="metrics").start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def serve_metrics(key: str, port: int, declared: Sequence[Metric], read: Callable[[], Values]) -> MetricsServer | None:
    """Start a server; None if none is wanted (port 0) or the port is taken: work goes on without."""
    if not port:
        return None
    try:
        server = MetricsServer(port, declared, read)
    except OSError as error:
        logger.warning("%s: %d: no metrics: %s; name another port", key, port, error.strerror or error)
        return None
    logger.info("metrics on http://%s:%d%s", HOST, server.port, PATH)
    return server


class _Silent(WSGIRequestHandler):
    def log_message(self, *args: Any, **_: Any) -> None:
        logger.debug(*args)


def _guarded(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"] != PATH:
            status, body = "404 Not Found", f"metrics are at {PATH}\n"
        else:
            try:
                return app(environ, start_response)
            except Exception as error:
                logger.debug("metrics cannot be read", exc_info=True)
                status, body = "503 Service Unavailable", f"{type(error).__name__}: metrics cannot be read\n"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [body.encode()]

    return answer
