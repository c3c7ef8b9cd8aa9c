"""Events, alarms and lead times against a plain reference that goes row by row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickvol.volatility.evaluation.events import event_metrics, find_alarms, find_events, match

S = 1_000_000_000
BAR_S, HORIZON_S = 1, 5


@st.composite
def markets(draw):
    """Rows of up to two products with holes, (product, time in s, positive, above)."""
    rows = []
    for product in range(draw(st.integers(1, 2))):
        time_s = draw(st.integers(0, 3))
        for _ in range(draw(st.integers(1, 40))):
            rows.append((product, time_s, draw(st.booleans()), draw(st.booleans())))
            time_s += draw(st.sampled_from([1, 1, 1, 2, 7]))
    product, time_s, positive, above = (np.array(part) for part in zip(*rows, strict=True))
    return product.astype(np.int32), time_s.astype(np.int64) * S, positive, above


def reference_events(product, times, positive, horizon_ns):
    events = []
    for owner, time, spike in zip(product, times, positive, strict=True):
        if not spike:
            continue
        if events and events[-1][0] == owner and time - events[-1][2] <= horizon_ns:
            events[-1][2] = time
        else:
            events.append([owner, time, time])
    return [tuple(int(part) for part in event) for event in events]


def reference_alarms(product, times, above, cooldown_ns):
    last, rang = {}, []
    for row, (owner, time, high) in enumerate(zip(product, times, above, strict=True)):
        if high and (owner not in last or time - last[owner] >= cooldown_ns):
            last[owner] = time
            rang.append(row)
    return rang


def reference_match(events, alarms, horizon_ns):
    leads, false = [], [True] * len(alarms)
    for owner, onset, end in events:
        counting = [
            number for number, (of, time) in enumerate(alarms) if of == owner and onset - horizon_ns <= time <= end
        ]
        leads.append(onset - alarms[counting[0]][1] if counting else None)
        for number in counting:
            false[number] = False
    return leads, false


@given(markets())
def test_events_are_those_of_the_reference(market):
    product, times, positive, _ = market
    found = find_events(product, times, positive, HORIZON_S * S)
    ours = list(zip(found.product.tolist(), found.onset_ns.tolist(), found.end_ns.tolist(), strict=True))
    assert ours == reference_events(product, times, positive, HORIZON_S * S)


@given(markets(), st.integers(0, 12))
def test_alarms_are_those_of_the_reference(market, cooldown_s):
    product, times, _, above = market
    assert find_alarms(product, times, above, cooldown_s * S).tolist() == reference_alarms(
        product, times, above, cooldown_s * S
    )


@given(markets(), st.integers(0, 12))
def test_leads_and_false_alarms_are_those_of_the_reference(market, cooldown_s):
    product, times, positive, above = market
    events = find_events(product, times, positive, HORIZON_S * S)
    rang = find_alarms(product, times, above, cooldown_s * S)
    found = match(events, product[rang], times[rang], HORIZON_S * S)
    leads, false = reference_match(
        reference_events(product, times, positive, HORIZON_S * S),
        [(int(product[row]), int(times[row])) for row in rang],
        HORIZON_S * S,
    )
    assert [None if np.isnan(lead) else int(lead) for lead in found.lead_ns] == leads
    assert found.false.tolist() == false


@given(markets(), st.integers(0, 12))
def test_an_alarm_counts_for_one_event_at_most(market, cooldown_s):
    product, times, positive, above = market
    events = find_events(product, times, positive, HORIZON_S * S)
    rang = find_alarms(product, times, above, cooldown_s * S)
    matches = np.zeros(len(rang), int)
    for number in range(len(events)):
        one = type(events)(*(part[number : number + 1] for part in (events.product, events.onset_ns, events.end_ns)))
        matches += ~match(one, product[rang], times[rang], HORIZON_S * S).false
    assert (matches <= 1).all()


@given(markets())
def test_events_of_a_product_are_more_than_a_horizon_apart_and_hold_every_positive_row(market):
    product, times, positive, _ = market
    found = find_events(product, times, positive, HORIZON_S * S)
    same = np.diff(found.product) == 0
    assert (found.onset_ns[1:] - found.end_ns[:-1])[same].min(initial=HORIZON_S * S + 1) > HORIZON_S * S
    inside = [
        any(
            o == owner and on <= time <= end
            for o, on, end in zip(found.product, found.onset_ns, found.end_ns, strict=True)
        )
        for owner, time in zip(product[positive], times[positive], strict=True)
    ]
    assert all(inside)


@given(markets(), st.integers(0, 12))
def test_lead_time_is_never_longer_than_the_horizon(market, cooldown_s):
    product, times, positive, above = market
    events = find_events(product, times, positive, HORIZON_S * S)
    rang = find_alarms(product, times, above, cooldown_s * S)
    lead = match(events, product[rang], times[rang], HORIZON_S * S).lead_ns
    known = np.isfinite(lead)
    assert (lead[known] <= HORIZON_S * S).all()
    assert (lead[known] >= (events.onset_ns - events.end_ns)[known]).all()


@pytest.mark.parametrize(
    ("spikes_s", "events"),
    [
        pytest.param([10, 11, 12], 1, id="one run"),
        pytest.param([10, 15], 1, id="exactly one horizon apart is one event"),
        pytest.param([10, 16], 2, id="more than one horizon apart is two"),
        pytest.param([], 0, id="no spike, no event"),
    ],
)
def test_positive_rows_merge_within_one_horizon(spikes_s, events):
    times = np.arange(30) * S
    positive = np.isin(np.arange(30), spikes_s)
    assert len(find_events(np.zeros(30, np.int32), times, positive, HORIZON_S * S)) == events


def test_rows_that_are_neighbours_across_a_silence_are_two_events():
    times = np.array([1, 2, 1000, 1001], np.int64) * S
    assert len(find_events(np.zeros(4, np.int32), times, np.ones(4, np.bool_), HORIZON_S * S)) == 2


def _judge(above_s, spikes_s, cooldown_s=60, rows=3600):
    second = np.arange(rows)
    return event_metrics(
        np.zeros(rows, np.int32), second * S, np.isin(second, spikes_s), np.isin(second, above_s),
        bar_ns=S, horizon_ns=60 * S, cooldown_ns=cooldown_s * S,
    )  # fmt: skip


def test_an_alarm_a_quarter_of_a_minute_before_the_onset_has_that_lead():
    found = _judge(above_s=[485], spikes_s=range(500, 520))
    assert (found["events"], found["caught"], found["caught_early"], found["false_alarms"]) == (1, 1, 1, 0)
    assert found["lead_time_s"] == {"median": 15.0, "min": 15.0, "max": 15.0}


def test_an_alarm_more_than_a_horizon_early_is_false():
    found = _judge(above_s=[439], spikes_s=range(500, 520))
    assert (found["caught"], found["false_alarms"], found["false_alarms_per_hour"]) == (0, 1, 1.0)
    assert found["lead_time_s"]["median"] is None


def test_an_alarm_after_the_last_positive_row_is_false():
    assert _judge(above_s=[520], spikes_s=range(500, 520))["false_alarms"] == 1


def test_a_detector_that_is_always_on_pays_once_a_cool_down():
    found = _judge(above_s=range(3600), spikes_s=[])
    assert (found["alarms"], found["false_alarms_per_hour"]) == (60, 60.0)


def test_no_event_and_no_rows_give_none():
    assert _judge([], [])["caught_share"] is None
    assert _judge([], [], rows=0)["false_alarms_per_hour"] is None
