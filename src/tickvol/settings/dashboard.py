"""Section `dashboard`: the pages in the browser."""

from typing import Annotated

from pydantic import Field

from tickvol.settings.fields import Port, Positive, PositiveInt, Section


class DashboardConfig(Section):
    """The dashboard."""

    host: Annotated[str, Field(pattern=r"^[0-9a-fA-F.:]+$")]
    port: Port
    refresh_s: PositiveInt
    stale_after_h: Positive
