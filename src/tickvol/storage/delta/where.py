"""Choice of rows by the values of some columns, as an expression of Polars and as SQL for Delta."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from tickvol.core.errors import InputError, UsageError, shown
from tickvol.storage.delta.rows import key_text
from tickvol.storage.delta.spec import ColumnType, TableSpec

_PYTHON: dict[ColumnType, type] = {"bool": bool, "int16": int, "int32": int, "int64": int, "text": str}


@dataclass(frozen=True, slots=True)
class Where:
    """Rows with these values; without any, all rows."""

    spec: TableSpec
    values: Mapping[str, object]

    @classmethod
    def of(cls, spec: TableSpec, values: Mapping[str, object]) -> "Where":
        """Check the values against the declaration.

        Raises
        ------
        UsageError
            If a column is unknown, optional or a float, or a value is of another type.
        """
        for name, value in values.items():
            place = f"{spec.name}: where: column {name!r}: {shown(value)!r}"
            if name not in spec.names:
                raise UsageError(f"{place}: must be one of {', '.join(spec.names)}")
            column = spec.column(name)
            if column.optional or column.type == "float64":
                raise UsageError(f"{place}: an optional or float64 column cannot choose rows; take another column")
            if type(value) is not _PYTHON[column.type]:
                raise UsageError(f"{place}: must be of type {column.type}")
        return cls(spec, dict(values))

    @property
    def columns(self) -> set[str]:
        """Columns whose values are given."""
        return set(self.values)

    def expression(self) -> pl.Expr:
        """Condition for Polars."""
        return pl.all_horizontal(pl.lit(True), *(pl.col(name) == pl.lit(value) for name, value in self.values.items()))

    def sql(self) -> str | None:
        """Condition for Delta; None: all rows."""
        return " AND ".join(f'"{name}" = {_literal(value)}' for name, value in self.values.items()) or None

    def check(self, rows: pl.DataFrame) -> None:
        """Check that all rows are among those chosen.

        Raises
        ------
        InputError
            If one is not.
        """
        outside = rows.filter(~self.expression())
        if not outside.is_empty():
            raise InputError(
                f"{self.spec.name}: column {', '.join(self.values)}: a row to write is not one of those to replace, "
                f"{self.sql()}; first {key_text(self.spec, outside)}"
            )


def _literal(value: object) -> str:
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower()
