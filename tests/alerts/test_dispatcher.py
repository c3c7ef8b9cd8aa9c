"""What is made reaches every sink that it is for, in order, whatever fails and whenever the process starts again."""

import fcntl
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.alerts.samples import ALL, HOUR, NOON_NS, SECOND, Box, Clock, down, new_dispatcher, reading, rule
from tests.support import ROOT
from tickvol.alerts import dispatcher as desk_module
from tickvol.alerts.book import Fate
from tickvol.alerts.dispatcher import Visit
from tickvol.alerts.notifications import AlertState, Digest, Severity
from tickvol.alerts.quiet_hours import QuietHours
from tickvol.alerts.routing import SinkRoute
from tickvol.core.errors import DeliveryRefused

NIGHT = QuietHours.parse("22:00-07:00", UTC)
LUNCH = QuietHours.parse("12:00-14:00", UTC)
MINUTE = 60 * SECOND


def fates(desk, sink="box"):
    return [entry.deliveries[sink].fate for entry in desk.book().entries.values() if sink in entry.deliveries]


def test_an_alert_is_written_down_before_it_is_sent(tmp_path: Path) -> None:
    box = Box()
    desk = new_dispatcher(tmp_path / "ledger", {"box": box}, Clock())
    (alert,) = desk.observe(rule(), [reading(2.0)])
    assert (box.got, fates(desk)) == ([], [Fate.DUE])
    assert desk.deliver() == [Visit("box", 1, 0, 0, 0, None)]
    assert (box.alerts(), fates(desk)) == ([alert], [Fate.DELIVERED])
    assert desk.deliver() == [Visit("box", 0, 0, 0, 0, None)]
    assert len(box.got) == 1


def test_what_a_dead_sink_did_not_take_is_delivered_after_a_restart_in_order(tmp_path: Path) -> None:
    dead = Box()
    dead.errors = [down()]
    clock = Clock()
    first = new_dispatcher(tmp_path / "ledger", {"box": dead}, clock)
    first.observe(rule(), [reading(2.0)])
    first.observe(rule(), [reading(0.0)])
    assert first.deliver() == [Visit("box", 0, 2, 0, 0, "it is down")]
    assert dead.got == []  # the clearing does not overtake its raise
    again = Box()
    second = new_dispatcher(tmp_path / "ledger", {"box": again}, clock)
    assert second.deliver() == [Visit("box", 2, 0, 0, 0, None)]
    assert [alert.state for alert in again.alerts()] == [AlertState.RAISED, AlertState.CLEARED]


def test_one_dead_sink_keeps_nothing_from_the_others(tmp_path: Path) -> None:
    dead, well = Box(), Box()
    dead.errors = [OSError("no route")]
    desk = new_dispatcher(tmp_path / "ledger", {"dead": dead, "well": well}, Clock())
    desk.observe(rule(), [reading(2.0)])
    assert desk.deliver() == [Visit("dead", 0, 1, 0, 0, "no route"), Visit("well", 1, 0, 0, 0, None)]


def test_what_is_refused_for_good_is_told_and_not_tried_again_by_itself(tmp_path: Path) -> None:
    box = Box()
    box.errors = [DeliveryRefused("410 Gone")]
    desk = new_dispatcher(tmp_path / "ledger", {"box": box}, Clock())
    desk.observe(rule(), [reading(2.0), reading(2.0, feature="robust_z")])
    assert desk.deliver() == [Visit("box", 1, 0, 1, 0, None)]
    assert desk.deliver() == [Visit("box", 0, 0, 1, 0, None)]
    assert desk.try_refused_again() == 1
    assert desk.deliver() == [Visit("box", 1, 0, 0, 0, None)]
    assert len(box.got) == 2


def test_a_repeated_notice_has_the_key_that_it_had(tmp_path: Path) -> None:
    class Forgets(Box):
        def deliver(self, notice, key):
            super().deliver(notice, key)
            raise down()

    forgets, box = Forgets(), Box()
    path = tmp_path / "ledger"
    desk = new_dispatcher(path, {"box": forgets}, Clock())
    desk.observe(rule(), [reading(2.0)])
    desk.deliver()
    new_dispatcher(path, {"box": box}, Clock()).deliver()
    assert forgets.got == box.got


def test_a_sink_that_is_no_longer_configured_keeps_what_it_was_to_get_until_it_is_given_up(tmp_path: Path) -> None:
    path, box = tmp_path / "ledger", Box()
    box.errors = [down()]
    desk = new_dispatcher(path, {"box": box}, Clock())
    desk.observe(rule(), [reading(2.0)])
    desk.deliver()
    without = new_dispatcher(path, {}, Clock())
    (visit,) = without.deliver()
    assert (visit.sink, visit.open) == ("box", 1)
    assert visit.detail is not None
    assert "not configured" in visit.detail
    assert without.give_up("box") == 1
    assert without.deliver() == []
    assert fates(without) == [Fate.GIVEN_UP]


