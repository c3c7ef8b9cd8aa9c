"""The scorer on a real broker: each row has one prediction and one outcome, which are those of the stored dataset."""

import contextlib
import random
import time

import msgspec
import numpy as np
import pytest

from tests.kafka.featurizers import CommandProcess, wait_until
from tests.kafka.filling import producing, put, topic_messages
from tests.kafka.scored import column, keys_of, put_rows, row_messages, said, score_to_end
from tests.support.brokers import config_of, environment_of, make_topics, topics_of
from tests.support.trained import bundles, market
from tickvol.bus.client import new_admin
from tickvol.bus.messages import Message, decode_dead_letter
from tickvol.bus.recreate import group_members, recreate_topics
from tickvol.volatility.labels.spikes import label_values, spikes
from tickvol.volatility.schema.label_spec import Outcome

pytestmark = pytest.mark.kafka

HORIZON_NS = 60 * 10**9
LOGISTIC, HAR = bundles()[-1], next(bundle for bundle in bundles() if bundle.name == "har")


def part_of_a_day():
    """50 minutes of two products with gaps, an hour after whose start some bars have no row at all."""
    table = market(1)
    seconds = (table.bar_end_ns - table.bar_end_ns.min()) // 10**9
    chosen = (seconds > 3300) & (seconds < 6300)
    chosen &= ~((table.product == 1) & (seconds > 4000) & (seconds < 4020))
    return table.take(chosen)


TABLE = part_of_a_day()
ROWS = row_messages(TABLE)


def scoring_env(kafka_env, root):
    LOGISTIC.save(root / "bundle")
    return kafka_env | {
        "TICKVOL_SERVING__BUNDLE_DIR": str(root / "bundle"),
        "TICKVOL_SCORING__SESSION_TIMEOUT_MS": "6000",
        "TICKVOL_SCORING__RELOAD_INTERVAL_S": "0.2",
        "TICKVOL_SCORING__METRICS_PORT": "0",
    }


@pytest.fixture
def env(kafka_env, kafka_config, tmp_path):
    return scoring_env(kafka_env, tmp_path)


@pytest.fixture(scope="module")
def scored(broker, tmp_path_factory):
    """(environment, Kafka settings, what it said) of a scorer that has done all rows."""
    root, kafka_env = tmp_path_factory.mktemp("scored"), environment_of(broker)
    kafka, env = config_of(kafka_env), scoring_env(kafka_env, root)
    make_topics(kafka)
    put_rows(kafka, ROWS)
    return env, kafka, score_to_end(env, root / "log")


def matures(table):
    """(n,) whether the product has a row at or after the end of the row's horizon."""
    last = np.array([table.bar_end_ns[table.product == number].max() for number in range(len(table.products))])
    return table.bar_end_ns + HORIZON_NS <= last[table.product]


def assert_each_row_once(kafka, table):
    predictions, outcomes = said(kafka)
    for number, name in enumerate(table.products):
        own = table.product == number
        assert keys_of(predictions, name) == table.bar_end_ns[own].tolist()
        assert keys_of(outcomes, name) == table.bar_end_ns[own & matures(table)].tolist()
    return predictions, outcomes


def assert_said_by(expected, found):
    """Probabilities but for the last bits: a matrix product rounds by the number of rows that it is given at once."""
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


def test_predictions_and_outcomes_are_those_of_the_stored_dataset(scored):
    _, kafka, text = scored
    predictions, outcomes = assert_each_row_once(kafka, TABLE)
    probability, margin = LOGISTIC.probability(TABLE), LOGISTIC.score(TABLE)
    assert np.isnan(probability).any()
    assert np.isfinite(probability).sum() > 1000
    assert_said_by(probability, column(predictions, "probability", TABLE))
    assert_said_by(margin, column(predictions, "margin", TABLE))
    np.testing.assert_array_equal(column(predictions, "scorable", TABLE).astype(bool), LOGISTIC.scorable(TABLE))
    assert {row.model_version for row in predictions} == {LOGISTIC.version}
    assert all((row.reason is None) is row.scorable is (row.signal is not None) for row in predictions)
    values = label_values(TABLE, LOGISTIC.label)
    assert column(outcomes, "value", TABLE).tobytes() == values.tobytes()
    positive, known = spikes(TABLE, LOGISTIC.manifest.spike_thresholds, values)
    of_topic = {(row.product_id, row.bar_end_ns): row for row in outcomes}
    for row in np.flatnonzero(matures(TABLE)):
        outcome = of_topic[TABLE.products[TABLE.product[row]], int(TABLE.bar_end_ns[row])]
        expected = Outcome.UNKNOWN if not known[row] else Outcome.SPIKE if positive[row] else Outcome.CALM
        assert outcome.outcome is expected
        assert (outcome.reason is None) is bool(known[row])
        assert outcome.known_event_ns == outcome.bar_end_ns + HORIZON_NS
    assert f"predictions {len(TABLE)} (" in text
    assert f"{len(outcomes)} (" in text


