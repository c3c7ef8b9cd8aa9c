"""The processes of the live path: started in order, monitored, and stopped in order."""

import os
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tickvol.broker.files import free_port, port_is_taken
from tickvol.config import Config
from tickvol.core.errors import WorkError
from tickvol.supervisor.broker import LiveBroker
from tickvol.supervisor.child import Child
from tickvol.supervisor.status_line import StatusLine, fetch, scraped
from tickvol.systems import all_topics
from tickvol.volatility.dataset import dataset_files

HOST = "127.0.0.1"
POLL_S = 0.2
STARTUP_S = 300.0
STATUS_TERMINAL_S, STATUS_PIPE_S = 2.0, 60.0
CATCH_UP_S = 120.0
STOP_S = 30.0
MARGIN_S = 15.0


class LivePath:
    """Broker, MLflow UI, simulated exchange if wanted, capture, featurizer and scorer.

    Parameters
    ----------
    speed : of a simulated exchange; None: the exchange of the configuration.
    tell : called with one line per event.
    signals : returns the number of signals to end received so far.
    """

    def __init__(
        self,
        config: Config,
        config_file: Path,
        log_dir: Path,
        *,
        speed: str | None,
        tell: Callable[[str], None],
        signals: Callable[[], int],
    ) -> None:
        self._config = config
        self._config_flag = ["--config", str(config_file)]
        self._log_dir = log_dir
        self._speed = speed
        self._tell = tell
        self._signals = signals
        self._broker = LiveBroker(config, config_file, tell)
        self._url = config.ingestion.url
        self._ports = {
            "ingestor": self._metrics_port("INGESTION", config.ingestion.metrics_port),
            "featurizer": self._metrics_port("FEATURES", config.features.metrics_port),
            "scorer": self._metrics_port("SCORING", config.scoring.metrics_port),
        }
        self._children: dict[str, Child] = {}
        self._status = StatusLine(self._ports["ingestor"], self._ports["featurizer"], self._ports["scorer"])

    def start(self) -> None:
        """Start everything and wait until it is healthy, or until a signal to end.

        Raises
        ------
        WorkError
            If something does not start.
        """
        self._broker.start()
        self._start_mlflow()
        if self._speed is not None and self._start("exchange", self._exchange):
            self._wait("exchange", self._exchange_listens)
        self._start("ingestor", self._ingestor)
        self._start("featurizer", self._featurizer)
        self._start("scorer", lambda: ["score"])
        self._wait("ingestor", lambda: self._metric("ingestor", "publisher_connected") > 0)
        self._wait("featurizer", lambda: self._metric("featurizer", "rebalances_total") > 0)
        self._wait("scorer", lambda: scraped(self._ports["scorer"]) is not None)  # it may wait for its first bundle
        if "mlflow" in self._children:
            self._wait("mlflow", self._mlflow_answers)
        if not self._signals():
            self._report_addresses()

    def watch(self, duration_s: float | None) -> None:
        """Restart what ends and show the status, until a signal to end or the end of the duration."""
        began = shown = time.monotonic()
        terminal = sys.stdout.isatty()
        while not self._signals() and (duration_s is None or time.monotonic() - began < duration_s):
            self._tend()
            if time.monotonic() - shown >= (STATUS_TERMINAL_S if terminal else STATUS_PIPE_S):
                shown = time.monotonic()
                text = self._status.text()
                sys.stdout.write(f"\r\033[K{text}" if terminal else f"{text}\n")
                sys.stdout.flush()
            time.sleep(POLL_S)
        self._tell(self._status.text())

    def stop(self) -> None:
        """Stop everything in order, and report what is left where."""
        asked = self._signals()

        def stop_now() -> bool:
            return self._signals() > max(asked, 1)

        drain_s = self._config.ingestion.publish.drain_timeout_s
        self._end("ingestor", 2 * drain_s + MARGIN_S, stop_now)
        self._end("exchange", STOP_S, stop_now)
        self._let_catch_up(stop_now)
        self._end("featurizer", STOP_S, stop_now)
        self._let_scorer_catch_up(stop_now)
        self._end("scorer", STOP_S, stop_now)
        self._end("mlflow", STOP_S, stop_now)
        self._report_leftovers()
        self._broker.stop()

    def _start(self, name: str, arguments: Callable[[], list[str]]) -> bool:
        if self._signals():
            return False
        self._children[name] = Child(name, lambda: self._with_config(arguments()), self._log_dir, self._tell)
        self._children[name].start()
        return True

    def _with_config(self, arguments: list[str]) -> list[str]:
        return [arguments[0], *self._config_flag, *arguments[1:]]

    def _tend(self) -> None:
        for child in self._children.values():
            child.tend()
        self._broker.tend()

    def _wait(self, name: str, healthy: Callable[[], bool]) -> None:
        deadline = time.monotonic() + STARTUP_S
        while not self._signals():
            self._tend()
            if healthy():
                return
            if time.monotonic() > deadline:
                child = self._children[name]
                raise WorkError(f"{name}: not healthy after {STARTUP_S:g} s; {child.log} ends:\n{child.last_lines()}")
            time.sleep(POLL_S)

    def _end(self, name: str, timeout_s: float, stop_now: Callable[[], bool]) -> None:
        child = self._children.pop(name, None)
        if child is None:
            return
        well = child.stop(timeout_s, stop_now)
        self._tell(f"{name:<10} ended" + ("" if well else f" with exit code {child.code}; see {child.log}"))
        for line in child.said().splitlines():
            if line.startswith("  published"):  # from the capture's summary: shows if all of it was sent
                self._tell(f"{'':<10} {line.strip()}")

    def _let_catch_up(self, stop_now: Callable[[], bool]) -> None:
        featurizer = self._children.get("featurizer")
        if featurizer is None or featurizer.gave_up:
            return
        deadline = time.monotonic() + CATCH_UP_S
        unread = self._broker.unread()
        while unread and not stop_now() and time.monotonic() < deadline:
            time.sleep(POLL_S)
            try:
                featurizer.tend()
            except WorkError as error:
                self._tell(str(error))
                return
            unread = self._broker.unread()
        if unread != 0:
            behind = "the broker does not answer" if unread is None else f"{unread:,} records are not read"
            self._tell(f"featurizer: {behind}; the next start resumes there")

    def _let_scorer_catch_up(self, stop_now: Callable[[], bool]) -> None:
        """Wait for the last rows to be scored; the next start scores the rest."""
        scorer, marks = self._children.get("scorer"), self._config.kafka.partitions
        if scorer is None or not self._metric("scorer", "rebalances_total"):
            return
        deadline = time.monotonic() + CATCH_UP_S
        time.sleep(POLL_S)  # by then it knows of the last rows
        while self._metric("scorer", "lag_rows") > marks and not stop_now() and time.monotonic() < deadline:
            time.sleep(POLL_S)

    def _start_mlflow(self) -> None:
        mlflow = self._config.mlflow
        if mlflow.tracking_uri.startswith("http") or self._mlflow_answers():
            return
        if port_is_taken(HOST, mlflow.port):
            raise WorkError(f"mlflow.port: {mlflow.port}: taken by something that is not MLflow; name another port")
        self._start("mlflow", lambda: ["mlflow-ui"])

    def _mlflow_answers(self) -> bool:
        return fetch(f"http://{HOST}:{self._config.mlflow.port}/health") == "OK"

    def _exchange(self) -> list[str]:
        port = self._url.rpartition(":")[2] if "exchange" in self._children and self._is_local_url() else "0"
        start = datetime.fromtimestamp(self._market_start_s(), UTC).isoformat()
        assert self._speed is not None
        return ["simulate-exchange", "--port", port, "--speed", self._speed, "--hours", "0", "--start", start]

    def _is_local_url(self) -> bool:
        return self._url.startswith(f"ws://{HOST}:")

    def _market_start_s(self) -> int:
        """Now, or the hour after the last one on disk: an earlier market's ticks would be late."""
        root = self._config.features.dataset_dir
        hours = [hour for _, hour, _ in dataset_files(root)] if root.is_dir() else []
        now_s = int(time.time())
        return now_s if not hours or max(hours) <= now_s // 3600 else (max(hours) + 1) * 3600

    def _exchange_listens(self) -> bool:
        found = re.search(rf"ws://{HOST}:\d+", self._children["exchange"].said())
        if found:
            self._url = found[0]
        return found is not None

    def _ingestor(self) -> list[str]:
        sink = "kafka" if self._config.ingestion.sink == "kafka" else "both"
        return ["ws-ingest", "--url", self._url, "--sink", sink]

    def _featurizer(self) -> list[str]:
        return ["featurize", "--source", "kafka"]

    def _metrics_port(self, section: str, port: int) -> int:
        """The configured port if it is free, else another: the health of a process is known only from its metrics."""
        if port == 0 or port_is_taken(HOST, port):
            free = free_port(HOST)
            if port:
                self._tell(f"{section.lower()}.metrics_port: {port}: taken; {free} is used instead")
            port = free
        os.environ[f"TICKVOL_{section}__METRICS_PORT"] = str(port)
        return port

    def _metric(self, name: str, metric: str) -> float:
        return (scraped(self._ports[name]) or {}).get(f"tickvol_{name}_{metric}", 0.0)

    def _report_addresses(self) -> None:
        config, kafka = self._config, self._config.kafka
        whose = f"started here, data below {kafka.broker_dir}" if self._broker.ours else "was there before"
        self._tell(f"broker     {self._broker.address}, {whose}")
        self._tell(f"topics     {', '.join(spec.name for spec in all_topics(config))}")
        self._tell(f"archive    {config.ingestion.raw_dir}")
        self._tell(f"dataset    {config.features.dataset_dir}")
        feed = f"simulated, {self._url}, {self._speed} x" if self._speed is not None else self._url
        self._tell(f"feed       {feed}")
        for name, port in self._ports.items():
            self._tell(f"{name:<10} http://{HOST}:{port}/metrics, {self._process(name)}")
        if "exchange" in self._children:
            self._tell(f"exchange   {self._process('exchange')}")
        here = f", {self._process('mlflow')}" if "mlflow" in self._children else ", was there before"
        uri = config.mlflow.tracking_uri
        self._tell(f"mlflow     {uri if uri.startswith('http') else f'http://{HOST}:{config.mlflow.port}'}{here}")
        self._tell("Ctrl-C ends all of it in order")

    def _process(self, name: str) -> str:
        child = self._children[name]
        return f"pid {child.pid}, log {child.log}"

    def _report_leftovers(self) -> None:
        raw_dir, dataset = self._config.ingestion.raw_dir, self._config.features.dataset_dir
        files = [path for path in raw_dir.glob("*.ndjson*") if path.is_file()]
        size_mb = sum(path.stat().st_size for path in files) / 1e6
        self._tell(f"archive    {raw_dir}: {len(files)} files, {size_mb:,.1f} MB")
        for topic in self._broker.topics() or ():
            held = sum(place.end_offset - place.first_offset for place in topic.partitions)
            self._tell(f"topic      {topic.name}: {held:,} offsets, including transaction markers")
        hours = len(dataset_files(dataset)) if dataset.is_dir() else 0
        self._tell(f"dataset    {dataset}: {hours} files, one per product and hour\nlogs       {self._log_dir}")
