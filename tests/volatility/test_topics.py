"""Topics of rows, predictions and outcomes: valid messages have contents, invalid ones a reason."""

import msgspec
import pytest

from tests.support import ROOT
from tickvol.bus.contents import Content
from tickvol.bus.messages import record_message
from tickvol.bus.reading import Stored
from tickvol.config import load_config
from tickvol.core.records import Tick
from tickvol.volatility.messages import OutcomeMessage, PredictionMessage, feature_message, row_message
from tickvol.volatility.schema.feature_row import SCHEMA_VERSION, feature_names
from tickvol.volatility.schema.feature_spec import FeatureSpec
from tickvol.volatility.schema.label_spec import LabelKind, Outcome
from tickvol.volatility.topics import features_topic, outcomes_topic, predictions_topic

CONFIG = load_config(ROOT / "config.yaml", env_file=None)
FEATURES, PREDICTIONS, OUTCOMES = features_topic(CONFIG), predictions_topic(CONFIG), outcomes_topic(CONFIG)
SPEC = FeatureSpec()
SECOND = 10**9
T0 = 1_775_347_200 * SECOND


def stored(message, partition=0, offset=0):
    return Stored(partition, offset, message.timestamp_ms, message.key, message.value)


def changed(record, **changes):
    return msgspec.structs.replace(record, **changes)


def content_of(topic, message):
    (content,) = topic.validator([message])
    return content


GOOD = stored(record_message(Tick("BTC-USD", T0, T0 + 5, "c1", 3, "1.5", "1.4", "1.6")))


def row(**changes):
    about = {
        "product_id": "BTC-USD",
        "bar_end_ns": T0,
        "schema_version": SCHEMA_VERSION,
        "features": SPEC.fingerprint(),
        "closed_by_ns": T0 + 9,
        "values": [0.5] * len(feature_names(SPEC)),
    }
    return stored(feature_message(**about | changes))


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
    assert content_of(FEATURES, message) == reason


def test_a_row_is_known_by_product_and_bar():
    content = content_of(FEATURES, row(values=[float("nan")] * len(feature_names(SPEC))))
    assert (content.group, content.number, content.receive_time_ns) == ("BTC-USD", T0 // SECOND, T0 + 9)


PREDICTION = PredictionMessage(
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
OUTCOME = OutcomeMessage(
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
        (PREDICTIONS, PREDICTION, "WATCH", T0 + 9),
        (PREDICTIONS, changed(PREDICTION, signal=None, scorable=False, reason="no"), "unscorable", T0 + 9),
        (OUTCOMES, OUTCOME, "spike", T0 + 61 * SECOND),
    ],
)
def test_what_was_said_of_a_row_is_known_as_the_row_is(topic, about, kind, at_ns):
    content = content_of(topic, stored(row_message(about)))
    assert content == Content(kind, "BTC-USD", T0, at_ns, "BTC-USD", number=T0 // SECOND)


@pytest.mark.parametrize(
    ("topic", "message", "reason"),
    [
        (PREDICTIONS, stored(row_message(OUTCOME)), "bad_field"),
        (OUTCOMES, stored(row_message(PREDICTION)), "bad_field"),
        (OUTCOMES, stored(row_message(changed(OUTCOME, known_time_ns=-1))), "bad_field"),
        (PREDICTIONS, stored(row_message(PREDICTION))._replace(key=b"x"), "wrong_key"),
        (PREDICTIONS, stored(row_message(PREDICTION))._replace(partition=2), "wrong_partition"),
    ],
)
def test_what_says_nothing_of_a_row_has_a_reason(topic, message, reason):
    assert content_of(topic, message) == reason
