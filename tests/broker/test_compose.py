"""`docker compose` as it is called; a stub stands for the engine."""

import sys

import pytest
import yaml

from tests.support import ROOT
from tickvol.broker import compose as broker_compose
from tickvol.broker.compose import (
    COMPOSE_ADDRESS,
    COMPOSE_FILE,
    compose_answers,
    compose_runs,
    compose_stop,
    compose_up,
)
from tickvol.core.errors import BrokerUnavailable

ENGINE = """
import pathlib, sys
words = sys.argv[1:]
with open({calls!r}, "a") as calls:
    calls.write(" ".join(words) + "\\n")
state = pathlib.Path({state!r})
if words[0] == "info":
    sys.exit({info})
if words[1] == "version":
    sys.exit({version})
action = words[3]
if action == "up":
    if {up}:
        print("pull access denied", file=sys.stderr)
        sys.exit({up})
    state.touch()
if action == "stop":
    state.unlink()
if action == "ps" and state.exists():
    print("0123456789ab")
"""


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """`engine(info=..., version=..., up=...)`: a docker whose commands exit so; returns what it was told."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    monkeypatch.setenv("PATH", str(binaries))
    monkeypatch.chdir(ROOT)

    def make(*, info=0, version=0, up=0):
        calls = tmp_path / "calls"
        source = ENGINE.format(calls=str(calls), state=str(tmp_path / "state"), info=info, version=version, up=up)
        (binaries / "docker").write_text(f"#!{sys.executable}\n{source}")
        (binaries / "docker").chmod(0o755)
        return lambda: calls.read_text().splitlines()

    return make


def test_no_docker_is_no_engine(engine):
    assert not compose_answers()


@pytest.mark.parametrize(("info", "version", "answers"), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_an_engine_counts_only_when_it_answers_and_can_compose(engine, info, version, answers):
    engine(info=info, version=version)
    assert compose_answers() == answers


def test_without_the_file_there_is_nothing_to_compose(engine, tmp_path, monkeypatch):
    engine()
    monkeypatch.chdir(tmp_path)
    assert not compose_answers()


def test_the_broker_comes_up_waits_and_goes_down(engine):
    told = engine()
    answers = iter([False, False, True])
    assert not compose_runs()
    compose_up(lambda: next(answers))
    assert compose_runs()
    assert compose_stop()
    assert not compose_stop()
    assert f"compose -f {COMPOSE_FILE} up -d kafka" in told()
    assert f"compose -f {COMPOSE_FILE} stop kafka" in told()


def test_an_engine_that_refuses_is_quoted_with_the_other_way(engine):
    engine(up=1)
    with pytest.raises(BrokerUnavailable, match=r"pull access denied; .*tickvol kafka start --native"):
        compose_up(lambda: True)


def test_a_container_that_never_answers_is_given_up(engine, monkeypatch):
    engine()
    monkeypatch.setattr(broker_compose, "_READY_TIMEOUT_S", 0.1)
    with pytest.raises(BrokerUnavailable, match=r"does not answer after 0.1 s; .* logs kafka"):
        compose_up(lambda: False)


def test_the_file_publishes_the_broker_where_the_command_expects_it():
    host, port = COMPOSE_ADDRESS
    services = yaml.safe_load((ROOT / COMPOSE_FILE).read_text(encoding="utf-8"))["services"]
    assert services["kafka"]["ports"] == [f"{host}:{port}:{port}"]
