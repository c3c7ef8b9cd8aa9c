"""Each topic's messages: what holds is told, what does not has a reason."""

import msgspec
import pytest

from tickvol.alerts.notifications import Alert, AlertState, Severity, Subject, digest_of
from tickvol.bus import messages
from tickvol.bus.contents import Content, reader_of
from tickvol.bus.reading import Stored
from tickvol.config import load_config
from tickvol.core.errors import UsageError
from tickvol.core.records import Gap, Heartbeat, Tick
from tickvol.volatility.labels.maturing import Outcome
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION, feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.label_spec import LabelKind

KAFKA = load_config(env_file=None).kafka
SPEC = FeatureSpec()
SECOND = 10**9
T0 = 1_775_347_200 * SECOND
TICK = Tick("BTC-USD", T0, T0 + 5, "c1", 3, "1.5", "1.4", "1.6")


def stored(message, partition=0, offset=0):
    return Stored(partition, offset, message.timestamp_ms, message.key, message.value)


def changed(record, **changes):
    return msgspec.structs.replace(record, **changes)


def content_of(topic, message, judge=lambda ticks: [None] * len(ticks)):
    (content,) = reader_of(topic, KAFKA, SPEC, judge)([message])
    return content


def of_ticks(message, **options):
    return content_of(KAFKA.topic_ticks, message, **options)


def row(**changes):
    about = {
        "product_id": "BTC-USD",
        "bar_end_ns": T0,
        "schema_version": SCHEMA_VERSION,
        "features": SPEC.fingerprint(),
        "closed_by_ns": T0 + 9,
        "values": [0.5] * len(feature_names(SPEC)),
    }
    return stored(messages.feature_message(**about | changes))


def test_a_tick_a_heartbeat_and_a_gap_are_known_by_what_identifies_them():
    beat = Heartbeat("BTC-USD", T0, T0 + 5, "c1", 4)
    gap = Gap("BTC-USD", T0, T0 + SECOND, "jump", 5, 6)
    assert of_ticks(stored(messages.record_message(TICK))) == Content("tick", "BTC-USD", T0, T0 + 5, "c1", "BTC-USD", 3)
    assert of_ticks(stored(messages.record_message(beat))).kind == "heartbeat"
    assert of_ticks(stored(messages.record_message(gap))) == Content("gap", "BTC-USD", T0 + SECOND, None, gap=gap)


GOOD = stored(messages.record_message(TICK))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (GOOD._replace(value=None), "null_value"),
        (GOOD._replace(value=b"{"), "not_json"),
        (GOOD._replace(value=b'{"type":"tick\xff"}'), "not_utf8"),
        (GOOD._replace(value=b'{"type":"tick"}'), "bad_field"),
        (GOOD._replace(value=b'{"type":"trade"}'), "bad_field"),
        (GOOD._replace(value=b'{"a":' + b"[" * 100_000), "too_deep"),
        (GOOD._replace(key=None), "wrong_key"),
        (GOOD._replace(key=b"ETH-USD"), "wrong_key"),
        (GOOD._replace(timestamp_ms=5), "bad_timestamp"),
        (GOOD._replace(partition=1), "wrong_partition"),
        (stored(messages.record_message(changed(TICK, event_time_ns=-5))), "bad_field"),
        (stored(messages.record_message(changed(TICK, sequence_num=-1))), "bad_field"),
        (stored(messages.record_message(changed(TICK, connection_id=""))), "bad_field"),
        (stored(messages.record_message(changed(TICK, product_id="btc"))), "bad_field"),
        (stored(messages.record_message(Gap("BTC-USD", T0, T0 - 1, "jump"))), "bad_field"),
    ],
)
def test_what_is_no_record_has_a_reason(message, reason):
    assert of_ticks(message) == reason


def test_the_rules_for_numbers_reach_the_tick_they_are_about():
    beat = messages.record_message(Heartbeat("BTC-USD", T0, T0 + 5, "c1", 4))
    crossed = messages.record_message(changed(TICK, best_bid="9"))
    mixed = [stored(beat), stored(crossed), GOOD._replace(value=b"x"), GOOD]
    judge = lambda ticks: ["crossed_quotes" if tick.best_bid == "9" else None for tick in ticks]  # noqa: E731
    read = reader_of(KAFKA.topic_ticks, KAFKA, SPEC, judge)(mixed)
    assert [content if isinstance(content, str) else content.kind for content in read] == [
        "heartbeat",
        "crossed_quotes",
        "not_json",
        "tick",
    ]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (row(schema_version=SCHEMA_VERSION + 1), "other_features"),
        (row(features="0"), "other_features"),
        (row(values=[1.0]), "bad_field"),
        (row(bar_end_ns=T0 + 1_000_000), "bad_field"),
        (row(product_id="?"), "bad_field"),
        (row()._replace(key=b"ETH-USD"), "wrong_key"),
        (row()._replace(timestamp_ms=1), "bad_timestamp"),
        (row()._replace(partition=2), "wrong_partition"),
        (GOOD, "bad_field"),
    ],
)
def test_what_is_no_row_of_these_features_has_a_reason(message, reason):
    assert content_of(KAFKA.topic_features, message) == reason


