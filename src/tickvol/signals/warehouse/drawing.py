"""The warehouse's tables drawn from their declaration: a Mermaid diagram and lists in Markdown."""

import sqlalchemy as sa

from tickvol.signals.warehouse.schema import TABLES

_SHORT = {"SMALLINT": "int16", "INTEGER": "int32", "BIGINT": "int64", "DOUBLE": "double", "TEXT": "text"}


def entity_relationships() -> str:
    """Entities with their keys, and the relationships between them, in Mermaid's language."""
    lines = ["erDiagram"]
    for table in TABLES:
        for constraint in sorted(table.foreign_key_constraints, key=lambda one: list(one.column_keys)):
            optional = any(column.nullable for column in constraint.columns)
            ends = f"{constraint.referred_table.name} {'|o' if optional else '||'}--o{{ {table.name}"
            lines.append(f"    {ends} : {', '.join(constraint.column_keys)}")
    for table in TABLES:
        lines.append(f"    {table.name} {{")
        lines += [
            f"        {_type(column)} {column.name} {marks}"
            for column in table.columns
            if (marks := _marks(table, column))
        ]
        lines.append("    }")
    return "\n".join(lines)


def _marks(table: sa.Table, column: sa.Column[object]) -> str:
    unique = any(column.name in one.columns for one in table.constraints if isinstance(one, sa.UniqueConstraint))
    marks = {"PK": column.primary_key, "FK": bool(column.foreign_keys), "UK": unique}
    return ", ".join(mark for mark, is_set in marks.items() if is_set)


def _type(column: sa.Column[object]) -> str:
    kind = column.type
    if isinstance(kind, sa.String) and kind.length:
        return f"text{kind.length}"
    return _SHORT[type(kind).__name__.upper().replace("SMALLINTEGER", "SMALLINT").replace("BIGINTEGER", "BIGINT")]


def column_lists() -> str:
    """A section per table: what one row is, its key, and its columns with type and meaning."""
    sections = []
    for table in TABLES:
        key = ", ".join(f"`{column.name}`" for column in table.primary_key)
        rows = [
            f"| `{column.name}` | {_type(column)}{', optional' if column.nullable else ''} | {column.comment} |"
            for column in table.columns
        ]
        head = [
            f"### `{table.name}`",
            "",
            f"{table.comment} Key: {key}.",
            "",
            "| column | type | meaning |",
            "|---|---|---|",
        ]
        sections.append("\n".join([*head, *rows]))
    return "\n\n".join(sections)