def test_severities_go_where_the_routes_say(tmp_path: Path) -> None:
    loud, all_of_it = Box(), Box()
    routes = [SinkRoute("loud", frozenset({Severity.CRITICAL})), SinkRoute("all", ALL)]
    desk = new_dispatcher(tmp_path / "ledger", {"loud": loud, "all": all_of_it}, Clock(), routes=routes)
    for severity in Severity:
        desk.observe(rule(severity, name=severity), [reading(2.0)])
    desk.deliver()
    assert [alert.name for alert in loud.alerts()] == ["critical"]
    assert [alert.name for alert in all_of_it.alerts()] == ["info", "warning", "critical"]


def test_quiet_hours_hold_all_but_critical_and_end_with_one_digest(tmp_path: Path) -> None:
    box, clock = Box(), Clock(NOON_NS + 10 * HOUR)  # 22:00
    routes = [SinkRoute("box", ALL, dict.fromkeys(Severity, NIGHT))]
    desk = new_dispatcher(tmp_path / "ledger", {"box": box}, clock, routes=routes)
    for number, severity in enumerate((Severity.WARNING, Severity.INFO, Severity.CRITICAL)):
        clock.now_ns += number
        desk.observe(rule(severity, name=severity), [reading(2.0)])
    desk.observe(rule(Severity.INFO, name="last"), [reading(2.0)])
    assert desk.deliver() == [Visit("box", 1, 0, 0, 3, None)]
    assert [alert.name for alert in box.alerts()] == ["critical"]
    clock.now_ns = NOON_NS + 19 * HOUR - 1
    assert desk.deliver()[0].held == 3
    clock.now_ns += 1
    assert desk.deliver() == [Visit("box", 1, 0, 0, 0, None)]
    (_, digest) = box.got[-1]
    assert isinstance(digest, Digest)
    assert (digest.severity, [alert.name for alert in digest.alerts]) == (Severity.WARNING, ["warning", "info", "last"])
    assert fates(desk)[:2] == [Fate.IN_DIGEST] * 2


def test_a_clearing_after_the_quiet_hours_comes_behind_the_digest_with_its_raise(tmp_path: Path) -> None:
    box, clock = Box(), Clock(NOON_NS + 11 * HOUR)
    desk = new_dispatcher(
        tmp_path / "ledger", {"box": box}, clock, routes=[SinkRoute("box", ALL, dict.fromkeys(Severity, NIGHT))]
    )
    desk.observe(rule(), [reading(2.0)])
    clock.now_ns += 9 * HOUR
    desk.observe(rule(), [reading(0.0)])
    desk.deliver()
    assert [alert.state for alert in box.alerts()] == [AlertState.RAISED, AlertState.CLEARED]


def test_what_failed_in_the_evening_is_not_tried_again_at_night(tmp_path: Path) -> None:
    box, clock = Box(), Clock(NOON_NS + 10 * HOUR - 1)
    box.errors = [down()]
    desk = new_dispatcher(
        tmp_path / "ledger", {"box": box}, clock, routes=[SinkRoute("box", ALL, dict.fromkeys(Severity, NIGHT))]
    )
    desk.observe(rule(), [reading(2.0)])
    desk.observe(rule(Severity.CRITICAL, name="worse"), [reading(2.0)])
    assert desk.deliver()[0].open == 2
    clock.now_ns += 1
    assert desk.deliver() == [Visit("box", 1, 0, 0, 1, None)]
    assert [alert.name for alert in box.alerts()] == ["worse"]
    clock.now_ns += 9 * HOUR
    box.errors = [down()]
    desk.deliver()  # the digest fails until the next night, and waits again
    clock.now_ns += 15 * HOUR
    assert desk.deliver() == [Visit("box", 0, 0, 0, 1, None)]
    clock.now_ns += 9 * HOUR
    desk.deliver()
    assert [alert.name for alert in box.alerts()] == ["worse", "drift"]


