"""The risk system as it registers with the host programs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tickvol.system import System

if TYPE_CHECKING:
    from tickvol.storage.delta.spec import TableSpec


def _tables() -> "Sequence[TableSpec]":
    from tickvol.risk.tables import RISK_TABLES

    return RISK_TABLES


RISK = System(name="risk", tables=_tables)
