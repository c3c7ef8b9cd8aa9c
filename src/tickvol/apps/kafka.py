"""`tickvol kafka`: the local broker, and the topics of the configured broker."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tickvol.command import command_parser, run_command
from tickvol.core.errors import BrokerUnavailable, UsageError

if TYPE_CHECKING:
    from tickvol.broker.local import LocalBroker
    from tickvol.bus.settings import KafkaConfig
    from tickvol.bus.topic_status import TopicStatus
    from tickvol.config import Config

DESCRIPTION = """Run a local broker and manage the topics. ACTION is one of:

  start [--native]   start a broker at the first address of kafka.bootstrap_servers and create the topics: in a
                     container if a container engine responds, else Apache Kafka on the local Java, with its data in
                     kafka.broker_dir
  stop               stop the broker; its data remain
  status [--json]    report the state of the broker and its topics; exit code 1 if the broker does not respond
  topics             create the declared topics of the configured broker, or correct their settings
  rebuild [--yes]    recreate the topics from the raw archive, after the broker lost its data

`tickvol kafka ACTION --help` has the details.
"""
_QUICK_MS = 3000


def main(argv: Sequence[str] | None = None) -> int:
    """Run `tickvol kafka`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in ACTIONS:
        return ACTIONS[arguments[0]](arguments[1:])
    parser = command_parser("kafka", DESCRIPTION)
    parser.add_argument("action", metavar="ACTION", nargs="?", help=f"one of {', '.join((*ACTIONS, 'rebuild'))}")
    return run_command(parser, _no_action, arguments)


def _no_action(options: argparse.Namespace) -> int:
    raise UsageError(
        f"ACTION: {options.action or 'none'}: must come first and be one of {', '.join((*ACTIONS, 'rebuild'))}"
    )


def _start_main(argv: Sequence[str]) -> int:
    parser = command_parser(
        "kafka start", "Start a local broker and create the topics; returns when the broker responds."
    )
    parser.add_argument(
        "--native", action="store_true", help="use the local Java even if a container engine responds; default: no"
    )
    return run_command(parser, _start, argv)


def _stop_main(argv: Sequence[str]) -> int:
    return run_command(command_parser("kafka stop", "Stop the local broker; its data remain."), _stop, argv)


def _status_main(argv: Sequence[str]) -> int:
    parser = command_parser(
        "kafka status",
        "Report the state of the broker and its topics; exit code 1 if the broker does not respond.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text; default: text")
    return run_command(parser, _status, argv)


def _topics_main(argv: Sequence[str]) -> int:
    parser = command_parser(
        "kafka topics", "Create the declared topics, or correct their settings; safe to run at any time."
    )
    return run_command(parser, _topics, argv)


ACTIONS: dict[str, Callable[[Sequence[str]], int]] = {
    "start": _start_main,
    "stop": _stop_main,
    "status": _status_main,
    "topics": _topics_main,
}


def _start(options: argparse.Namespace) -> None:
    from tickvol.broker.compose import COMPOSE_ADDRESS, compose_answers, compose_up
    from tickvol.broker.jars import KAFKA_VERSION
    from tickvol.config import load_config

    config = load_config(options.config)
    broker = _local_broker(config.kafka)
    in_container = (
        not options.native
        and not broker.is_running()
        and (broker.host, broker.port) == COMPOSE_ADDRESS
        and compose_answers()
    )
    if in_container:
        compose_up(broker.answers)
        print(f"broker     {broker.bootstrap_servers}: runs in a container; `docker compose logs kafka` in docker/")
    else:
        done = "started" if broker.start() else "runs already"
        process = broker.process()
        pid = process.pid if process is not None else "?"
        print(f"broker     {broker.bootstrap_servers}: Kafka {KAFKA_VERSION} {done}, pid {pid}")
        print(f"data       {broker.data}\nlog        {broker.log / 'server.log'}")
    _ensure_topics(config)


def _stop(options: argparse.Namespace) -> None:
    from tickvol.broker.compose import compose_runs, compose_stop
    from tickvol.config import load_config

    broker = _local_broker(load_config(options.config).kafka)
    stopped = broker.stop() or (compose_runs() and compose_stop())
    print(f"broker     {broker.bootstrap_servers}: {'stopped' if stopped else 'not running'}")


def _topics(options: argparse.Namespace) -> None:
    from tickvol.config import load_config

    _ensure_topics(load_config(options.config))


def _ensure_topics(config: "Config") -> None:
    import contextlib

    from tickvol.bus.client import new_admin
    from tickvol.bus.topics import ensure_topics
    from tickvol.systems import all_topics

    with contextlib.closing(new_admin(config.kafka)) as admin:
        changes = ensure_topics(admin, config.kafka, all_topics(config))
    for line in changes or ["all as declared"]:
        print(f"topics     {line}")


