"""The export of all tables as files."""

from pathlib import Path

from tickvol.risk.export import EXPORTED, export
from tickvol.risk.pipeline.star import stored_star
from tickvol.risk.settings import RiskConfig
from tickvol.risk.views.figures import products_of
from tickvol.risk.views.view import View, table_lines
from tickvol.storage.delta.lake import Lake


def export_all(lake: Lake, risk: RiskConfig, directory: Path) -> View:
    """Write the gold tables, the run log and the star schema as files, and list them.

    Raises
    ------
    NotEnoughData
        If there are no figures; nothing is written.
    """
    products_of(lake, None)
    tables = {spec.name: lake.table(spec.name).read() for spec in EXPORTED}
    paths = export(directory, tables, stored_star(lake, risk.database_url))
    found = [{"path": str(path), "bytes": path.stat().st_size} for path in paths]
    rows = [[str(path), f"{path.stat().st_size:,}"] for path in paths]
    return View(found, tuple(table_lines(["file", "bytes"], rows)))
