"""Reads of the tables for the pages: an unreadable table is a result, as the page must stay up."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from tickvol.pages.numbers import age_text, day_end_us
from tickvol.pages.states import State, empty, of_age, unreadable
from tickvol.risk.tables import RISK_TABLES
from tickvol.storage.delta.lake import Lake
from tickvol.storage.delta.shared_tables import SHARED_TABLES

logger = logging.getLogger(__name__)

COMMAND = "tickvol risk run"
"""The command that fills the tables."""


@dataclass(frozen=True)
class Reading:
    """Rows of a table, or the reason why it cannot be read.

    Attributes
    ----------
    error : empty where the table was read; then no rows are an empty table.
    """

    rows: pl.DataFrame
    error: str = ""

    @cached_property
    def missing(self) -> State | None:
        """The state where there are no rows; None where there are some."""
        if self.error:
            return unreadable(self.error)
        return empty(COMMAND) if self.rows.is_empty() else None

    def of(self, **values: str) -> "Reading":
        """The rows with these values."""
        if self.error:
            return self
        return Reading(self.rows.filter(**values))


class Readings:
    """The tables of a lake; each call reads what is stored now."""

    def __init__(self, directory: Path) -> None:
        self._lake = Lake(directory, (*RISK_TABLES, *SHARED_TABLES))

    def read(self, table: str, *, where: pl.Expr | None = None, columns: Sequence[str] | None = None) -> Reading:
        """Rows sorted by key."""
        try:
            return Reading(self._lake.table(table).read(where=where, columns=columns))
        except Exception as error:  # of the storage, of Delta and of Polars: the page shows it and the others stay up
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            logger.warning("table %s cannot be read: %s", table, reason)
            return Reading(pl.DataFrame(), f"The table {table} cannot be read: {reason}")


@dataclass(frozen=True, slots=True)
class Clock:
    """Ages of figures.

    Attributes
    ----------
    now_us : Unix time.
    """

    now_us: Callable[[], int]
    stale_after_h: float

    def age_s(self, end_us: int) -> float:
        """Time since then; never negative."""
        return max(self.now_us() - end_us, 0) / 1e6

    def state(self, end_us: int) -> State:
        """Current or stale."""
        return of_age(self.age_s(end_us), self.stale_after_h)

    def age_of_day(self, day: str) -> str:
        """Time since the end of a UTC date, as text."""
        return age_text(self.age_s(day_end_us(day)))

    def state_of_day(self, day: str) -> State:
        """Current or stale, by the end of a UTC date."""
        return self.state(day_end_us(day))


Row = Mapping[str, Any]
"""A row of a table by its columns."""
