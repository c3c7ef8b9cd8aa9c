"""Rows of definitions read key by key, with every problem kept instead of the first one raised."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from tickvol.core.errors import UsageError, shown

Choice = TypeVar("Choice", bound=StrEnum)
CODE_PATTERN = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
MAX_NOTE = 400


@dataclass(frozen=True)
class Problem:
    """One broken rule: the row (from 1), its code, the key, the value and the rule."""

    row: int
    code: str
    key: str
    value: object
    rule: str

    def __str__(self) -> str:
        return f"row {self.row} ({self.code}): {self.key}: {shown(self.value)}: {self.rule}"


@dataclass
class Row:
    """One row of a file; a reader returns None for a value that it has refused or that is absent."""

    number: int
    values: Mapping[str, Any]
    problems: list[Problem] = field(default_factory=list)
    prefix: str = ""

    @property
    def code(self) -> str:
        """The row's code, or `?`."""
        code = self.values.get("code")
        return code if isinstance(code, str) and code else "?"

    def refuse(self, key: str, value: object, rule: str) -> None:
        """Keep a problem."""
        self.problems.append(Problem(self.number, self.code, self.prefix + key, value, rule))

    def only(self, known: Collection[str]) -> None:
        """Refuse all other keys."""
        for key in self.values:
            if key not in known:
                self.refuse(str(key), self.values[key], f"unknown key: known are {', '.join(known)}")

    def section(self, key: str) -> "Row":
        """The mapping under a key, empty where absent; its problems join those of the row."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, Mapping):
            self.refuse(key, value, "must be a mapping")
            value = None
        return _Section(self.number, value or {}, self.problems, f"{self.prefix}{key}.", self.code)

    def sections(self, key: str) -> "list[Row]":
        """The mappings in the list under a key; their problems join those of the row."""
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(inner, Mapping) for inner in value):
            self.refuse(key, value, "must be a list of mappings")
            return []
        return [
            _Section(self.number, inner, self.problems, f"{self.prefix}{key}[{i}].", self.code)
            for i, inner in enumerate(value, start=1)
        ]

    def text(self, key: str, *, required: bool = False) -> str | None:
        """A text that is not empty."""
        value = self._present(key, required)
        if value is None:
            return None
        if not isinstance(value, str) or not value:
            self.refuse(key, value, "must be a text")
            return None
        return value

    def named(self) -> str:
        """The code of the row, checked against the pattern of codes."""
        code = self.text("code", required=True)
        if code is not None and not CODE_PATTERN.fullmatch(code):
            self.refuse("code", code, "must be 1 to 64 of A-Z, 0-9 and _, beginning with a letter")
        return code or "?"

    def note(self) -> str:
        """The note of the row."""
        note = self.text("note") or ""
        if len(note) > MAX_NOTE:
            self.refuse("note", note, f"must have at most {MAX_NOTE} characters")
        return note

    def one_of(self, key: str, choices: type[Choice]) -> Choice | None:
        """A member of an enumeration, by its exact name."""
        value = self._present(key, required=True)
        if value is None:
            return None
        if not isinstance(value, str) or value not in choices.__members__:
            self.refuse(key, value, f"must be one of {', '.join(choices.__members__)}")
            return None
        return choices[value]

    def flag(self, key: str, default: bool) -> bool:
        """A boolean."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            self.refuse(key, value, "must be true or false")
            return default
        return value

    def number_in(
        self, key: str, lowest: float, highest: float = math.inf, *, required: bool = False, whole: bool = False
    ) -> float | None:
        """A finite number in [lowest, highest]."""
        value = self._present(key, required)
        if value is None:
            return None
        kind = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind) or not math.isfinite(value):
            self.refuse(key, value, "must be a whole number" if whole else "must be a finite number")
            return None
        if not lowest <= value <= highest:
            limits = f"at least {lowest:g}" if highest == math.inf else f"in [{lowest:g}, {highest:g}]"
            self.refuse(key, value, f"must be {limits}")
            return None
        return float(value)

    def _present(self, key: str, required: bool) -> Any:
        value = self.values.get(key)
        if value is None and required:
            self.refuse(key, None, "missing: every such row needs it")
        return value


@dataclass
class _Section(Row):
    owner: str = "?"

    @property
    def code(self) -> str:
        return self.owner


def rows_of(raw: object) -> tuple[list[Row], list[Problem]]:
    """Rows of a file, which must be a list of mappings, and one list for the problems of all."""
    problems: list[Problem] = []
    if not isinstance(raw, list):
        return [], [Problem(0, "?", "file", raw, "must be a list of rows")]
    rows = []
    for number, values in enumerate(raw, start=1):
        if isinstance(values, Mapping):
            rows.append(Row(number, values, problems))
        else:
            problems.append(Problem(number, "?", "row", values, "must be a mapping of keys to values"))
    return rows, problems


def repeated_codes(rows: list[Row]) -> None:
    """Refuse a code that an earlier row has."""
    first: dict[str, int] = {}
    for row in rows:
        if row.code in first:
            row.refuse("code", row.code, f"is the code of row {first[row.code]}: each code once")
        elif row.code != "?":
            first[row.code] = row.number


def raise_all(problems: list[Problem]) -> None:
    """Raise all problems as one `UsageError`, in row order; nothing where there is none."""
    if problems:
        raise UsageError([str(problem) for problem in sorted(problems, key=lambda problem: problem.row)])
