"""What must stop the featurizer loudly: a log that lost what was read, other settings, topics that are not there."""

import contextlib

import pytest
from kafka import TopicPartition

from tests.kafka.conftest import make_topics
from tests.kafka.featurizers import FeaturizerProcess, featurize_to_end
from tests.kafka.filling import feature_rows, fill
from tests.kafka.test_featurizer import archive, env  # noqa: F401
from tests.parity.test_follow_parity import tree
from tickvol.bus.client import new_admin, new_consumer

pytestmark = pytest.mark.kafka


def failed(env, out, log, *options):  # noqa: F811
    with FeaturizerProcess(env, out, log, "--until-end", *options) as featurizer:
        code = featurizer.process.wait(60)
        return code, featurizer.said()


@pytest.fixture
def begun(env, kafka_config, archive, tmp_path):  # noqa: F811
    """A featurizer that has done half of the archive."""
    _, records, _ = archive
    fill(kafka_config, records[: len(records) // 2])
    featurize_to_end(env, tmp_path / "live.parquet", tmp_path / "log")
    return tmp_path / "live.parquet"


def test_a_topic_made_anew_stops_it_and_the_message_names_the_choices(env, kafka_config, archive, begun, tmp_path):  # noqa: F811
    before = tree(begun)
    with contextlib.closing(new_admin(kafka_config)) as admin:
        admin.delete_topics([kafka_config.topic_ticks])
    make_topics(kafka_config)
    code, said = failed(env, begun, tmp_path / "lost")
    assert code == 1
    assert "the log was made anew" in said
    assert "tickvol kafka rebuild" in said
    assert "--start earliest" in said
    assert tree(begun) == before
    code, said = failed(env, begun, tmp_path / "same out", "--start", "earliest")
    assert code == 2
    assert "--out" in said
    _, records, whole = archive
    fill(kafka_config, records)
    featurize_to_end(env, tmp_path / "new.parquet", tmp_path / "accepted", "--start", "earliest")
    assert tree(tmp_path / "new.parquet") == tree(whole)


def test_lost_offsets_stop_it_as_rows_would_be_written_twice(env, kafka_config, begun, tmp_path):  # noqa: F811
    rows = feature_rows(kafka_config)
    other = env | {"TICKVOL_FEATURES__GROUP_ID": f"{env['TICKVOL_FEATURES__GROUP_ID']}.other"}
    for out in (begun, tmp_path / "new.parquet"):
        code, said = failed(other, out, tmp_path / out.name.partition(".")[0])
        assert code == 1
        assert "no offset is committed although" in said
    assert feature_rows(kafka_config) == rows


def test_an_offset_below_the_beginning_of_the_log_stops_it(env, kafka_config, archive, begun, tmp_path):  # noqa: F811
    places = [TopicPartition(kafka_config.topic_ticks, number) for number in range(kafka_config.partitions)]
    with contextlib.closing(new_consumer(kafka_config, client_id="test")) as consumer:
        done = consumer.end_offsets(places)
    _, records, _ = archive
    fill(kafka_config, records[len(records) // 2 :])
    with contextlib.closing(new_admin(kafka_config)) as admin:
        admin.delete_records({place: end + 50 for place, end in done.items() if end})
    code, said = failed(env, begun, tmp_path / "lost")
    assert code == 1
    assert "beyond the committed offset" in said


def test_other_feature_settings_than_the_committed_ones_stop_it(env, begun, tmp_path):  # noqa: F811
    other = env | {"TICKVOL_FEATURES__GRACE_MS": "500"}
    for out in (begun, tmp_path / "new.parquet"):
        code, said = failed(other, out, tmp_path / out.name.partition(".")[0])
        assert code == 1
        assert "other feature settings" in said


def test_a_topic_that_is_not_there_stops_it(env, tmp_path):  # noqa: F811
    code, said = failed(env, tmp_path / "live.parquet", tmp_path / "log")
    assert code == 1
    assert f"{env['TICKVOL_INGESTION__TOPIC']}: no such topic" in said
    assert "tickvol kafka topics" in said


def test_another_number_of_partitions_stops_it(env, kafka_config, tmp_path):  # noqa: F811
    code, said = failed(env | {"TICKVOL_KAFKA__PARTITIONS": "4"}, tmp_path / "live.parquet", tmp_path / "log")
    assert code == 1
    assert "kafka.partitions: 4: topic" in said


def test_no_broker_is_an_error_at_once_when_it_is_to_end(env, tmp_path):  # noqa: F811
    away = env | {"TICKVOL_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1", "TICKVOL_KAFKA__REQUEST_TIMEOUT_MS": "1500"}
    code, said = failed(away, tmp_path / "live.parquet", tmp_path / "log")
    assert code == 1
    assert "127.0.0.1:1" in said
    assert "Traceback" not in said
