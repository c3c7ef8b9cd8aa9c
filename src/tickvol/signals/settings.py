"""Section `warehouse`: the SQL database of the signals."""

from pydantic import BaseModel

from tickvol.settings.fields import Section


class WarehouseConfig(Section):
    """The warehouse: SQLite by path, or PostgreSQL or MariaDB by URL."""

    url: str


class SignalsSections(BaseModel):
    """Sections that the signals read."""

    warehouse: WarehouseConfig
