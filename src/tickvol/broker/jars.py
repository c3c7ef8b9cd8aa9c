"""Apache Kafka's own jars, fetched once from Maven Central into the user's cache, and the Java that runs them."""

import contextlib
import logging
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from tickvol.core.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

KAFKA_VERSION = "4.2.1"
OLDEST_JAVA = 17
_FETCH_TIMEOUT_S = 600
_LIST = "complete.txt"
_NEEDED = (f"kafka_2.13-{KAFKA_VERSION}.jar", f"kafka-clients-{KAFKA_VERSION}.jar", "log4j-slf4j-impl-2.25.1.jar")
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tickvol</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.1</version>
    </dependency>
  </dependencies>
</project>
"""


def find_java() -> str:
    """Path of a Java that is new enough: from JAVA_HOME if set, else from PATH.

    Raises
    ------
    BrokerUnavailable
        If there is none, or only an older one.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home, "bin", "java"))) if home else shutil.which("java")
    if java is None:
        where = f"JAVA_HOME ({home})" if home else "PATH"
        raise BrokerUnavailable(
            f"java: not in {where}: Kafka {KAFKA_VERSION} needs Java {OLDEST_JAVA} or later; install it, for instance"
            " by `apt-get install openjdk-17-jre-headless`, or let docker compose run the broker"
        )
    output = subprocess.run([java, "-version"], capture_output=True, text=True, errors="replace", check=False).stderr
    found = re.search(r'version "(?:1\.)?(\d+)', output)
    if found is None or int(found[1]) < OLDEST_JAVA:
        version = found[0] if found else " ".join(output.split())[:200] or "no answer to -version"
        raise BrokerUnavailable(
            f"java: {java}: {version}: Kafka {KAFKA_VERSION} needs Java {OLDEST_JAVA} or later; install one and name it"
            " by JAVA_HOME"
        )
    return java


def jars_directory() -> Path:
    """Directory of the jars, whether it exists or not."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "tickvol" / f"kafka-{KAFKA_VERSION}"


def ensure_jars() -> Path:
    """Return the directory of the jars; fetch missing ones first, all or none.

    Raises
    ------
    BrokerUnavailable
        If Maven is missing or cannot fetch.
    """
    place = jars_directory()
    if _is_complete(place):
        return place
    maven = shutil.which("mvn")
    if maven is None:
        raise BrokerUnavailable(
            f"mvn: not in PATH: Maven fetches Kafka {KAFKA_VERSION} once into {place}; install it, for instance by"
            " `apt-get install maven`, or copy that directory from a machine that has it"
        )
    place.parent.mkdir(parents=True, exist_ok=True)
    logger.info("fetching Kafka %s (43 MB) into %s", KAFKA_VERSION, place)
    with tempfile.TemporaryDirectory(prefix=f"{place.name}.", dir=place.parent) as work:
        fetched = _fetch(maven, Path(work))
        if place.exists() and not _is_complete(place):
            place.rename(Path(work, "torn"))
        with contextlib.suppress(OSError):  # another process was faster: its jars are the same
            fetched.rename(place)
    if not _is_complete(place):
        raise BrokerUnavailable(f"{place}: incomplete after fetching; delete the directory and start again")
    return place


def _fetch(maven: str, work: Path) -> Path:
    """Fetch all jars and their list into a directory below `work`."""
    pom, fetched = work / "pom.xml", work / "jars"
    pom.write_text(_POM, encoding="utf-8")
    # -U: Maven caches a failure and would not retry for a day.
    command = [maven, "-q", "-B", "-U", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={fetched}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_FETCH_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise _cannot_fetch(f"nothing after {_FETCH_TIMEOUT_S} s") from None
    if done.returncode:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        errors = [line for line in lines if "ERROR" in line]
        raise _cannot_fetch((errors or lines or [f"exit code {done.returncode}"])[0][:600])
    jars = sorted(fetched.glob("*.jar"))
    broken = [jar.name for jar in jars if not zipfile.is_zipfile(jar)]
    if broken:
        raise _cannot_fetch(f"{broken[0]} is no jar; delete it in ~/.m2/repository")
    listed = "".join(f"{jar.stat().st_size} {jar.name}\n" for jar in jars)
    (fetched / _LIST).write_text(listed, encoding="utf-8")
    return fetched


def _cannot_fetch(why: str) -> BrokerUnavailable:
    return BrokerUnavailable(
        f"mvn: cannot fetch Kafka {KAFKA_VERSION}: {why}; is Maven Central reachable? A mirror or a proxy is named in"
        " ~/.m2/settings.xml"
    )


def _is_complete(place: Path) -> bool:
    """True if each listed jar has its listed size, and the list contains all that Kafka needs."""
    try:
        listed = [line.split(" ", 1) for line in (place / _LIST).read_text(encoding="utf-8").splitlines()]
        sizes = {name: int(size) for size, name in listed}
        return all(name in sizes for name in _NEEDED) and all(
            (place / name).stat().st_size == size for name, size in sizes.items()
        )
    except (OSError, ValueError):
        return False
