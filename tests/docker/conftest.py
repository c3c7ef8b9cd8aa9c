"""A broker set as the compose file sets it, and Kafka's own tools, which the image has and our jars have not."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docker.files import broker_properties, compose
from tickvol.broker.files import free_port
from tickvol.broker.jars import KAFKA_VERSION, find_java
from tickvol.broker.local import LocalBroker

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tickvol</groupId><artifactId>tools</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""
TOOLS = {
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
}


class Composed(NamedTuple):
    """The broker; `containers` is the address that containers know as kafka:19092."""

    broker: LocalBroker
    containers: str


@pytest.fixture(scope="session")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """All properties are the compose file's; only ports and places are this machine's."""
    ports = {name: str(free_port()) for name in ("9092", "9093", "19092")}
    properties = broker_properties(compose()["services"]["kafka"]["environment"])
    for name in ("listeners", "advertised.listeners", "controller.quorum.voters"):
        local = properties[name].replace("0.0.0.0", "127.0.0.1").replace("kafka:", "127.0.0.1:")
        addresses = (part.rsplit(":", 1) for part in local.split(","))
        properties[name] = ",".join(f"{host}:{ports[port]}" for host, port in addresses)
    del properties["log.dirs"]
    broker = LocalBroker(tmp_path_factory.mktemp("composed"), int(ports["9092"]), properties=properties)
    try:
        broker.start()
        yield Composed(broker, f"127.0.0.1:{ports['19092']}")
    finally:
        broker.kill()


@pytest.fixture(scope="session")
def kafka_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What /opt/kafka is in the image, as far as it is used: the scripts of the tools."""
    home = tmp_path_factory.mktemp("opt") / "kafka"
    (home / "bin").mkdir(parents=True)
    (home / "pom.xml").write_text(_POM, encoding="utf-8")
    maven = shutil.which("mvn")
    assert maven, "mvn is missing: apt-get install maven"
    fetch = [maven, "-q", "-B", "-f", str(home / "pom.xml"), "dependency:copy-dependencies"]
    subprocess.run([*fetch, f"-DoutputDirectory={home / 'libs'}"], check=True)
    for name, main in TOOLS.items():
        script = home / "bin" / f"{name}.sh"
        script.write_text(f'#!/bin/sh\nexec {find_java()} $KAFKA_HEAP_OPTS -cp "{home}/libs/*" {main} "$@"\n')
        script.chmod(0o755)
    return home
