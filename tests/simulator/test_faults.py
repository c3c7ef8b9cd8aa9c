"""Faults: the grammar, and what becomes of frames."""

import json

import pytest

from tickvol.core.errors import UsageError
from tickvol.simulator.faults import Close, Cut, Fault, FaultLine, Silence, parse_fault

S = 1_000_000_000


def frame(number, time_ns):
    return f'{{"channel":"ticker","timestamp":"t{time_ns}","sequence_num":{number},"events":[]}}'


def passed(faults, count=1000, seed=3, connection=0, step_ns=S // 10):
    line = FaultLine([parse_fault(text) for text in faults], seed, connection, 0)
    return [line.pass_frame(i * step_ns, frame(i, i * step_ns)) for i in range(count)], line


def texts(actions):
    return [action for group in actions for action in group if isinstance(action, str)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("drop:0.01", Fault("drop", share=0.01)),
        ("duplicate:share=1", Fault("duplicate", share=1.0)),
        ("reorder:0.05", Fault("reorder", share=0.05, by_ns=200_000_000)),
        ("reorder:0.05:1.5s", Fault("reorder", share=0.05, by_ns=1_500_000_000)),
        ("skewed-clock:300s:0.001", Fault("skewed-clock", share=0.001, by_ns=300 * S)),
        ("skewed-clock:-5m:0.001", Fault("skewed-clock", share=0.001, by_ns=-300 * S)),
        ("bad-json:1e-3", Fault("bad-json", share=0.001)),
        ("disconnect", Fault("disconnect", every_ns=60 * S)),
        ("disconnect:2m", Fault("disconnect", every_ns=120 * S)),
        (
            "disconnect:every=60s:code=1011:for=2s",
            Fault("disconnect", every_ns=60 * S, code=1011, for_ns=2 * S),
        ),
        ("half-frame", Fault("half-frame", every_ns=60 * S)),
        ("half-frame:at=1h", Fault("half-frame", at_ns=3600 * S)),
        ("silence:at=30s", Fault("silence", at_ns=30 * S, for_ns=10 * S)),
        ("silence:every=5m:for=500ms", Fault("silence", every_ns=300 * S, for_ns=500_000_000)),
    ],
)
def test_grammar_is_read(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("explode", "'explode': unknown fault, one of drop,"),
        ("drop", "needs a share"),
        ("drop:0", "above 0 and at most 1"),
        ("drop:1.5", "above 0 and at most 1"),
        ("drop:share=x", "above 0 and at most 1"),
        ("drop:0.1:0.2", "share: given twice"),
        ("drop:0.1:5s", "must be a share"),
        ("drop:0.1:every=5s", "every: drop takes share"),
        ("reorder:0.1:-5s", "must be a duration above 0"),
        ("silence:for=10", "must be a duration above 0"),
        ("silence:at=1s:every=2s", "every or at, not both"),
        ("disconnect:every=0s", "must be a duration above 0"),
        ("disconnect:code=999", "code: '999': must be one of 1000"),
        ("disconnect:code=abc", "code: 'abc'"),
        ("half-frame:code=1000", "code: half-frame takes every, at"),
        ("disconnect:soon", "'soon': must be a share"),
    ],
)
def test_wrong_grammar_names_the_rule(text, rule):
    with pytest.raises(UsageError) as error:
        parse_fault(text)
    assert rule in str(error.value)
    assert str(error.value).startswith("--fault: ")


def test_no_fault_changes_nothing():
    actions, _ = passed([])
    assert actions == [[frame(i, i * S // 10)] for i in range(1000)]


def test_same_seed_and_connection_give_the_same_faults():
    faults = ["drop:0.1", "duplicate:0.1", "reorder:0.1", "bad-json:0.1", "skewed-clock:0.1"]
    assert passed(faults)[0] == passed(faults)[0]
    assert passed(faults)[0] != passed(faults, connection=1)[0]
    assert passed(faults)[0] != passed(faults, seed=4)[0]


def test_drop_leaves_holes_in_the_sequence():
    actions, _ = passed(["drop:0.1"])
    numbers = [json.loads(text)["sequence_num"] for text in texts(actions)]
    assert 840 < len(numbers) < 960
    assert numbers == sorted(set(numbers))


def test_duplicate_repeats_the_number():
    actions, _ = passed(["duplicate:0.1"])
    numbers = [json.loads(text)["sequence_num"] for text in texts(actions)]
    assert set(numbers) == set(range(1000))
    assert 1040 < len(numbers) < 1160
    assert numbers == sorted(numbers)


def test_reorder_sends_every_frame_later_but_within_the_delay():
    actions, line = passed(["reorder:0.2:250ms"])
    sent = [(group, json.loads(text)["sequence_num"]) for group, texts_ in enumerate(actions) for text in texts_]
    late = [arrival - number for arrival, number in sent if arrival != number]
    assert late
    assert set(late) == {3}  # 250 ms at ten frames a second
    held = [json.loads(text)["sequence_num"] for text in line.flush()]
    assert sorted([number for _, number in sent] + held) == list(range(1000))


def test_bad_json_is_no_json_and_keeps_its_place():
    actions, _ = passed(["bad-json:0.1"])
    bad = 0
    for text in texts(actions):
        try:
            json.loads(text)
        except ValueError:
            bad += 1
    assert 50 < bad < 150
    assert len(texts(actions)) == 1000


def test_skewed_clock_shifts_the_timestamp_only():
    actions, _ = passed(["skewed-clock:1:300s"], count=1)
    assert json.loads(texts(actions)[0])["timestamp"] == "1970-01-01T00:05:00Z"


def test_disconnect_comes_every_so_often_from_the_first_frame():
    line = FaultLine([parse_fault("disconnect:every=60s:code=1001:for=3s")], 1, 0, 0)
    start = 500 * S
    assert line.pass_frame(start, "a") == ["a"]
    assert line.pass_frame(start + 59 * S, "b") == ["b"]
    assert line.pass_frame(start + 60 * S, "c") == [Close(1001, 3 * S)]


def test_at_counts_from_the_market_start_and_happens_once():
    line = FaultLine([parse_fault("half-frame:at=30s")], 1, 0, 100 * S)
    assert line.pass_frame(129 * S, "a") == ["a"]
    assert line.pass_frame(131 * S, "b") == [Cut("b")]
    again = FaultLine([parse_fault("half-frame:at=30s")], 1, 1, 100 * S)
    assert again.pass_frame(131 * S, "c") == ["c"]


def test_silence_loses_what_falls_into_it():
    actions, _ = passed(["silence:at=10s:for=5s"], count=300)
    numbers = [json.loads(text)["sequence_num"] for text in texts(actions)]
    assert numbers == [*range(100), *range(150, 300)]
    assert actions[100] == [Silence(5 * S)]