def test_a_row_is_known_by_product_and_bar():
    content = content_of(KAFKA.topic_features, row(values=[float("nan")] * len(feature_names(SPEC))))
    assert (content.group, content.number, content.receive_time_ns) == ("BTC-USD", T0 // SECOND, T0 + 9)


PREDICTION = messages.PredictionMessage(
    product_id="BTC-USD",
    bar_end_ns=T0,
    schema_version=SCHEMA_VERSION,
    model_version="a" * 64,
    made_time_ns=T0 + 9,
    scorable=True,
    reason=None,
    probability=0.25,
    margin=-1.0,
    signal="WATCH",
    label_kind=LabelKind.RELATIVE,
    horizon_s=60,
    spike_threshold=1.5,
    simulated=False,
)
OUTCOME = messages.OutcomeMessage(
    product_id="BTC-USD",
    bar_end_ns=T0,
    model_version="a" * 64,
    label_kind=LabelKind.RELATIVE,
    horizon_s=60,
    value=1.75,
    threshold=1.5,
    outcome=Outcome.SPIKE,
    reason=None,
    known_event_ns=T0 + 60 * SECOND,
    known_time_ns=T0 + 61 * SECOND,
)


@pytest.mark.parametrize(
    ("topic", "about", "kind", "at_ns"),
    [
        (KAFKA.topic_predictions, PREDICTION, "WATCH", T0 + 9),
        (KAFKA.topic_predictions, changed(PREDICTION, signal=None, scorable=False, reason="no"), "unscorable", T0 + 9),
        (KAFKA.topic_outcomes, OUTCOME, "spike", T0 + 61 * SECOND),
    ],
)
def test_what_was_said_of_a_row_is_known_as_the_row_is(topic, about, kind, at_ns):
    content = content_of(topic, stored(messages.row_message(about)))
    assert content == Content(kind, "BTC-USD", T0, at_ns, "BTC-USD", number=T0 // SECOND)


@pytest.mark.parametrize(
    ("topic", "message", "reason"),
    [
        (KAFKA.topic_predictions, stored(messages.row_message(OUTCOME)), "bad_field"),
        (KAFKA.topic_outcomes, stored(messages.row_message(PREDICTION)), "bad_field"),
        (KAFKA.topic_outcomes, stored(messages.row_message(changed(OUTCOME, known_time_ns=-1))), "bad_field"),
        (KAFKA.topic_predictions, stored(messages.row_message(PREDICTION))._replace(key=b"x"), "wrong_key"),
        (KAFKA.topic_predictions, stored(messages.row_message(PREDICTION))._replace(partition=2), "wrong_partition"),
    ],
)
def test_what_says_nothing_of_a_row_has_a_reason(topic, message, reason):
    assert content_of(topic, message) == reason


@pytest.mark.parametrize(
    ("source", "identity"),
    [("a.ndjson:17", ("a.ndjson late", 17)), ("ticks.raw-0@5", ("ticks.raw-0 late", 5)), ("elsewhere", ("", None))],
)
def test_a_dead_letter_is_known_by_source_and_reason(source, identity):
    content = content_of(KAFKA.topic_deadletter, stored(messages.letter_message(source, "late", T0, b"\xff")))
    assert (content.kind, content.group, content.number) == ("late", *identity)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"source":"a:1","reason":"late","at_ns":1,"text_base64":"abc"}', "bad_field"),
        (b'{"source":"","reason":"late","at_ns":1}', "bad_field"),
        (b"{}", "bad_field"),
        (b"", "not_json"),
    ],
)
def test_what_is_no_dead_letter_has_a_reason(value, reason):
    assert content_of(KAFKA.topic_deadletter, Stored(0, 0, 0, b"a:1", value)) == reason


def test_a_topic_of_unknown_schema_is_refused_by_name():
    with pytest.raises(UsageError, match="'else': no such topic in the configuration; one of ticks"):
        reader_of("else", KAFKA, SPEC, lambda ticks: [])


ALERT = Alert(
    name="drift",
    severity=Severity.INFO,
    subject=Subject(feature="vol_zscore"),
    state=AlertState.RAISED,
    figures={},
    reason="moved",
    event_time_ns=T0,
    made_time_ns=T0 + 7,
)
NOTICE = stored(messages.notice_message(ALERT))


def test_alerts_and_digests_are_known_by_name_and_state():
    assert content_of(KAFKA.topic_alerts, NOTICE) == Content("drift raised", "", T0, T0 + 7)
    digest = stored(messages.notice_message(digest_of([ALERT, ALERT], T0 + 9)))
    assert content_of(KAFKA.topic_alerts, digest) == Content("digest", "", T0, T0 + 9)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (NOTICE._replace(value=None), "null_value"),
        (NOTICE._replace(value=b"{"), "not_json"),
        (NOTICE._replace(value=b'{"type":"alert"}'), "bad_field"),
        (NOTICE._replace(key=b"vol_zscore"), "wrong_key"),
        (NOTICE._replace(timestamp_ms=1), "bad_timestamp"),
        (stored(messages.notice_message(changed(ALERT, made_time_ns=-1))), "bad_field"),
        (stored(messages.notice_message(changed(digest_of([ALERT], T0), made_time_ns=2**63 - 1))), "bad_field"),
        (NOTICE._replace(value=b'{"type":"digest","severity":"info","alerts":[],"made_time_ns":1}'), "bad_field"),
    ],
)
def test_what_is_no_alert_has_a_reason(message, reason):
    assert content_of(KAFKA.topic_alerts, message) == reason