def _status(options: argparse.Namespace) -> int:
    import contextlib
    import json

    from tickvol.bus.client import new_admin
    from tickvol.bus.topic_status import topics_status
    from tickvol.config import load_config
    from tickvol.systems import all_topics

    config = load_config(options.config)
    kafka = config.kafka.model_copy(update={"request_timeout_ms": min(config.kafka.request_timeout_ms, _QUICK_MS)})
    status: dict[str, Any] = {"bootstrap_servers": kafka.bootstrap_servers, "answers": False, "problem": None}
    status |= {"pid": None, "version": None, "uptime_s": None, "data_bytes": None, "topics": [], "group": None}
    try:
        with contextlib.suppress(UsageError):  # a remote broker: only its own responses can be reported
            _add_local_status(_local_broker(kafka), status)
        with contextlib.closing(new_admin(kafka)) as admin:
            topics = topics_status(admin, kafka, all_topics(config), config.features.group_id)
    except BrokerUnavailable as error:
        status["problem"] = str(error)
    else:
        status |= {"answers": True, **_topics_status(topics, config.features.group_id)}
    print(json.dumps(status, indent=2) if options.json else "\n".join(_status_lines(status)))
    return 0 if status["answers"] else 1


def _add_local_status(broker: "LocalBroker", status: dict[str, Any]) -> None:
    import time

    from tickvol.broker.jars import KAFKA_VERSION
    from tickvol.bus.topic_status import directory_bytes

    process = broker.process()
    if process is not None:
        uptime_s = max(0, round(time.time() - process.create_time()))
        status |= {"pid": process.pid, "version": KAFKA_VERSION, "uptime_s": uptime_s}
        status["data_bytes"] = directory_bytes(broker.data)
    if not broker.answers(_QUICK_MS / 1000):
        raise BrokerUnavailable(f"{broker.bootstrap_servers}: nothing answers; `tickvol kafka start` starts a broker")


def _topics_status(topics: "list[TopicStatus]", group_id: str) -> dict[str, Any]:
    lags = [partition.lag for topic in topics for partition in topic.partitions if partition.lag is not None]
    listed = [
        {
            "name": topic.name,
            "partitions": [
                {
                    "partition": partition.partition,
                    "first_offset": partition.first_offset,
                    "end_offset": partition.end_offset,
                    "committed": partition.committed,
                    "lag": partition.lag,
                }
                for partition in topic.partitions
            ],
        }
        for topic in topics
    ]
    return {"topics": listed, "group": {"id": group_id, "lag": sum(lags) if lags else None}}


def _status_lines(status: dict[str, Any]) -> list[str]:
    state = "answers" if status["answers"] else "does not answer"
    lines = [f"broker     {status['bootstrap_servers']}: {state}"]
    if status["pid"] is not None:
        lines.append(f"process    pid {status['pid']}, Kafka {status['version']}, for {status['uptime_s']} s")
        lines.append(f"data       {status['data_bytes'] / 1e6:.1f} MB")
    elif not status["answers"]:
        lines.append("process    not running")
    if status["problem"]:
        return [*lines, f"problem    {status['problem']}"]
    for topic in status["topics"]:
        ends = " ".join(f"{partition['partition']}:{partition['end_offset']}" for partition in topic["partitions"])
        lines.append(f"topic      {topic['name']}  {ends or 'missing; `tickvol kafka topics` makes it'}")
    lag = status["group"]["lag"]
    behind = "has committed nothing yet" if lag is None else f"is {lag} records behind"
    return [*lines, f"group      {status['group']['id']} {behind}"]


def _local_broker(kafka: "KafkaConfig") -> "LocalBroker":
    """Configured local broker.

    Raises
    ------
    UsageError
        If the configured broker is not on this machine or requires security, which the local broker does not support.
    """
    import ipaddress

    from tickvol.broker.local import LocalBroker

    first = kafka.bootstrap_servers.split(",")[0]
    host, _, port_text = first.rpartition(":")
    port = int(port_text)
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = None
    problems = []
    if address is None or not address.is_loopback:
        problems.append(
            f"kafka.bootstrap_servers: {first}: must be on the loopback, such as 127.0.0.1:9092, for a local broker;"
            " start and stop a remote broker on its own machine"
        )
    if not 0 < port < 65536:
        problems.append(f"kafka.bootstrap_servers: {first}: the port must be from 1 to 65535")
    if kafka.security_protocol != "PLAINTEXT":
        problems.append(
            f"kafka.security_protocol: {kafka.security_protocol}: must be PLAINTEXT for a broker of this machine, which"
            " has no authentication"
        )
    if problems:
        raise UsageError(problems)
    return LocalBroker(kafka.broker_dir, port, host=str(address))
