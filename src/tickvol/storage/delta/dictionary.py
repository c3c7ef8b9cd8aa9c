"""The data dictionary: every declared table and column as Markdown."""

from collections.abc import Iterable, Sequence

from tickvol.storage.delta.spec import Column, TableSpec


def dictionary(specs: Iterable[TableSpec]) -> list[str]:
    """Lines of Markdown: a section for each table, with a row for each column."""
    return [line for spec in specs for line in _section(spec)]


def table_section(title: str, about: str, notes: str, rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a section: heading, what one row stands for, notes, and a table of name, type, unit, null, meaning."""
    header = ["| column | type | unit | null | meaning |", "|---|---|---|---|---|"]
    body = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return [f"### {title}", "", about, *(["", notes] if notes else []), "", *header, *body, ""]


def _section(spec: TableSpec) -> list[str]:
    notes = [f"Key: {', '.join(f'`{name}`' for name in spec.key)}."]
    if spec.append_only:
        notes.append("Rows are never changed or deleted.")
    return table_section(spec.name, spec.about, " ".join(notes), [_row(column) for column in spec.columns])


def _row(column: Column) -> list[str]:
    about = column.about + (" (provenance)" if column.is_provenance else "")
    return [f"`{column.name}`", column.type, column.unit, "yes" if column.optional else "", about]
