"""The ledger of days: what each answer says of each day that it was asked for, and which days to ask for next.

The ledger replaces a watermark. A watermark at the newest stored day jumps over a window that failed, and what it
jumped over is never asked for again; here a day stays unknown until an answer holds it or two answers lack it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from tickvol.core.times import DAY_S

State = Literal["unasked", "known", "absent", "failed", "unfinished"]

DAY_US = DAY_S * 1_000_000

_ABSENT_ANSWERS = 2
_BETWEEN_ANSWERS_US = DAY_US
_REJECTED = "rejected: "
_ABSENT_AGE_US = 2 * DAY_US


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEntry:
    """What is known of a day, and the answers that say so.

    Attributes
    ----------
    absent_answers : good answers without the day; first_absent_us is the time of the first.
    retry_after_us : the day is not asked for before, as it failed, or as an answer could not confirm its absence yet.
    """

    state: State = "unasked"
    reason: str = "not asked for yet"
    attempts: int = 0
    absent_answers: int = 0
    first_absent_us: int | None = None
    first_run_id: str = ""
    last_run_id: str = ""
    last_asked_us: int | None = None
    retry_after_us: int | None = None

    @property
    def is_rejected(self) -> bool:
        """Whether the last answer had the day, and the rules rejected it."""
        return self.state == "failed" and self.reason.startswith(_REJECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowAnswer:
    """One answer to one window of days, already judged by the rules.

    Attributes
    ----------
    first_day, last_day : of the window, days since the epoch, inclusive.
    error : why there is no good answer; "" for a good one, an empty list included.
    good : days with a valid candle. rejected : days with none but invalid ones, and the rules they broke.
    """

    run_id: str
    received_at_us: int
    first_day: int
    last_day: int
    error: str = ""
    good: frozenset[int] = frozenset()
    rejected: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LedgerRules:
    """Times that decide about a day: when it is final, and when a failed one is asked for again."""

    settle_delay_us: int
    retry_after_us: int


def is_final(day: int, at_us: int, rules: LedgerRules) -> bool:
    """Whether a day was over and settled at a time.

    >>> is_final(0, DAY_US, LedgerRules(settle_delay_us=0, retry_after_us=0))
    True
    """
    return at_us >= (day + 1) * DAY_US + rules.settle_delay_us


def fold(entries: Mapping[int, DayEntry], answers: Iterable[WindowAnswer], rules: LedgerRules) -> dict[int, DayEntry]:
    """The ledger of a product after more answers, by day since the epoch.

    Parameters
    ----------
    answers : in the order in which they were received; those that the entries count already change nothing.
    """
    folded = dict(entries)
    for answer in answers:
        for day in range(answer.first_day, answer.last_day + 1):
            before = folded.get(day, DayEntry(first_run_id=answer.run_id))
            if _is_counted(before, answer):
                continue
            asked = replace(
                before,
                attempts=before.attempts + 1,
                first_run_id=before.first_run_id or answer.run_id,
                last_run_id=answer.run_id,
                last_asked_us=answer.received_at_us,
            )
            folded[day] = _after(asked, day, answer, rules)
    return folded


def _is_counted(entry: DayEntry, answer: WindowAnswer) -> bool:
    if entry.last_asked_us is None:
        return False
    return (answer.run_id, answer.received_at_us) <= (entry.last_run_id, entry.last_asked_us)


def _after(entry: DayEntry, day: int, answer: WindowAnswer, rules: LedgerRules) -> DayEntry:
    at_us = answer.received_at_us
    if day in answer.good:
        if entry.state == "known" or is_final(day, at_us, rules):
            return replace(entry, state="known", reason="", retry_after_us=None)
        return replace(entry, state="unfinished", reason="the day was not over, or not settled", retry_after_us=None)
    if entry.state in ("known", "unfinished", "absent") and (answer.error or day in answer.rejected):
        return entry  # a bad answer takes nothing away
    if answer.error or day in answer.rejected:
        reason = answer.error or _REJECTED + answer.rejected[day]
        return replace(entry, state="failed", reason=reason, retry_after_us=at_us + rules.retry_after_us)
    if entry.state in ("known", "unfinished"):
        return entry  # what was once answered stays stored
    if not is_final(day, at_us, rules):  # a day that is not over may have no trade yet
        return replace(entry, state="unasked", reason="the day was not over, or not settled", retry_after_us=None)
    return _without(entry, day, at_us)


def _without(entry: DayEntry, day: int, at_us: int) -> DayEntry:
    first_us = at_us if entry.first_absent_us is None else entry.first_absent_us
    count = entry.absent_answers + 1
    is_old = at_us - (day + 1) * DAY_US >= _ABSENT_AGE_US
    is_confirmed = count >= _ABSENT_ANSWERS and at_us - first_us >= _BETWEEN_ANSWERS_US
    confirmable_us = first_us + _BETWEEN_ANSWERS_US
    entry = replace(
        entry,
        absent_answers=count,
        first_absent_us=first_us,
        retry_after_us=confirmable_us if at_us < confirmable_us else None,
    )
    if is_old and is_confirmed:
        return replace(entry, state="absent", reason=f"not in {count} answers at least a day apart")
    if entry.state == "absent":
        return entry
    return replace(entry, state="unasked", reason=f"not in {count} answer{'s' if count > 1 else ''}; to be confirmed")


def known_through(entries: Mapping[int, DayEntry]) -> int | None:
    """The last day up to which every day of the ledger is known or absent; None if its first one is not.

    >>> known_through({5: DayEntry(state="known"), 6: DayEntry(state="failed"), 7: DayEntry(state="known")})
    5
    """
    through = None
    if entries:
        for day in range(min(entries), max(entries) + 1):
            if entries.get(day, DayEntry()).state not in ("known", "absent"):
                break
            through = day
    return through


def days_to_ask(
    entries: Mapping[int, DayEntry], *, first_day: int, today: int, recheck_days: int, now_us: int, retry: bool = False
) -> list[int]:
    """Days that the next run asks for, ascending: unknown ones, the unfinished, and the newest, to find revisions.

    Parameters
    ----------
    retry : also days whose time has not come yet.
    """
    chosen = []
    for day in range(first_day, today + 1):
        entry = entries.get(day, DayEntry())
        is_due = retry or entry.retry_after_us is None or entry.retry_after_us <= now_us
        if (
            entry.state == "unfinished"
            or (entry.state in ("unasked", "failed") and is_due)
            or (day >= today - recheck_days and entry.state != "failed")
        ):
            chosen.append(day)
    return chosen


def windows(days: Sequence[int], window_days: int) -> list[tuple[int, int]]:
    """Few windows (first and last day, inclusive) of at most `window_days` that hold all days.

    Parameters
    ----------
    days : ascending.

    >>> windows([1, 2, 3, 250, 251, 900], 250)
    [(1, 250), (251, 251), (900, 900)]
    """
    found: list[tuple[int, int]] = []
    for day in days:
        if found and day < found[-1][0] + window_days:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
