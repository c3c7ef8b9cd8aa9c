"""Results of leak checks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tickvol.core.errors import SuspectedLeak
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.training import Prepared

Fit = Callable[[str, Prepared], Bundle]
"""Trains the named detector the way training does; may be called for the same detector on other rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """Result of one check.

    Attributes
    ----------
    passed : True if no leak was found; None where the check could not be made.
    reason : the finding, what was checked, or why it could not be, in words.
    figures : plain JSON values.
    """

    name: str
    passed: bool | None
    reason: str
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """`ok`, `LEAK` or `not checked`."""
        return "not checked" if self.passed is None else ("ok" if self.passed else "LEAK")


def leaks(results: Sequence[CheckResult]) -> list[CheckResult]:
    """Results that found a leak."""
    return [result for result in results if result.passed is False]


def require_clean(results: Sequence[CheckResult], consequence: str) -> None:
    """Raise if any check found a leak; `consequence` ends the message.

    Raises
    ------
    SuspectedLeak
        With the reason of each failed check.
    """
    found = leaks(results)
    if found:
        reasons = "; ".join(f"{result.name}: {result.reason}" for result in found)
        raise SuspectedLeak(f"{reasons}; {consequence} (docs/leakcheck.md says what each check means)")
