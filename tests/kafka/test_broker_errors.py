"""What keeps a broker from starting is said with its place and the next step, and once mended it starts."""

import contextlib
import resource
import shutil
import socket

import pytest

from tests.kafka.conftest import config_of, environment_of, make_topics
from tickvol.broker.files import free_port
from tickvol.broker.local import LocalBroker
from tickvol.core.errors import BrokerUnavailable

pytestmark = pytest.mark.kafka


@contextlib.contextmanager
def files_no_larger_than(size):
    """What a full disk is to those who write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_port_that_someone_took_is_said_with_who(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = LocalBroker(tmp_path, server.getsockname()[1])
        with pytest.raises(
            BrokerUnavailable, match=r"127\.0\.0\.1:\d+: taken by pid \d+ \(.+\); end that, or name another"
        ):
            broker.start()
    assert not broker.is_running()


@pytest.mark.launcher
def test_a_setting_that_kafka_refuses_is_quoted(tmp_path):
    broker = LocalBroker(tmp_path, free_port(), properties={"log.retention.ms": "soon"})
    with pytest.raises(BrokerUnavailable, match=r"cannot be formatted; (.|\n)*Invalid value soon for configuration"):
        broker.start()
    assert not broker.data.exists()
    assert not (tmp_path / "data.forming").exists()


def dying(directory, port, word="nothing.of.this.name"):
    """A broker that is formatted and then ends while it starts."""
    return LocalBroker(directory, port, properties={"authorizer.class.name": word})


@pytest.mark.launcher
def test_a_broker_that_dies_at_start_shows_its_last_words_and_where_its_log_is(tmp_path):
    port = free_port()
    for word in ("nothing.one", "nothing.two"):
        broker = dying(tmp_path, port, word)
        with pytest.raises(BrokerUnavailable) as error:
            broker.start()
        said = str(error.value)
        assert "ended while starting" in said
        assert str(broker.log / "server.log") in said
        assert f"ClassNotFoundException: {word}" in said
        assert "INFO" not in said
        assert not broker.is_running()
    assert "nothing.one" not in said


@pytest.mark.launcher
def test_corrupt_and_foreign_data_are_refused_until_they_are_put_right(tmp_path):
    broker = dying(tmp_path, free_port())
    forming = tmp_path / "data.forming"  # a format that was cut off is done anew
    forming.mkdir()
    (forming / "meta.properties").write_text("version=1\n")
    broker.data.mkdir()
    with pytest.raises(BrokerUnavailable, match="ended while starting"):
        broker.start()
    assert not forming.exists()
    meta = broker.data / "meta.properties"
    right = meta.read_bytes()
    for wrong in (right[:20], right.replace(b"cluster.id=", b"cluster.id=X"), b"\x00" * 50):
        meta.write_bytes(wrong)
        with pytest.raises(BrokerUnavailable, match=r"meta.properties: (is corrupt|belongs to cluster)"):
            broker.start()
        assert meta.read_bytes() == wrong
    meta.write_bytes(right)
    with pytest.raises(BrokerUnavailable, match="ended while starting"):
        broker.start()


def test_data_that_another_broker_has_in_use_are_not_touched(broker, tmp_path):
    second = LocalBroker(tmp_path / "second", free_port())
    second.directory.mkdir()
    second.data.symlink_to(broker.data)
    shutil.copy(broker.directory / "cluster.id", second.directory)
    with pytest.raises(BrokerUnavailable, match=r"data: another broker is using it; end that one"):
        second.start()
    assert len(make_topics(config_of(environment_of(broker)))) == 6


@pytest.mark.launcher
def test_a_full_disk_at_start_is_said_and_one_start_later_it_runs(tmp_path):
    broker = LocalBroker(tmp_path, free_port())
    try:
        with files_no_larger_than(1 << 20), pytest.raises(BrokerUnavailable, match=r": no room: .* then start again"):
            broker.start()
        assert not broker.is_running()
        assert broker.start()
    finally:
        broker.kill()
