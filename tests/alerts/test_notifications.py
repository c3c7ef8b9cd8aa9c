"""Alerts as they travel."""

import pytest

from tickvol.alerts.notifications import (
    Alert,
    AlertState,
    Severity,
    Subject,
    decode_notice,
    digest_of,
    encode_notice,
    notice_key,
)


def alert(**changes):
    about = {
        "name": "drift",
        "severity": Severity.INFO,
        "subject": Subject(product="BTC-USD", feature="log(realized_vol_60/reference)"),
        "state": AlertState.RAISED,
        "figures": {"distance": 0.5, "rows": 3, "unknown": None},
        "reason": "moved",
        "event_time_ns": 5,
        "made_time_ns": 7,
    }
    return Alert(**about | changes)


def test_alert_and_digest_come_back_as_they_were():
    digest = digest_of([alert(), alert(severity=Severity.WARNING, event_time_ns=9)], 11)
    for notice in (alert(), digest):
        assert decode_notice(encode_notice(notice)) == notice
    assert (digest.severity, digest.event_time_ns) == (Severity.WARNING, 9)


@pytest.mark.parametrize(
    "changes", [{"made_time_ns": 8}, {"repeat": 1}, {"reason": "x"}, {"state": AlertState.CLEARED}]
)
def test_each_notice_has_a_key_of_its_own(changes):
    assert notice_key(alert(**changes)) != notice_key(alert()) == notice_key(alert())


def test_a_figure_that_is_no_number_is_null():
    assert decode_notice(encode_notice(alert(figures={"x": float("nan")}))).figures == {"x": None}


def test_subjects_are_told_apart_by_all_that_they_name():
    texts = {Subject(product="a").text, Subject(feature="a").text, Subject(detector="a").text, alert().subject.text}
    assert len(texts) == 4