def test_a_horizon_with_a_missing_bar_gives_an_outcome_that_says_so(scored):
    _, outcomes = said(scored[1])
    reasons = [row.reason for row in outcomes if row.outcome is Outcome.UNKNOWN]
    own = TABLE.bar_end_ns[TABLE.product == 1]
    hole = int(own[np.flatnonzero(np.diff(own) > 10**9)[0]])
    (last_before,) = [row for row in outcomes if row.product_id == TABLE.products[1] and row.bar_end_ns == hole]
    assert last_before.reason == "19 of the 60 bars of the horizon have no row"
    assert last_before.known_time_ns == hole + HORIZON_NS + 260_000_000
    assert any("have no known return" in reason for reason in reasons)


def test_killed_at_random_moments_each_row_is_said_once(env, kafka_config, tmp_path):
    rng, log = random.Random(3), tmp_path / "log"
    size = len(ROWS) // 40
    for number in range(3):
        put_rows(kafka_config, ROWS[number * size : (number + 1) * size])
    fed = 3 * size
    for _ in range(2):
        with CommandProcess(env | {"TICKVOL_SCORING__MAX_POLL_RECORDS": "20"}, log, "score") as scorer:
            before = log.read_text().count("assigned partitions=")
            wait_until(lambda before=before: log.read_text().count("assigned partitions=") > before)
            put_rows(kafka_config, ROWS[fed : fed + 5 * size])
            fed += 5 * size
            time.sleep(rng.uniform(0.0, 0.4))
            scorer.kill()
    assert len(said(kafka_config)[0]) > 0
    put_rows(kafka_config, ROWS[fed:])
    score_to_end(env, log)
    _, outcomes = assert_each_row_once(kafka_config, TABLE)
    assert column(outcomes, "value", TABLE).tobytes() == label_values(TABLE, LOGISTIC.label).tobytes()


def test_another_bundle_is_taken_without_a_restart_and_outcomes_keep_the_terms_of_their_predictions(
    env, kafka_config, tmp_path
):
    half = len(ROWS) // 2
    put_rows(kafka_config, ROWS[:half])
    with CommandProcess(env, tmp_path / "log", "score") as scorer:
        wait_until(lambda: len(said(kafka_config)[0]) == half)
        (tmp_path / "bundle" / "bundle.json").write_text("{}")
        scorer.wait_until_said("stays, looks again")
        HAR.save(tmp_path / "bundle")
        scorer.wait_until_said(HAR.version)
        put_rows(kafka_config, ROWS[half : half + 40])
        wait_until(lambda: len(said(kafka_config)[0]) == half + 40)
        scorer.kill()
    put_rows(kafka_config, ROWS[half + 40 :])
    score_to_end(env, tmp_path / "log")
    predictions, outcomes = assert_each_row_once(kafka_config, TABLE)
    made_by = {(row.product_id, row.bar_end_ns): row.model_version for row in predictions}
    assert set(made_by.values()) == {LOGISTIC.version, HAR.version}
    first = {key for key, version in made_by.items() if version == LOGISTIC.version}
    assert len(first) == half
    assert all(row.model_version == made_by[row.product_id, row.bar_end_ns] for row in outcomes)
    har = np.array(
        [(TABLE.products[p], int(t)) not in first for p, t in zip(TABLE.product, TABLE.bar_end_ns, strict=True)]
    )
    expected = np.where(har, HAR.probability(TABLE), LOGISTIC.probability(TABLE))
    np.testing.assert_array_equal(column(predictions, "probability", TABLE), expected)


