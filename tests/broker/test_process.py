"""Which process is ours: the one that was given our settings, from its first moment to its last."""

import os
import subprocess

import pytest

from tickvol.broker.local import LocalBroker


def start_like_kafka(directory, *, settings="server.properties"):
    """A process with the command line of a broker in `directory`; `sh` ignores the words."""
    words = ["sh", "-c", "sleep 60 & wait", "kafka.Kafka", str(directory / settings)]
    pid = os.posix_spawn("/bin/sh", words, os.environ, setsid=True)
    (directory / "broker.pid").write_text(f"{pid}\n")
    return pid


def end(pid):
    os.killpg(pid, 9)
    os.waitpid(pid, 0)


@pytest.fixture
def broker(tmp_path):
    return LocalBroker(tmp_path, 9)


def test_a_process_is_known_from_its_first_moment(broker):
    """The system shows no command line just after a start: more often than not without patience."""
    for _ in range(30):
        pid = start_like_kafka(broker.directory)
        try:
            assert broker.is_running()
        finally:
            end(pid)
        assert not broker.is_running()


def test_a_broker_of_another_directory_is_not_ours(broker):
    pid = start_like_kafka(broker.directory, settings="other.properties")
    try:
        assert not broker.is_running()
        broker.kill()
        assert not broker.stop()
        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    finally:
        end(pid)


def test_a_pid_that_passed_to_another_process_is_not_ours(broker):
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            (broker.directory / "broker.pid").write_text(f"{other.pid}\n")
            assert not broker.is_running()
            broker.kill()
            assert not broker.stop()
            assert other.poll() is None
        finally:
            other.kill()


def test_a_dead_child_is_buried(broker):
    pid = start_like_kafka(broker.directory)
    os.killpg(pid, 9)
    while broker.is_running():
        pass
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, 0)


def test_nothing_is_ended_where_nothing_was_started(broker):
    assert not broker.is_running()
    assert not broker.stop()
    for act in (broker.kill, broker.pause, broker.resume):
        act()
