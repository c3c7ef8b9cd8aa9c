"""Days that are not known, and why, from the ledger."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tickvol.core.errors import UsageError
from tickvol.core.times import iso
from tickvol.risk.figures.calendar import day_text
from tickvol.risk.pipeline.context import FILE
from tickvol.risk.pipeline.coverage_table import read_ledgers
from tickvol.risk.pipeline.ledger import DayEntry, State, known_through
from tickvol.risk.tables import COVERAGE
from tickvol.risk.views.view import View, table_lines, time_text
from tickvol.storage.delta.lake import Lake

STATES: tuple[State, ...] = ("known", "unfinished", "unasked", "failed", "absent")


def gaps(lake: Lake, products: Sequence[str] | None = None) -> View:
    """The ledger of each product: days by state, the day up to which all is known, and spans of the other days.

    Raises
    ------
    UsageError
        If there is no ledger of a product.
    """
    keys = lake.table(COVERAGE.name).read(columns=["source", "product_id"])
    sources, stored = (keys[name].unique().sort().to_list() for name in ("source", "product_id"))
    if unknown := [product for product in products or () if product not in stored] if stored else ():
        raise UsageError([f"--product: {name!r}: must be one of {', '.join(stored)}" for name in unknown])
    found = [
        _ledger(source, name, entries)
        for source in sources
        for name, entries in read_ledgers(lake, source, products or None).items()
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
        "spans": _spans(source, entries),
    }


def _spans(source: str, entries: Mapping[int, DayEntry]) -> list[dict[str, Any]]:
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
    return [_span(source, first, [entries[day] for day in range(first, last + 1)]) for first, last in spans]


def _span(source: str, first: int, days: Sequence[DayEntry]) -> dict[str, Any]:
    state, waits = days[0].state, [entry.retry_after_us for entry in days if entry.retry_after_us is not None]
    retry_us = min(waits) if state != "absent" and len(waits) == len(days) else None
    is_asked = state != "absent" and source != FILE
    return {
        "state": state,
        "first_day": day_text(first),
        "last_day": day_text(first + len(days) - 1),
        "days": len(days),
        "reason": days[0].reason,
        "attempts": max(entry.attempts for entry in days),
        "is_asked_again": is_asked,
        "retry_after": None if retry_us is None or not is_asked else iso(retry_us * 1000),
        "retry_after_us": retry_us if is_asked else None,
    }


def _lines(found: list[dict[str, Any]]) -> list[str]:
    if not found:
        return ["no day was asked for yet; `tickvol risk run` fetches candles"]
    rows = [
        [
            ledger["product_id"],
            ledger["source"],
            ledger["first_day"],
            ledger["last_day"],
            ledger["known_through"] or "-",
            *(f"{ledger['days'][state]:,}" for state in STATES),
        ]
        for ledger in found
    ]
    lines = table_lines(["asset", "source", "from", "to", "known through", *STATES], rows)
    spans = [
        [
            ledger["product_id"],
            ledger["source"],
            span["state"],
            span["first_day"],
            span["last_day"],
            str(span["days"]),
            str(span["attempts"]),
            _next(ledger["source"], span),
            span["reason"],
        ]
        for ledger in found
        for span in ledger["spans"]
    ]
    if not spans:
        return [*lines, "", "no gap: every day that was asked for is known"]
    header = ["asset", "source", "state", "from", "to", "days", "asked", "next retry (UTC)", "reason"]
    return [*lines, "", *table_lines(header, spans)]


def _next(source: str, span: Mapping[str, Any]) -> str:
    if span["retry_after_us"] is not None:
        return f"from {time_text(span['retry_after_us'])}"
    if span["is_asked_again"]:
        return "next run"
    return "load a file" if source == FILE and span["state"] != "absent" else "none"
