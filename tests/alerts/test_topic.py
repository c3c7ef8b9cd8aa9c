"""The topic of alerts: known by name and state; what is none has a reason."""

import msgspec
import pytest

from tests.support import ROOT
from tickvol.alerts.notifications import Alert, AlertState, Severity, Subject, digest_of
from tickvol.alerts.topic_sink import alerts_topic, notice_message
from tickvol.bus.contents import Content
from tickvol.bus.reading import Stored
from tickvol.config import load_config

TOPIC = alerts_topic(load_config(ROOT / "config.yaml", env_file=None).alerts)
SECOND = 10**9
T0 = 1_775_347_200 * SECOND


def stored(message, partition=0, offset=0):
    return Stored(partition, offset, message.timestamp_ms, message.key, message.value)


def changed(record, **changes):
    return msgspec.structs.replace(record, **changes)


def content_of(message):
    (content,) = TOPIC.validator([message])
    return content


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
NOTICE = stored(notice_message(ALERT))


def test_alerts_and_digests_are_known_by_name_and_state():
    assert content_of(NOTICE) == Content("drift raised", "", T0, T0 + 7)
    digest = stored(notice_message(digest_of([ALERT, ALERT], T0 + 9)))
    assert content_of(digest) == Content("digest", "", T0, T0 + 9)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (NOTICE._replace(value=None), "null_value"),
        (NOTICE._replace(value=b"{"), "not_json"),
        (NOTICE._replace(value=b'{"type":"alert"}'), "bad_field"),
        (NOTICE._replace(key=b"vol_zscore"), "wrong_key"),
        (NOTICE._replace(timestamp_ms=1), "bad_timestamp"),
        (stored(notice_message(changed(ALERT, made_time_ns=-1))), "bad_field"),
        (stored(notice_message(changed(digest_of([ALERT], T0), made_time_ns=2**63 - 1))), "bad_field"),
        (NOTICE._replace(value=b'{"type":"digest","severity":"info","alerts":[],"made_time_ns":1}'), "bad_field"),
    ],
)
def test_what_is_no_alert_has_a_reason(message, reason):
    assert content_of(message) == reason
