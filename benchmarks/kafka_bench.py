"""A broker, topics and commands for the measures on Kafka; all cores are free for them."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream import ROOT

from tickvol.broker.files import free_port
from tickvol.broker.local import LocalBroker
from tickvol.bus.client import new_admin
from tickvol.bus.topics import ensure_topics
from tickvol.config import load_config
from tickvol.systems import all_topics


@dataclass(frozen=True)
class Bench:
    """A running broker and a directory that goes with it."""

    broker: LocalBroker
    directory: Path

    def environment(self, **settings: object) -> dict[str, str]:
        """`TICKVOL_*` of a run with topics, group and dataset of its own; `settings` as SECTION__KEY=value."""
        unique = uuid.uuid4().hex[:8]
        own = {
            "KAFKA__BOOTSTRAP_SERVERS": self.broker.bootstrap_servers,
            "INGESTION__TOPIC": f"ticks.{unique}",
            "FEATURES__TOPIC": f"features.{unique}",
            "SCORING__TOPIC_PREDICTIONS": f"predictions.{unique}",
            "SCORING__TOPIC_OUTCOMES": f"outcomes.{unique}",
            "KAFKA__TOPIC_DEADLETTER": f"deadletter.{unique}",
            "FEATURES__GROUP_ID": f"group.{unique}",
            "FEATURES__DATASET_DIR": str(self.directory / f"{unique}.parquet"),
            "FEATURES__METRICS_PORT": "0",
            "INGESTION__METRICS_PORT": "0",
            "INGESTION__RAW_DIR": str(self.directory / f"raw.{unique}"),
        } | {name: str(value) for name, value in settings.items()}
        return {f"TICKVOL_{name}": value for name, value in own.items()}

    def make_topics(self, environment: dict[str, str]) -> None:
        """The topics that the environment names."""
        with settings_of(environment) as config, contextlib.closing(new_admin(config.kafka)) as admin:
            ensure_topics(admin, config.kafka, all_topics(config))

    def start(self, environment: dict[str, str], *command: object, **options: Any) -> "subprocess.Popen[str]":
        """A process on all cores."""
        return subprocess.Popen(
            [sys.executable, *map(str, command)],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=_on_all_cores,
            **options,
        )

    def figures(self, environment: dict[str, str], *command: object) -> Any:
        """What a program prints as JSON in its last line."""
        with self.start(environment, *command) as process:
            out, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"{command}: exit code {process.returncode}")
        return json.loads(out.splitlines()[-1])


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    """A broker on a free port, with its data in a temporary directory."""
    before = os.sched_getaffinity(0)
    _on_all_cores()
    with tempfile.TemporaryDirectory(prefix="tickvol-bench-") as name:
        broker = LocalBroker(Path(name) / "broker", free_port())
        try:
            broker.start()
            yield Bench(broker, Path(name))
        finally:
            broker.kill()
            os.sched_setaffinity(0, before)


@contextlib.contextmanager
def settings_of(environment: dict[str, str]) -> Iterator[Any]:
    """The configuration under that environment."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield load_config(ROOT / "config.yaml", env_file=None)
    finally:
        os.environ.clear()
        os.environ.update(before)


def _on_all_cores() -> None:
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
