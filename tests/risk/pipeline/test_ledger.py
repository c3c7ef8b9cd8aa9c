"""The ledger of days by itself: any answers in any order of runs lose no day that was known and invent none."""

import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tickvol.risk.pipeline.ledger import (
    DAY_US,
    DayEntry,
    LedgerRules,
    WindowAnswer,
    days_to_ask,
    fold,
    is_final,
    known_through,
    windows,
)

RULES = LedgerRules(settle_delay_us=600_000_000, retry_after_us=900_000_000)
HOUR_US = DAY_US // 24
FIRST, DAYS = 20_000, 8


def answer(hours: float, *, good: Sequence[int] = (), error: str = "", rejected: Sequence[int] = ()) -> WindowAnswer:
    """An answer to a window of all days, a number of hours after the first day began."""
    return WindowAnswer(
        run_id=f"run {hours:08.2f}",
        received_at_us=FIRST * DAY_US + round(hours * HOUR_US),
        first_day=FIRST,
        last_day=FIRST + DAYS - 1,
        error=error,
        good=frozenset(FIRST + day for day in good),
        rejected={FIRST + day: "a rule" for day in rejected if day not in good},
    )


_days = st.sets(st.integers(0, DAYS - 1))
_answers = st.lists(
    st.builds(
        lambda hours, good, rejected, error: answer(
            hours,
            good=[] if error else [day for day in good if day * 24 <= hours],
            rejected=[] if error else rejected,
            error=error,
        ),
        st.integers(0, 24 * (DAYS + 6)),
        _days,
        _days,
        st.sampled_from(["", "", "timeout"]),
    ),
    max_size=12,
    unique_by=lambda each: each.received_at_us,
).map(lambda found: sorted(found, key=lambda each: each.received_at_us))


@given(_answers, st.data())
def test_answers_that_are_counted_already_change_nothing(answers: list[WindowAnswer], data: st.DataObject) -> None:
    entries = fold({}, answers, RULES)
    again = data.draw(st.lists(st.sampled_from(answers), max_size=5) if answers else st.just([]))
    assert fold(entries, again, RULES) == entries


@given(_answers, st.integers(0, 12))
def test_a_run_that_is_cut_short_is_continued_where_it_stopped(answers: list[WindowAnswer], cut: int) -> None:
    assert fold(fold({}, answers[:cut], RULES), answers[cut:], RULES) == fold({}, answers, RULES)
    assert fold(fold({}, answers[:cut], RULES), answers, RULES) == fold({}, answers, RULES)


@given(_answers)
def test_a_day_that_is_known_stays_known(answers: list[WindowAnswer]) -> None:
    entries: dict[int, DayEntry] = {}
    for each in answers:
        before, entries = entries, fold(entries, [each], RULES)
        assert all(entries[day].state == "known" for day, entry in before.items() if entry.state == "known")


@given(_answers)
def test_a_day_is_known_only_by_an_answer_that_holds_it_after_its_end(answers: list[WindowAnswer]) -> None:
    for day, entry in fold({}, answers, RULES).items():
        holding = [each for each in answers if day in each.good and is_final(day, each.received_at_us, RULES)]
        assert (entry.state == "known") == bool(holding)


@given(_answers)
def test_a_day_is_absent_only_by_two_good_answers_a_day_apart_of_which_the_last_is_two_days_after_its_end(
    answers: list[WindowAnswer],
) -> None:
    for day, entry in fold({}, answers, RULES).items():
        lacking = [
            each.received_at_us
            for each in answers
            if not each.error
            and day not in each.good
            and day not in each.rejected
            and is_final(day, each.received_at_us, RULES)
        ]
        if entry.state == "absent":
            assert max(lacking) - min(lacking) >= DAY_US
            assert max(lacking) >= (day + 3) * DAY_US


@given(_answers)
def test_known_through_never_passes_a_day_that_is_not_known_or_absent(answers: list[WindowAnswer]) -> None:
    entries = fold({}, answers, RULES)
    through = known_through(entries)
    states = [entries[day].state for day in sorted(entries)]
    passed = 0 if through is None else through - FIRST + 1
    assert set(states[:passed]) <= {"known", "absent"}
    assert passed == len(states) or states[passed] not in ("known", "absent")


def test_known_through_stops_at_a_day_without_an_entry() -> None:
    known = DayEntry(state="known")
    assert known_through({1: known, 2: known, 4: known}) == 2
    assert known_through({}) is None


@given(_answers, st.integers(0, 24 * (DAYS + 6)), st.integers(0, 3))
def test_every_day_that_is_not_known_is_asked_for_sooner_or_later(
    answers: list[WindowAnswer], hours: int, recheck_days: int
) -> None:
    entries, now_us = fold({}, answers, RULES), FIRST * DAY_US + hours * HOUR_US
    today = now_us // DAY_US

    def ask(at_us: int) -> set[int]:
        return set(days_to_ask(entries, first_day=FIRST, today=today, recheck_days=recheck_days, now_us=at_us))

    unknown = {day for day in range(FIRST, today + 1) if entries.get(day, DayEntry()).state not in ("known", "absent")}
    newest = set(range(max(today - recheck_days, FIRST), today + 1))
    later_us = max([now_us, *(each.received_at_us for each in answers)]) + DAY_US
    assert ask(later_us) == unknown | newest
    assert ask(now_us) <= unknown | newest
    waiting = {day for day in unknown if entries.get(day, DayEntry()).retry_after_us is not None}
    assert unknown - waiting <= ask(now_us)


def test_a_failed_day_waits_for_its_retry_unless_it_is_wanted_now() -> None:
    entries = fold({}, [answer(300, error="timeout")], RULES)
    failed_us = FIRST * DAY_US + 300 * HOUR_US
    common = {"first_day": FIRST, "today": FIRST + DAYS - 1, "recheck_days": 3}
    assert days_to_ask(entries, now_us=failed_us + RULES.retry_after_us - 1, **common) == []
    assert len(days_to_ask(entries, now_us=failed_us + RULES.retry_after_us, **common)) == DAYS
    assert len(days_to_ask(entries, now_us=failed_us, retry=True, **common)) == DAYS


@given(st.sets(st.integers(0, 2_000)), st.integers(1, 300))
def test_windows_hold_all_days_and_never_overlap(days: set[int], length: int) -> None:
    found = windows(sorted(days), length)
    assert days <= {day for first, last in found for day in range(first, last + 1)}
    assert all(last - first < length and {first, last} <= days for first, last in found)
    assert all(last < first for (_, last), (first, _) in itertools.pairwise(found))


def test_an_answer_before_the_end_of_a_day_is_no_evidence_that_the_day_is_absent() -> None:
    early = answer(6)
    assert fold({}, [early], RULES)[FIRST].absent_answers == 0
    states = [fold({}, [early, answer(24 * 4), *rest], RULES)[FIRST].state for rest in ([], [answer(24 * 5)])]
    assert states == ["unasked", "absent"]


def test_a_late_day_is_known_also_after_it_was_called_absent() -> None:
    entries = fold({}, [answer(24 * 4), answer(24 * 5)], RULES)
    assert entries[FIRST].state == "absent"
    assert fold(entries, [answer(24 * 6, error="timeout")], RULES)[FIRST].state == "absent"
    assert fold(entries, [answer(24 * 6, good=[0])], RULES)[FIRST].state == "known"
