"""What the broker keeps on disk: ports that stay, data that are ours, files that are whole."""

import socket

import pytest

from tickvol.broker.files import (
    broker_settings,
    check_identity,
    free_port,
    new_cluster_id,
    port_is_taken,
    properties_text,
    read_pid,
    remembered_controller_port,
)
from tickvol.core.errors import BrokerUnavailable


def test_a_free_port_lies_below_those_of_outgoing_connections():
    assert all(20_000 <= free_port() < 32_000 for _ in range(20))


def test_a_port_on_which_someone_listens_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert port_is_taken("127.0.0.1", port)
    assert not port_is_taken("127.0.0.1", port)


def test_settings_of_the_caller_win(tmp_path):
    settings = broker_settings(
        tmp_path, "127.0.0.1", 9092, 9093, "PLAINTEXT", {"log.segment.bytes": "1048576", "node.id": "7"}
    )
    assert settings["log.segment.bytes"] == "1048576"
    assert settings["node.id"] == "7"
    assert settings["auto.create.topics.enable"] == "false"


def test_properties_are_escaped_as_java_reads_them():
    assert properties_text({"a": "C:\\x", "b": "one\ntwo"}) == "a=C:\\\\x\nb=one\\\ntwo\n"


def test_the_controllers_port_is_remembered(tmp_path):
    path = tmp_path / "server.properties"
    assert remembered_controller_port(path) is None
    path.write_text(properties_text(broker_settings(tmp_path, "127.0.0.1", 9092, 23456, "PLAINTEXT", {})))
    assert remembered_controller_port(path) == 23456
    path.write_text("nothing=here\n")
    assert remembered_controller_port(path) is None


def test_cluster_ids_differ_and_pass_for_no_option():
    ids = {new_cluster_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(len(text) == 22 and not text.startswith("-") for text in ids)


@pytest.mark.parametrize(
    ("meta", "what"),
    [
        (None, "is missing"),
        (b"", "is corrupt"),
        (b"\x00\xff\xfe garbage", "is corrupt"),
        (b"version=1\nnode.id=1\n", "is corrupt"),
        (b"version=1\nnode.id=1\ncluster.id=\n", "is corrupt"),
        (b"version=1\nnode.id=2\ncluster.id=ours\n", "belongs to node 2, must be 1"),
        (b"version=1\nnode.id=1\ncluster.id=other\n", "belongs to cluster other, must be ours"),
    ],
)
def test_data_that_are_not_ours_are_refused_with_the_ways_out(tmp_path, meta, what):
    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "cluster.id").write_text("ours\n")
    if meta is not None:
        (data / "meta.properties").write_bytes(meta)
    with pytest.raises(BrokerUnavailable) as error:
        check_identity(data, tmp_path / "cluster.id")
    assert f"meta.properties: {what}" in str(error.value)
    assert f"move {data} away" in str(error.value)


@pytest.mark.parametrize("noted", ["ours\n", None])
def test_our_data_pass_even_when_the_note_of_them_is_lost(tmp_path, noted):
    (tmp_path / "meta.properties").write_text("#\n#Sat Nov 21\nversion=1\nnode.id=1\ncluster.id=ours\n")
    if noted is not None:
        (tmp_path / "cluster.id").write_text(noted)
    check_identity(tmp_path, tmp_path / "cluster.id")


@pytest.mark.parametrize(("text", "pid"), [("123\n", 123), ("", None), ("12x", None), ("-1", None), ("0", None)])
def test_a_torn_note_of_the_process_counts_as_none(tmp_path, text, pid):
    path = tmp_path / "broker.pid"
    assert read_pid(path) is None
    path.write_text(text)
    assert read_pid(path) == pid
