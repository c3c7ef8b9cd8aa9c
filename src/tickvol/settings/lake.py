"""Section `lake`: the directory of the Delta tables and their maintenance; the form of a data rule."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tickvol.settings.fields import PositiveInt, Section


class LakeConfig(Section):
    """The Delta tables of all systems."""

    dir: Path
    compact_after_files: PositiveInt
    retention_h: PositiveInt
    checkpoint_commits: PositiveInt


class RuleConfig(Section):
    """A rule that each row of a table must meet.

    Attributes
    ----------
    rule : SQL expression over the table's columns that is true for a good row.
    action : warn only counts, quarantine rejects the row, fail ends the step when any row breaks the rule.
    missing : whether a null, NaN or infinity in a column of the rule violates it or passes.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    rule: Annotated[str, Field(min_length=1)]
    action: Literal["warn", "quarantine", "fail"]
    missing: Literal["violates", "passes"] = "violates"