def test_what_is_no_row_of_ours_is_a_dead_letter_and_silences_nobody(env, kafka_config, tmp_path):
    kafka, row, later_ns = kafka_config, ROWS[0], 10 * 365 * 86_400 * 10**9
    about = msgspec.json.decode(row.value)

    def stray(**changes):
        changed = about | changes
        return Message(row.key, msgspec.json.encode(changed), changed["bar_end_ns"] // 10**6)

    others = [
        stray(schema_version=99, bar_end_ns=about["bar_end_ns"] + 10**9),
        stray(bar_end_ns=about["bar_end_ns"] + 1),
        stray(bar_end_ns=about["bar_end_ns"] + later_ns),
    ]
    put_rows(kafka, [row, row, Message(b"BTC-USD", b"{", 5), *others, *ROWS[1:300]])
    score_to_end(env, tmp_path / "log")
    letters = [decode_dead_letter(message.value) for message in topic_messages(kafka, kafka.topic_deadletter)]
    reasons = ["bad_field", "bad_timestamp", "not_json", "other_features", "repeated_row"]
    assert sorted(letter.reason for letter in letters) == reasons
    predictions, outcomes = said(kafka)
    assert len(predictions) == 300
    assert {outcome.outcome for outcome in outcomes} & {"spike", "calm"}


def test_what_is_no_prediction_does_not_keep_it_from_starting(env, kafka_config, tmp_path):
    put_rows(kafka_config, ROWS[:50])
    score_to_end(env, tmp_path / "log")
    about, first = msgspec.json.decode(ROWS[0].value), ROWS[0]
    torn = b'{"product_id":"' + bytes([255]) + b'"}'
    deep = b'{"product_id":' + b"[" * 100_000
    values = [torn, deep, b'{"bar_end_ns":%d}' % about["bar_end_ns"]]
    topic = kafka_config.topic_predictions
    with producing(kafka_config) as producer:
        strays = [Message(first.key, value, ROWS[49].timestamp_ms) for value in values]
        put(producer, topic, kafka_config.partitions, strays)
    put_rows(kafka_config, ROWS[50:60])
    score_to_end(env, tmp_path / "log")
    assert len(topic_messages(kafka_config, topic)) == 60 + len(values)


def test_offsets_that_are_gone_stop_it_as_predictions_would_be_written_twice(scored, tmp_path):
    env, kafka, _ = scored
    other = env | {"TICKVOL_SCORING__GROUP_ID": f"{env['TICKVOL_SCORING__GROUP_ID']}.other"}
    with CommandProcess(other, tmp_path / "lost", "score", "--until-end") as scorer:
        assert scorer.process.wait(60) == 1
        assert "no offset is committed although its predictions are written" in scorer.said()
    assert len(said(kafka)[0]) == len(TABLE)


def test_without_a_bundle_it_waits_for_one(env, kafka_config, tmp_path):
    put_rows(kafka_config, ROWS[:10])
    later = env | {"TICKVOL_SERVING__BUNDLE_DIR": str(tmp_path / "later")}
    with CommandProcess(later, tmp_path / "log", "score") as scorer:
        scorer.wait_until_said("waits for a bundle")
        LOGISTIC.save(tmp_path / "later")
        wait_until(lambda: len(said(kafka_config)[0]) == 10)
        assert scorer.stop() == 0


@pytest.mark.slow  # a member that has ended is one until its session is over
def test_after_the_topics_were_made_anew_each_row_is_said_once_again(env, kafka_config, tmp_path):
    for _ in range(2):
        put_rows(kafka_config, ROWS[:50])
        score_to_end(env, tmp_path / "log")
        assert len(said(kafka_config)[0]) == 50
        with contextlib.closing(new_admin(kafka_config)) as admin:
            group = env["TICKVOL_SCORING__GROUP_ID"]
            wait_until(lambda admin=admin, group=group: not group_members(admin, kafka_config, group))
            recreate_topics(admin, kafka_config, topics_of(kafka_config), (env["TICKVOL_FEATURES__GROUP_ID"], group))
