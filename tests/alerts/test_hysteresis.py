"""A figure that wanders raises, repeats and clears an alert as its rule promises, whatever its path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.alerts.samples import HOUR, NOON_NS, SECOND, reading, rule
from tickvol.alerts.hysteresis import AlertRule, decide
from tickvol.alerts.notifications import Alert, AlertState, Severity

values = st.one_of(st.none(), st.just(float("nan")), st.floats(-1, 3))
paths = st.lists(st.tuples(values, st.integers(0, 7200)), max_size=60)


def walked(path: list[tuple[float | None, int]]) -> list[tuple[float, Alert]]:
    """Values with the alerts that they made; steps are in seconds, event time and our clock go together."""
    last, now_ns, made = None, NOON_NS, []
    for value, step_s in path:
        now_ns += step_s * SECOND
        alert = decide(last, rule(), reading(value, now_ns), now_ns=now_ns, repeat_after_ns=HOUR)
        if alert is not None:
            assert value is not None
            made.append((value, alert))
            last = alert
    return made


@given(paths)
def test_no_two_raises_without_a_clear_between_them(path: list[tuple[float | None, int]]) -> None:
    firsts = [alert.state for _, alert in walked(path) if alert.repeat == 0]
    assert firsts == [AlertState.RAISED, AlertState.CLEARED] * (len(firsts) // 2) + firsts[len(firsts) // 2 * 2 :]
    assert firsts[:1] in ([], [AlertState.RAISED])


@given(paths)
def test_only_a_value_above_raises_and_only_one_below_clears(path: list[tuple[float | None, int]]) -> None:
    for value, alert in walked(path):
        if alert.state is AlertState.CLEARED:
            assert value < rule().clear_below
        elif alert.repeat == 0:
            assert value > rule().raise_above
        else:
            assert value >= rule().clear_below


@given(st.lists(st.tuples(st.floats(0.8, 1.0), st.integers(0, 3000)), max_size=60), st.booleans())
def test_nothing_flaps_inside_the_band(inside: list[tuple[float, int]], stands: bool) -> None:
    start = [(2.0, 0)] if stands else [(0.0, 0)]
    changes = [alert for _, alert in walked(start + inside) if alert.repeat == 0]
    assert len(changes) == stands


@given(paths)
def test_reminders_are_numbered_and_never_sooner_than_they_may(path: list[tuple[float | None, int]]) -> None:
    before = None
    for _, alert in walked(path):
        if alert.repeat:
            assert before is not None
            assert alert.repeat == before.repeat + 1
            assert alert.made_time_ns - before.made_time_ns >= HOUR
        before = alert


@pytest.mark.parametrize("value", [None, float("nan")])
def test_an_unknown_value_neither_raises_nor_clears(value: float | None) -> None:
    (_, raised), *_ = walked([(2.0, 0)])
    assert decide(None, rule(), reading(value), now_ns=NOON_NS, repeat_after_ns=HOUR) is None
    late = NOON_NS + 9 * HOUR
    assert decide(raised, rule(), reading(value, late), now_ns=late, repeat_after_ns=HOUR) is None


def test_a_reading_of_days_past_does_not_clear_what_stands_today() -> None:
    (_, raised), *_ = walked([(2.0, 0)])
    past = reading(0.0, NOON_NS - 1)
    assert decide(raised, rule(), past, now_ns=NOON_NS + HOUR, repeat_after_ns=HOUR) is None
    same = decide(raised, rule(), reading(0.0), now_ns=NOON_NS + HOUR, repeat_after_ns=HOUR)
    assert same is not None
    assert same.state is AlertState.CLEARED


def test_a_clear_goes_where_its_raise_went_although_the_rule_has_changed() -> None:
    (_, raised), *_ = walked([(2.0, 0)])
    cleared = decide(raised, rule(Severity.INFO), reading(0.0), now_ns=NOON_NS, repeat_after_ns=HOUR)
    assert cleared is not None
    assert cleared.severity is Severity.WARNING


def test_levels_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="clear_below"):
        AlertRule("drift", Severity.INFO, raise_above=0.5, clear_below=0.6)
