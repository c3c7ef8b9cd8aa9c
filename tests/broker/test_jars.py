"""Java and the jars: what is missing is named with the next step, and half a fetch never passes for a whole one."""

import os
import sys
import zipfile

import pytest

from tickvol.broker import jars as broker_jars
from tickvol.broker.jars import KAFKA_VERSION, ensure_jars, find_java, jars_directory
from tickvol.core.errors import BrokerUnavailable

JARS = (
    f"kafka_2.13-{KAFKA_VERSION}.jar",
    f"kafka-clients-{KAFKA_VERSION}.jar",
    "log4j-slf4j-impl-2.25.1.jar",
    "scala-library.jar",
)

MAVEN_THAT_FETCHES = """
import pathlib, sys, zipfile
place = next(pathlib.Path(word.partition("=")[2]) for word in sys.argv if word.startswith("-DoutputDirectory="))
place.mkdir(parents=True)
for name in {jars!r}:
    with zipfile.ZipFile(place / name, "w") as jar:
        jar.writestr("a", "a" * 100)
with open({calls!r}, "a") as calls:
    calls.write("mvn\\n")
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """`tools(name, python_source)` puts a program on a PATH that holds nothing else."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def add(name, source):
        program = directory / name
        program.write_text(f"#!{sys.executable}\n{source}", encoding="utf-8")
        program.chmod(0o755)
        return program

    return add


def java_that_says(text):
    return f"import sys\nprint({text!r}, file=sys.stderr)\n"


def leftovers():
    cache = jars_directory().parent
    return sorted(path.name for path in cache.iterdir()) if cache.exists() else []


def test_no_java_says_how_to_get_one(tools):
    with pytest.raises(BrokerUnavailable, match=r"^java: not in PATH: .* needs Java 17 or later; install it"):
        find_java()


def test_a_java_home_without_java_is_named(tools, tmp_path, monkeypatch):
    tools("java", java_that_says('openjdk version "21.0.1"'))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    with pytest.raises(BrokerUnavailable, match=rf"^java: not in JAVA_HOME \({tmp_path / 'jdk'}\)"):
        find_java()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ('openjdk version "11.0.2" 2019-01-15', 'version "11'),
        ('java version "1.8.0_292"', 'version "1.8'),
        ('openjdk version "16"', 'version "16'),
        ("Unable to locate a Java Runtime.", "Unable to locate a Java Runtime."),
        ("", "no answer to -version"),
    ],
)
def test_an_old_java_or_none_behind_the_name_is_refused(tools, said, shown):
    program = tools("java", java_that_says(said))
    with pytest.raises(BrokerUnavailable) as error:
        find_java()
    assert str(error.value).startswith(f"java: {program}: {shown}: Kafka {KAFKA_VERSION} needs Java 17")


@pytest.mark.parametrize(
    "said", ['openjdk version "17.0.15" 2025-04-15', 'java version "21"', 'openjdk version "25-ea"']
)
def test_a_java_that_is_new_enough_is_taken(tools, said):
    program = tools("java", java_that_says(said))
    assert find_java() == str(program)


def test_no_maven_and_no_jars_says_how_to_get_them(tools):
    with pytest.raises(BrokerUnavailable, match=r"^mvn: not in PATH: .* install it"):
        ensure_jars()
    assert leftovers() == []


def test_a_maven_that_fails_is_quoted_and_leaves_nothing(tools):
    tools(
        "mvn",
        "import sys\nprint('[WARNING] old')\nprint('[ERROR] No goal: Connection refused')\nsys.exit(1)\n",
    )
    with pytest.raises(
        BrokerUnavailable, match=r"cannot fetch Kafka .*Connection refused; is Maven Central reachable\?"
    ):
        ensure_jars()
    assert leftovers() == []


def test_a_maven_that_hangs_is_given_up(tools, monkeypatch):
    tools("mvn", "import time\ntime.sleep(60)\n")
    monkeypatch.setattr(broker_jars, "_FETCH_TIMEOUT_S", 0.2)
    with pytest.raises(BrokerUnavailable, match=r"nothing after 0.2 s"):
        ensure_jars()
    assert leftovers() == []


def test_jars_are_fetched_once(tools, tmp_path):
    calls = tmp_path / "calls"
    tools("mvn", MAVEN_THAT_FETCHES.format(jars=JARS, calls=str(calls)))
    place = ensure_jars()
    assert ensure_jars() == place == jars_directory()
    assert sorted(path.name for path in place.glob("*.jar")) == sorted(JARS)
    assert calls.read_text().count("mvn") == 1
    assert leftovers() == [place.name]


@pytest.mark.parametrize("name", [*JARS, "complete.txt"])
def test_a_cache_that_lost_or_tore_a_file_is_fetched_anew(tools, tmp_path, name):
    calls = tmp_path / "calls"
    tools("mvn", MAVEN_THAT_FETCHES.format(jars=JARS, calls=str(calls)))
    place = ensure_jars()
    (place / name).write_bytes((place / name).read_bytes()[:40])
    ensure_jars()
    (place / name).unlink()
    ensure_jars()
    assert calls.read_text().count("mvn") == 3
    assert zipfile.is_zipfile(place / JARS[0])
    assert leftovers() == [place.name]


def test_jars_that_lack_one_that_kafka_needs_are_not_kept_as_whole(tools, tmp_path):
    tools("mvn", MAVEN_THAT_FETCHES.format(jars=JARS[1:], calls=str(tmp_path / "calls")))
    with pytest.raises(BrokerUnavailable, match=r"incomplete after fetching; delete the directory"):
        ensure_jars()


def test_a_jar_that_is_none_is_refused(tools, tmp_path):
    source = MAVEN_THAT_FETCHES.format(jars=JARS, calls=str(tmp_path / "calls"))
    tools("mvn", source + "\n(place / 'scala-library.jar').write_bytes(b'<html>')\n")
    with pytest.raises(BrokerUnavailable, match=r"scala-library.jar is no jar; delete it in ~/.m2"):
        ensure_jars()
    assert leftovers() == []


@pytest.mark.launcher
@pytest.mark.kafka
def test_the_real_maven_before_a_dead_repository_is_quoted(tmp_path, monkeypatch):
    (tmp_path / ".m2").mkdir()
    (tmp_path / ".m2" / "settings.xml").write_text(
        "<settings><mirrors><mirror><id>dead</id><mirrorOf>*</mirrorOf><url>http://127.0.0.1:9/</url></mirror></mirrors>"
        "</settings>",
        encoding="utf-8",
    )
    monkeypatch.setenv("MAVEN_OPTS", f"{os.environ.get('MAVEN_OPTS', '')} -Duser.home={tmp_path}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(BrokerUnavailable, match=r"cannot fetch Kafka .*127\.0\.0\.1:9.* is Maven Central reachable\?"):
        ensure_jars()
    assert leftovers() == []
