"""What a check says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tickvol.core.errors import SuspectedLeak
from tickvol.volatility.models.bundle import Bundle
from tickvol.volatility.models.training import Prepared

Fit = Callable[[str, Prepared], Bundle]
"""Trains the detector of a name, as training does; may be asked for the same detector on other rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One check.

    Attributes
    ----------
    passed : whether nothing was found; None where it could not be looked for.
    reason : what was found, or looked at, or why it could not be, in words.
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
    """Those that found something."""
    return [result for result in results if result.passed is False]


def require_clean(results: Sequence[CheckResult], consequence: str) -> None:
    """Go on only where no check found a leak; `consequence` ends the message.

    Raises
    ------
    SuspectedLeak
        With the reason of each check that did.
    """
    found = leaks(results)
    if found:
        reasons = "; ".join(f"{result.name}: {result.reason}" for result in found)
        raise SuspectedLeak(f"{reasons}; {consequence} (docs/leakcheck.md says what each check means)")
