"""The broker of the live path: one that answers already, else a local one for as long as the live path runs."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tickvol.broker.local import LocalBroker
from tickvol.bus.client import new_admin
from tickvol.bus.topic_status import TopicStatus, topics_status
from tickvol.config import Config
from tickvol.core.errors import BrokerUnavailable, WorkError
from tickvol.supervisor.child import FIRST_WAIT_S, LONGEST_WAIT_S
from tickvol.systems import all_topics

QUICK_MS = 3000
LOOK_EVERY_S = 5.0


class LiveBroker:
    """Starts, monitors and stops the broker by `tickvol kafka`.

    Attributes
    ----------
    ours : True if it was started here and must be stopped.
    """

    def __init__(self, config: Config, config_file: Path, tell: Callable[[str], None]) -> None:
        self.ours = False
        self.address = config.kafka.bootstrap_servers
        self._kafka = config.kafka.model_copy(
            update={"request_timeout_ms": min(config.kafka.request_timeout_ms, QUICK_MS)}
        )
        self._topics = all_topics(config)
        self._ticks = config.ingestion.topic
        self._group_id = config.features.group_id
        self._config_file = config_file
        self._tell = tell
        self._watched: LocalBroker | None = None
        self._look_again = 0.0
        self._wait_s = FIRST_WAIT_S

    def start(self) -> None:
        """Start a broker unless one answers; the topics exist afterwards.

        Raises
        ------
        WorkError
            If none answers and none can be started.
        """
        if self.topics() is not None:
            self._run("topics")
            return
        self.ours = True
        self._run("start")
        host, _, port = self.address.split(",")[0].rpartition(":")
        native = LocalBroker(self._kafka.broker_dir, int(port), host="127.0.0.1" if host == "localhost" else host)
        self._watched = native if native.is_running() else None

    def tend(self) -> None:
        """Restart the broker started here if it has ended; a container is restarted by its engine."""
        now = time.monotonic()
        if self._watched is None or now < self._look_again:
            return
        self._look_again = now + LOOK_EVERY_S
        if self._watched.is_running():
            self._wait_s = FIRST_WAIT_S
            return
        self._tell("broker: has ended, is started again")
        try:
            self._run("start")
        except WorkError as error:
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
            self._look_again = now + self._wait_s
            self._tell(f"broker: {error}; next attempt in {self._wait_s:g} s")

    def stop(self) -> None:
        """Stop the broker if it was started here."""
        if self.ours:
            self._run("stop")

    def topics(self) -> list[TopicStatus] | None:
        """Status of the topics; None if no broker answers."""
        try:
            with contextlib.closing(new_admin(self._kafka)) as admin:
                return topics_status(admin, self._kafka, self._topics, self._group_id)
        except BrokerUnavailable:
            return None

    def unread(self) -> int | None:
        """Number of tick records that the featurizer has not committed; None if no broker answers."""
        for topic in self.topics() or ():
            if topic.name == self._ticks:
                return sum(
                    place.end_offset - (place.first_offset if place.committed is None else place.committed)
                    for place in topic.partitions
                )
        return None

    def _run(self, action: str) -> None:
        command = [sys.executable, "-m", "tickvol", "kafka", action, "--config", str(self._config_file)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, start_new_session=True
        )
        if done.returncode:
            raise WorkError(f"`tickvol kafka {action}`: {(done.stderr or done.stdout).strip()}")
        for line in done.stdout.splitlines():
            self._tell(line)
