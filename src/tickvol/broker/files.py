"""Files of a local broker: settings, logging, the identity of its data, and its pid.

::

    DIRECTORY/server.properties   settings, rewritten at each start
    DIRECTORY/log4j2.properties   logging, rewritten at each start
    DIRECTORY/cluster.id          cluster that the data belong to
    DIRECTORY/broker.pid          pid of the process
    DIRECTORY/data/               the log itself
    DIRECTORY/log/                server.log (rolling) and console.log
"""

import base64
import contextlib
import fcntl
import random
import re
import socket
import uuid
from collections.abc import Mapping
from pathlib import Path

from tickvol.core.errors import BrokerUnavailable

NODE_ID = 1
_KEPT_FOR_EVER_MIN = 2**31 - 1

_LOGGING = """rootLogger.level = INFO
rootLogger.appenderRef.file.ref = file
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {log}/server.log
appender.file.filePattern = {log}/server.%i.log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %p %m (%c{{1}})%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.policies.startup.type = OnStartupTriggeringPolicy
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 4
"""


def free_port(host: str = "127.0.0.1") -> int:
    """A free port below the system's range for outgoing connections.

    Within that range, a client that keeps retrying while the broker is down could end up connected to itself, and the
    broker would find its port taken.
    """
    chance = random.SystemRandom()
    for _ in range(1000):
        port = chance.randrange(20_000, 32_000)
        if not port_is_taken(host, port):
            return port
    raise BrokerUnavailable(f"{host}: no free port between 20000 and 32000; end what listens there")


def port_is_taken(host: str, port: int) -> bool:
    """True if a server could not listen on the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def broker_settings(
    data: Path, host: str, port: int, controller_port: int, security_protocol: str, extra: Mapping[str, str]
) -> dict[str, str]:
    """Properties of one node that is broker and controller; `extra` takes precedence."""
    return {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        "listeners": f"CLIENTS://{host}:{port},CONTROLLER://{host}:{controller_port}",
        "advertised.listeners": f"CLIENTS://{host}:{port}",
        "listener.security.protocol.map": f"CLIENTS:{security_protocol},CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENTS",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.voters": f"{NODE_ID}@{host}:{controller_port}",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "6000",
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.num.partitions": "5",
        # A killed broker can register again only after its former session has expired: 9 s by default.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        # A transaction whose owner hangs hides its offsets until the check for timeouts; by default every 10 s.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        # By default a group that was inactive for a week would have lost its offsets.
        "offsets.retention.minutes": str(_KEPT_FOR_EVER_MIN),
        "log.cleaner.dedupe.buffer.size": str(1 << 24),
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        **extra,
    }


def properties_text(settings: Mapping[str, str]) -> str:
    """Settings in Java's properties format."""
    escaped = {name: value.replace("\\", "\\\\").replace("\n", "\\\n") for name, value in settings.items()}
    return "".join(f"{name}={value}\n" for name, value in escaped.items())


def logging_text(log: Path) -> str:
    """Settings of log4j2, without which Kafka logs nothing: a new file at each start, 50 MB at most."""
    return _LOGGING.format(log=log)


def remembered_controller_port(settings: Path) -> int | None:
    """Controller port of the last start; None if unknown."""
    try:
        found = re.search(r"^controller\.quorum\.voters=.*:(\d+)$", settings.read_text(encoding="utf-8"), re.M)
    except OSError:
        return None
    return int(found[1]) if found else None


def new_cluster_id() -> str:
    """A random cluster id in Kafka's format; never begins with a dash, which Kafka's tools take for an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def check_identity(data: Path, cluster_file: Path) -> None:
    """Refuse data that another broker wrote, or whose origin is unknown.

    Raises
    ------
    BrokerUnavailable
        With the problem, and the two possible next steps.
    """
    meta = data / "meta.properties"
    try:
        lines = meta.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise _not_ours(meta, "is missing" if isinstance(error, FileNotFoundError) else "is corrupt") from None
    values = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    if any(not values.get(name) for name in ("version", "cluster.id", "node.id")):
        raise _not_ours(meta, "is corrupt: version, cluster.id or node.id is missing")
    if values["node.id"] != str(NODE_ID):
        raise _not_ours(meta, f"belongs to node {values['node.id']}, must be {NODE_ID}")
    if cluster_file.exists():
        ours = cluster_file.read_text(encoding="utf-8").strip()
        if values["cluster.id"] != ours:
            raise _not_ours(meta, f"belongs to cluster {values['cluster.id']}, must be {ours} as {cluster_file} says")


def check_not_in_use(data: Path) -> None:
    """Refuse data that a running broker holds locked.

    A second broker would write into the log of its cluster before Kafka itself sees the lock.

    Raises
    ------
    BrokerUnavailable
        If another process holds the lock.
    """
    with contextlib.suppress(FileNotFoundError), (data / ".lock").open("r+") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # Java's kind of lock, invisible to flock
        except OSError:
            raise BrokerUnavailable(
                f"{data}: another broker is using it; end that one (a process of kafka.Kafka), then start again"
            ) from None


def _not_ours(meta: Path, what: str) -> BrokerUnavailable:
    return BrokerUnavailable(
        f"{meta}: {what}; put back the data that belong here, or move {meta.parent} away: an empty broker starts, and"
        " `tickvol kafka rebuild` fills it from the archive"
    )


def read_pid(path: Path) -> int | None:
    """Pid of the broker that was started last; None if unknown."""
    try:
        pid = int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return pid if pid > 0 else None
