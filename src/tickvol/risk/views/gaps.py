"""Days that are not known, and why, from the ledger."""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from tickvol.risk.figures.calendar import day_text
from tickvol.risk.pipeline.coverage_table import read_ledgers
from tickvol.risk.pipeline.ledger import DayEntry, State, known_through
from tickvol.risk.tables import COVERAGE
from tickvol.risk.views.view import View, table_lines
from tickvol.storage.delta.lake import Lake

STATES: tuple[State, ...] = ("known", "unfinished", "unasked", "failed", "absent")


def gaps(lake: Lake, product: str | None = None) -> View:
    """The ledger of each product: days by state, the day up to which all is known, and spans of the other days."""
    sources = lake.table(COVERAGE.name).read(columns=["source"])["source"].unique().sort().to_list()
    found = [
        _ledger(source, name, entries)
        for source in sources
        for name, entries in read_ledgers(lake, source, None if product is None else [product]).items()
        if entries
    ]
    return View(found, tuple(_lines(found)))


def _ledger(source: str, product: str, entries: Mapping[int, DayEntry]) -> dict[str, Any]:
    through = known_through(entries)
    counts = Counter(entry.state for entry in entries.values())
    return {
        "source": source,
        "product_id": product,
        "first_day": day_text(min(entries)),
        "last_day": day_text(max(entries)),
        "known_through": None if through is None else day_text(through),
        "days": {state: counts[state] for state in STATES},
        "spans": _spans(entries),
    }


def _spans(entries: Mapping[int, DayEntry]) -> list[dict[str, Any]]:
    """Neighbouring days of one state, other than known ones, with one reason."""
    open_days = sorted(day for day, entry in entries.items() if entry.state != "known")
    spans: list[list[int]] = []
    for before, day in pairwise([None, *open_days]):
        assert day is not None
        same = (
            before is not None
            and day == before + 1
            and (entries[day].state, entries[day].reason) == (entries[before].state, entries[before].reason)
        )
        if same:
            spans[-1][1] = day
        else:
            spans.append([day, day])
    return [
        {
            "state": entries[first].state,
            "first_day": day_text(first),
            "last_day": day_text(last),
            "days": last - first + 1,
            "reason": entries[first].reason,
            "attempts": max(entries[day].attempts for day in range(first, last + 1)),
            "retry_after_us": entries[last].retry_after_us,
        }
        for first, last in spans
    ]


def _lines(found: list[dict[str, Any]]) -> list[str]:
    if not found:
        return ["no day was asked for yet; `tickvol risk run` fetches candles"]
    rows = [
        [
            ledger["product_id"],
            ledger["source"],
            ledger["first_day"],
            ledger["known_through"] or "-",
            *(str(ledger["days"][state]) for state in STATES),
        ]
        for ledger in found
    ]
    lines = table_lines(["asset", "source", "from", "known through", *STATES], rows)
    spans = [
        [ledger["product_id"], span["state"], span["first_day"], span["last_day"], str(span["days"]), span["reason"]]
        for ledger in found
        for span in ledger["spans"]
    ]
    if spans:
        lines += ["", *table_lines(["asset", "state", "from", "to", "days", "reason"], spans)]
    return lines
