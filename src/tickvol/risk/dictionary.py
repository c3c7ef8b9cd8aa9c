"""The data dictionary of the risk system: its Delta tables and its star schema, as Markdown."""

from tickvol.risk.star.schema import TABLES
from tickvol.risk.tables import RISK_TABLES
from tickvol.storage.delta.dictionary import dictionary, table_section
from tickvol.storage.delta.shared_tables import SHARED_TABLES

_TYPES = {"DOUBLE": "float64", "DOUBLE PRECISION": "float64", "SMALLINT": "int16", "INTEGER": "int32", "DATE": "date"}

_HEAD = """# Data dictionary

Delta tables lie below `lake.dir`; `tickvol tables list` shows their versions. Columns marked as provenance belong to
the run that wrote the row, such as its id and times: they are not part of a table's digest. The star schema lies in the
database of `risk.database_url`. `tickvol risk export` writes the gold tables, the run log and the star schema as
Parquet, and `gold_crypto_anomalies.csv` and `pipeline_logs.csv` with the same columns.

A day is the UTC date on which a candle opens. Returns, volatilities, drawdowns, VaR and ES are fractions: -0.04 is a
loss of 4%.
"""


def risk_dictionary() -> str:
    """The page `docs/data_dictionary.md`."""
    lines = [*_HEAD.splitlines(), "", "## Market risk", "", *dictionary(RISK_TABLES)]
    lines += ["## Star schema", "", *_star(), "## Shared by all systems", "", *dictionary(SHARED_TABLES)]
    return "\n".join(lines).rstrip() + "\n"


def _star() -> list[str]:
    lines: list[str] = []
    for table in TABLES:
        rows = []
        for column in table.columns:
            references = [key.target_fullname for key in column.foreign_keys]
            about = column.comment or f"refers to {', '.join(references)}"
            kind = _TYPES.get(str(column.type), "text")
            rows.append([f"`{column.name}`", kind, "", "yes" if column.nullable else "", about])
        key = ", ".join(f"`{column.name}`" for column in table.primary_key.columns)
        lines += table_section(table.name, table.comment or "", f"Key: {key}.", rows)
    return lines