steps = st.lists(
    st.tuples(
        st.sampled_from(list(Severity)),
        st.sampled_from(["a", "b"]),
        st.sampled_from([0.0, 0.9, 2.0, None]),
        st.integers(0, 300),
        st.sampled_from(["", "deliver", "fail", "restart", "torn"]),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(steps)
def test_quiet_hours_failures_and_restarts_lose_nothing(path: list) -> None:
    """Every alert that was made arrives once in each sink, each sink in its order; what is quiet never gets through."""
    with tempfile.TemporaryDirectory() as place:
        ledger = Path(place) / "ledger"
        boxes, clock = {"quiet": Box(), "open": Box()}, Clock()
        routes = [SinkRoute("quiet", ALL, {Severity.INFO: NIGHT, Severity.WARNING: LUNCH}), SinkRoute("open", ALL)]
        desk, made = new_dispatcher(ledger, boxes, clock, routes=routes), []
        for severity, feature, value, minutes, action in path:
            clock.now_ns += minutes * MINUTE
            made += desk.observe(rule(severity, name=severity), [reading(value, clock.now_ns, feature)])
            if action == "torn" and ledger.exists():
                with ledger.open("ab") as half:
                    half.write(b'{"type":"tri')
            if action == "fail":
                boxes["quiet"].errors.append(down())
            if action in ("restart", "torn"):
                desk = new_dispatcher(ledger, boxes, clock, routes=routes)
            if action:
                before = len(boxes["quiet"].got)
                desk.deliver()
                for _, notice in boxes["quiet"].got[before:]:
                    assert not routes[0].waits(notice.severity, clock.now_ns)
        boxes["quiet"].errors.clear()
        clock.now_ns = NOON_NS + 500 * 24 * HOUR + 3 * HOUR  # 15:00, no quiet hour of any severity
        desk.deliver()
        keys = Counter(alert.made_time_ns * 10 + alert.severity.rank for alert in made)
        assert [len(box.alerts()) for box in boxes.values()] == [len(made)] * 2
        assert Counter(a.made_time_ns * 10 + a.severity.rank for a in boxes["quiet"].alerts()) == keys
        assert boxes["open"].alerts() == made
        for name in Severity:
            of_one = [alert for alert in boxes["quiet"].alerts() if alert.name == name and alert.subject.feature == "a"]
            assert of_one == [alert for alert in made if alert.name == name and alert.subject.feature == "a"]


def test_readers_of_two_processes_see_one_state(tmp_path: Path) -> None:
    path, box = tmp_path / "ledger", Box()
    one, other = new_dispatcher(path, {"box": box}, Clock()), new_dispatcher(path, {"box": box}, Clock())
    assert len(one.observe(rule(), [reading(2.0)])) == 1
    assert other.observe(rule(), [reading(2.0)]) == []
    other.deliver()
    one.deliver()
    assert len(box.got) == 1


RACER = """
import sys
from pathlib import Path
from tests.alerts.samples import Box, Clock, new_dispatcher, reading, rule
desk = new_dispatcher(Path(sys.argv[1]), {"box": Box()}, Clock())
print(sum(len(desk.observe(rule(), [reading(2.0, feature=str(n))])) for n in range(30)))
"""


def test_processes_that_observe_at_once_raise_each_alert_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    root = ROOT
    command = [sys.executable, "-c", RACER, str(path)]
    racers = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    made = [int(racer.communicate(timeout=60)[0]) for racer in racers]
    assert sum(made) == 30
    desk = new_dispatcher(path, {}, Clock())
    assert (len(desk.book().standing()), desk.unreadable) == (30, 0)


def test_while_another_process_delivers_nothing_is_sent_twice(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(desk_module, "LOCK_TIMEOUT_S", 0.0)
    box = Box()
    desk = new_dispatcher(tmp_path / "ledger", {"box": box}, Clock())
    desk.observe(rule(), [reading(2.0)])
    with (tmp_path / ".ledger.delivering").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert desk.deliver() == [Visit("box", 0, 1, 0, 0, "another process is delivering")]
    assert box.got == []
    assert desk.deliver()[0].delivered == 1


@pytest.mark.parametrize("sink", ["first", "second"])
def test_what_comes_while_a_sink_is_visited_goes_along(tmp_path: Path, sink: str) -> None:
    boxes = {"first": Box(), "second": Box()}
    desk = new_dispatcher(tmp_path / "ledger", boxes, Clock())
    other = new_dispatcher(tmp_path / "ledger", boxes, Clock())

    class Slow(Box):
        def deliver(self, notice, key):
            super().deliver(notice, key)
            other.observe(rule(), [reading(2.0, feature="late")])

    boxes[sink] = Slow()
    desk = new_dispatcher(tmp_path / "ledger", boxes, Clock())
    desk.observe(rule(), [reading(2.0)])
    desk.deliver()
    desk.deliver()
    assert [len(box.got) for box in boxes.values()] == [2, 2]
